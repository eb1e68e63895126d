#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job, told as it happens: a volume over two storage nodes, a file system on it, files copied while a
# queue pair is cut and a target is killed, checksums equal at the end.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

say() { printf '\n==> %s\n' "$*"; }
show_status() { "$weftctl" status; }

say 'A wire with soft-RoCE at both ends; the storage side is 10.77.1.2, the compute side 10.77.1.1.'
rxe_wire 1
modules ublk_drv
for i in 0 1; do
  mkdir -p "/srv/store$i"
  mkfs.ext4 -q "$(lab_disk $i)"
  mount "$(lab_disk $i)" "/srv/store$i"
done

say 'Two storage nodes come up, each with a file of 384 MiB behind direct I/O.'
for i in 0 1; do
  target_config "store$i" 10.77.1.2 $((5555 + i)) \
    "{name: half, file: {path: /srv/store$i/half.img, size: 384MiB}, initiators: [any]}"
  target_start "store$i"
  running "store$i" || die "target store$i ended"
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
((size == 768 << 20)) || die "the size is $size"
[[ $(realpath /dev/weft/data) == "$device" ]] || die '/dev/weft/data does not lead there'
show_status

say 'A file system on it, mounted, and a real tree copied in.'
mkfs.ext4 -q /dev/weft/data
mkdir -p /mnt/data
mount /dev/weft/data /mnt/data
source_tree=/usr/lib/python3
[[ -d $source_tree ]] || source_tree=/usr/share/perl
expected=$(tree_sum "$source_tree")

# The page cache would swallow the copies whole; so little of it may be dirty that they run at the volume's pace.
echo $((4 << 20)) >/proc/sys/vm/dirty_bytes
echo $((2 << 20)) >/proc/sys/vm/dirty_background_bytes

# copy_while CMD...: copies the tree while CMD is done to the system.
copies=0
copy_while() {
  local to=/mnt/data/copy$copies copier
  copies=$((copies + 1))
  (cp -r "$source_tree" "$to" && sync -f "$to") &
  copier=$!
  "$@"
  wait "$copier" || die 'the copy failed'
}
copy_while true

cut_a_queue_pair() {
  sleep 0.3
  "$weftctl" channel drop store0 0 || die 'weftctl channel drop'
}
say 'A queue pair is cut while the next copy runs; the copy goes on over the other.'
copy_while cut_a_queue_pair
wait_for 60 channels_ready 4
show_status
(($(status '[.sessions[].channels[].losses] | add') >= 1)) || die 'no queue pair was lost'

kill_and_restart_a_target() {
  sleep 0.3
  kill9 store1
  printf '    store1 is dead; what waits, and why:\n'
  show_status
  sleep 2
  target_start store1
}
say 'A target is killed with SIGKILL while the next copy runs, and comes back; the copy waits and goes on.'
copy_while kill_and_restart_a_target
wait_for 60 channels_ready 4
show_status

say 'Everything is read back from the storage nodes and compared.'
umount /mnt/data
mount /dev/weft/data /mnt/data
for ((i = 0; i < copies; i++)); do
  [[ $(tree_sum "/mnt/data/copy$i") == "$expected" ]] || die "copy $i differs from the original"
done
say "$copies copies of $(find "$source_tree" -type f | wc -l) files, every checksum equal."
umount /mnt/data
fsck.ext4 -fn /dev/weft/data >"$LAB_OUT/fsck.txt" 2>&1 || die 'fsck found damage'

say 'A few latencies of 4 KiB (emulated: only ratios mean anything).'
latency() {
  local name=$1 rw=$2 depth=$3
  fio --name="$name" --filename=/dev/weft/data --direct=1 --ioengine=io_uring --rw="$rw" --bs=4k --iodepth="$depth" \
    --size=256m --time_based --runtime="${WEFT_DEMO_SECONDS:-3}" --output-format=json |
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
