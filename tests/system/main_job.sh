#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job, told as it happens: a volume over two storage nodes, a file system on it, files copied while a
# queue pair is cut and a target is killed, checksums equal at the end.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

say() { printf '\n==> %s\n' "$*"; }
show_status() { "$weftctl" status; }
show_target() { "$weftctl" --socket "/run/weft/$1.sock" status; }

say 'A wire with soft-RoCE at both ends; the storage side is 10.77.1.2, the compute side 10.77.1.1.'
rxe_wire 1
modules ublk_drv
for i in 0 1; do
  mkdir -p "/srv/store$i"
  mkfs.ext4 -q "$(lab_disk $i)"
  mount "$(lab_disk $i)" "/srv/store$i"
done

# In memory, so that copies wait for nothing but the volume. Three of them are more than one half holds.
source_tree=$lab_state/tree
for tree in /usr/lib/python3 /usr/share/perl; do
  [[ -e $source_tree || ! -d $tree ]] || cp -r "$tree" "$source_tree"
done
expected=$(tree_sum "$source_tree")
half=$(($(du -sm "$source_tree" | cut -f1) * 9 / 4))

say "Two storage nodes come up, each with a file of $half MiB behind direct I/O."
for i in 0 1; do
  target_config "store$i" 10.77.1.2 $((5555 + i)) \
    "{name: half, file: {path: /srv/store$i/half.img, size: ${half}MiB}, initiators: [any]}"
  target_start "store$i"
  running "store$i" || die "target store$i ended"
  printf '    store%s:\n' "$i"
  show_target "store$i"
done

say 'The compute node composes both halves into one volume.'
initiator_config "
targets:
  - {name: store0, paths: [{address: 10.77.1.2, port: 5555, source: 10.77.1.1, qps: 2}]}
  - {name: store1, paths: [{address: 10.77.1.2, port: 5556, source: 10.77.1.1, qps: 2}]}
volumes:
  - name: data
    linear:
      - remote: {target: store0, volume: half}
      - remote: {target: store1, volume: half}"
initiator_start
wait_for 30 channels_ready 4
device=$(status '.volumes[0].device')
size=$(blockdev --getsize64 "$device")
say "$device is there, $((size >> 20)) MiB: the sum of both."
((size == 2 * half << 20)) || die "the size is $size"
[[ $(realpath /dev/weft/data) == "$device" ]] || die '/dev/weft/data does not lead there'
show_status

say 'A file system on it, mounted, and a real tree copied in.'
mkfs.ext4 -q /dev/weft/data
mkdir -p /mnt/data
mount /dev/weft/data /mnt/data
show_status
# Through a page cache that holds little, copies run at the volume's pace.
gently_dirty

# copy_while CMD...: copies the tree while CMD is done to the system.
copies=0
copy_while() {
  local to=/mnt/data/copy$copies
  copies=$((copies + 1))
  session_counts >"$lab_state/at-begin"
  (cp -r "$source_tree" "$to" && sync -f "$to") &
  lab_pids[copier]=$!
  "$@"
  reap copier 300 || die 'the copy failed'
}
still_copying() { running copier || die "the copy was over $1: this tells nothing"; }

# session_counts: each target and how many commands it was sent. session TARGET FILTER: jq on a session.
session_counts() { status '.sessions[] | "\(.target) \([.channels[].commands] | add)"'; }
session() { status ".sessions[] | select(.target == \"$1\") | $2"; }
# find_hard_worked: sets $worked to a target that this copy has kept busy. Where the file system writes is its own affair.
find_hard_worked() {
  wait_for 60 lab_hard_worked
  worked=$(<"$lab_state/worked")
}
lab_hard_worked() {
  session_counts | join "$lab_state/at-begin" - | awk '$3 >= $2 + 50 { print $1; exit }' >"$lab_state/worked"
  [[ -s $lab_state/worked ]]
}
requests_exceed() { (($(status '.volumes[0].requests') > $1)); }
channel_lost() { (($(session "$1" ".channels[$2].losses") > $3)); }
copy_while true

cut_a_queue_pair() {
  local channel commands losses reconnects recoveries failovers requests
  find_hard_worked
  # The one of its two that carried more.
  read -r channel commands losses reconnects < <(session "$worked" \
    '.channels | max_by(.commands) | "\(.index) \(.commands) \(.losses) \(.reconnects)"')
  read -r recoveries failovers < <(session "$worked" '"\(.recoveries) \(.failovers)"')
  ((commands > 0)) || die "queue pair $channel of $worked has carried nothing"
  still_copying 'before the cut'
  "$weftctl" channel drop "$worked" "$channel" || die 'weftctl channel drop'
  wait_for 30 channel_lost "$worked" "$channel" "$losses"
  requests=$(status '.volumes[0].requests')
  still_copying 'when the queue pair was cut'
  wait_for 60 requests_exceed $((requests + 20))
  still_copying 'before anything was written without the queue pair'
  printf '    queue pair %s of %s, cut after %s commands; I/O went on, the copy still runs.\n' "$channel" "$worked" "$commands"
  wait_for 60 channels_ready 4
  (($(session "$worked" ".channels[$channel].reconnects") > reconnects)) || die 'the queue pair did not come back'
  # What it held went over the other one; there was never a moment without any.
  (($(session "$worked" .failovers) > failovers)) || die 'no failover was counted'
  (($(session "$worked" .recoveries) == recoveries)) || die "$worked lost all its queue pairs, not one"
}
say 'A queue pair is cut while the next copy runs; the copy goes on over the other.'
copy_while cut_a_queue_pair
show_status

# What waits for TARGET, as status says it: a line for each reason.
waits_for() { status ".volumes[0].waits[] | select(.count > 0 and (.reason | endswith(\"$1\"))) | \"\(.count) for: \(.reason)\""; }
something_waits_for() { [[ -n $(waits_for "$1") ]] && (($(status '.volumes[0].in_flight') > 0)); }
kill_and_restart_a_target() {
  local requests
  find_hard_worked
  still_copying 'before the kill'
  kill9 "$worked"
  still_copying 'when the target died'
  wait_for 60 something_waits_for "$worked"
  printf '    %s is dead; what waits, and why:\n' "$worked"
  show_status
  still_copying 'before the target came back'
  requests=$(status '.volumes[0].requests')
  target_start "$worked"
  running "$worked" || die "target $worked does not start again"
  wait_for 60 requests_exceed "$requests"
}
say 'A target is killed with SIGKILL while the next copy runs, and comes back; the copy waits and goes on.'
copy_while kill_and_restart_a_target
wait_for 60 channels_ready 4
show_status
[[ $(status '.volumes[0].errors') == 0 ]] || die 'the volume counts errors'

say 'Everything is read back from the storage nodes and compared.'
bytes_of() { session "$1" '[.channels[].bytes] | add'; }
before=("$(bytes_of store0)" "$(bytes_of store1)")
umount /mnt/data
mount /dev/weft/data /mnt/data
# All at once: one after the other, the wire would mostly wait for the next file.
for ((i = 0; i < copies; i++)); do
  tree_sum "/mnt/data/copy$i" >"$lab_state/sum$i" &
  lab_pids[sum$i]=$!
done
for ((i = 0; i < copies; i++)); do
  reap "sum$i" 300 || die "copy $i cannot be read"
  [[ $(<"$lab_state/sum$i") == "$expected" ]] || die "copy $i differs from the original"
done
for i in 0 1; do
  (($(bytes_of "store$i") - before[i] >= 10 << 20)) || die "store$i gave back less than 10 MiB of $copies trees"
done
say "$copies copies of $(find "$source_tree" -type f | wc -l) files, every checksum equal."
show_status
umount /mnt/data
fsck.ext4 -fn /dev/weft/data >"$LAB_OUT/fsck.txt" 2>&1 || die 'fsck found damage'

say 'A few latencies of 4 KiB (emulated: only ratios mean anything).'
latency() {
  local name=$1 rw=$2 depth=$3
  fio --name="$name" --filename=/dev/weft/data --direct=1 --ioengine=io_uring --rw="$rw" --bs=4k --iodepth="$depth" \
    --time_based --runtime="${WEFT_DEMO_SECONDS:-3}" --output-format=json |
    jq -r --arg n "$name" --arg d "$depth" '.jobs[0] | if .read.iops > 0 then .read else .write end |
      "\($n)\t\($d)\t\(.iops | floor)\t\(.clat_ns.mean / 1000 | floor)\t\(.clat_ns.percentile."99.000000" / 1000 | floor)"'
}
{
  printf 'pattern\tdepth\tIOPS\tmean us\t99%% us\n'
  latency 'random read' randread 1
  latency 'random write' randwrite 1
  latency 'random read' randread 32
  latency 'random write' randwrite 32
} | column -t -s $'\t'

say 'All daemons stop; nothing is left behind.'
stop initiator
stop store0
stop store1
nothing_left
dmesg_clean
