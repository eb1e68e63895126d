# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# weft's own daemons in lab scripts. Source it after lib.sh. WEFT_BUILD names the build directory.
#
# A target NAME listens on ADDRESS:PORT, keeps its files in $LAB_OUT and its volumes where the script says;
# several may run side by side.

# shellcheck disable=SC2034,SC2154 # lab_state and lab_pids are lib.sh's
: "${WEFT_BUILD:?the build directory: ci/lab --env WEFT_BUILD=DIR}"
weft_target=$WEFT_BUILD/target/weft-target
weft_initiator=$WEFT_BUILD/initiator/weft-initiator
weftctl=$WEFT_BUILD/tools/weftctl/weftctl
for weft_program in "$weft_target" "$weft_initiator" "$weftctl"; do
  [[ -x $weft_program ]] || die "$weft_program is not built"
done
mkdir -p /run/weft

# target_config NAME ADDRESS PORT VOLUME_LINES...: writes the target's file; each volume is one flow mapping,
# for example '{name: a, memory: {size: 64MiB}, initiators: [any]}'.
target_config() {
  local name=$1 address=$2 port=$3 volume
  shift 3
  {
    printf 'target: {name: %s, control: /run/weft/%s.sock%s}\n' "$name" "$name" "${WEFT_TARGET_OPTIONS:+, $WEFT_TARGET_OPTIONS}"
    printf 'listeners: [{address: %s, port: %s}]\n' "$address" "$port"
    [[ -z ${WEFT_TIMERS:-} ]] || printf 'timers: {%s}\n' "$WEFT_TIMERS"
    printf 'volumes:\n'
    for volume in "$@"; do printf '  - %s\n' "$volume"; done
  } >"$LAB_OUT/$name.yaml"
}

target_start() {
  spawn "$1" "$weft_target" --config "$LAB_OUT/$1.yaml"
  wait_for 30 target_ready "$1"
}
target_ready() { ended "$1" || "$weftctl" --socket "/run/weft/$1.sock" status --json >/dev/null; }

# initiator_config VOLUME_AND_TARGET_LINES: the text after `initiator:` and `timers:`.
initiator_config() {
  {
    printf 'initiator: {name: node1, state_dir: /run/weft/state%s}\n' "${WEFT_INITIATOR_OPTIONS:+, $WEFT_INITIATOR_OPTIONS}"
    [[ -z ${WEFT_TIMERS:-} ]] || printf 'timers: {%s}\n' "$WEFT_TIMERS"
    printf '%s\n' "$1"
  } >"$LAB_OUT/initiator.yaml"
}

# The daemon is up when it says so on its socket and every volume of its file is attached.
initiator_start() {
  spawn initiator "$weft_initiator" --config "$LAB_OUT/initiator.yaml"
  wait_for "${1:-60}" initiator_ready
  running initiator || die "weft-initiator ended"
}
initiator_ready() {
  ended initiator && return 0
  "$weftctl" status --json | jq -e '(.volumes | length > 0) and all(.volumes[]; .device != null and .device != "")' >/dev/null
}

# status FILTER: jq on the initiator's status. target_status NAME FILTER: on a target's.
status() { "$weftctl" status --json | jq -r "$1"; }
target_status() { "$weftctl" --socket "/run/weft/$1.sock" status --json | jq -r "$2"; }

# volume NAME FILTER: jq on one of its volumes.
volume() { status ".volumes[] | select(.name == \"$1\") | $2"; }
more_writes_than() { (($(volume "$1" .writes) > $2)); }
# goes_on NAME SECONDS: the volume writes.
goes_on() { wait_for "$2" more_writes_than "$1" "$(volume "$1" .writes)"; }

# channels_ready N: all N channels of all sessions are up.
channels_ready() {
  [[ $(status '[.sessions[].channels[] | select(.state == "ready")] | length') == "$1" ]]
}

# nothing_left: no ublk device, no process that cannot be killed. Anyone may sleep so for a moment: only who stays counts.
nothing_left() { wait_for 15 lab_nothing_left || die 'something is left behind (above)'; }
lab_nothing_left() {
  local left
  left=$(find /dev -maxdepth 1 -name 'ublk[bc]*')
  left+=$(ps -eo pid,stat,wchan:30,comm | awk '$2 ~ /^D/ && $4 !~ /^kworker/')
  [[ -z $left ]] || { printf '%s\n' "$left"; return 1; }
}

# What a script that failed leaves for its reader, in $LAB_OUT/last-status.txt.
last_status() {
  local socket
  for socket in /run/weft/*.sock; do timeout 10 "$weftctl" --limit 5 --socket "$socket" status --json; done \
    >"$LAB_OUT/last-status.txt" 2>&1
  {
    ps -eo pid,ppid,stat,wchan:20,args
    # The second column: packets the kernel dropped because nobody took them in time; soft-RoCE sends those again
    # after a second.
    cat /proc/net/softnet_stat
    tail -n +1 /sys/class/infiniband/*/ports/1/hw_counters/{completer_retry_err,retry_exceeded_err,send_err,sent_cqes,rcvd_seq_err,send_rnr_err,retry_rnr_exceeded_err,out_of_seq_request,duplicate_request,ack_deffered} 2>/dev/null
  } >>"$LAB_OUT/last-status.txt"
}
on_exit last_status

# verify_io DEVICE SECONDS DEPTH [FIO_OPTION...]: random writes with verification, to the end of the time.
verify_io() {
  local device=$1 seconds=$2 depth=$3
  shift 3
  fio --name=verify --filename="$device" --direct=1 --ioengine=io_uring --rw=randwrite --bs=4k-64k --bsrange=4k-64k \
    --iodepth="$depth" --verify=crc32c --verify_backlog=256 --verify_fatal=1 --verify_dump=1 --do_verify=1 \
    --time_based --runtime="$seconds" --end_fsync=1 --output-format=normal --group_reporting "$@"
}

# load_start NAME DEVICE DEPTH [FIO_OPTION...]: verified I/O in the background, round after round, until load_end NAME, which fails if a
# round failed. load_goes_on NAME: it has not failed.
load_start() {
  local name=$1
  shift
  rm -f "$lab_state/enough.$name"
  (
    trap - ERR EXIT
    rounds=0
    while [[ ! -e $lab_state/enough.$name ]]; do
      verify_io "$1" 4 "${@:2}" --size=48m --randrepeat=0 >"$LAB_OUT/fio-$name.txt" 2>&1 || exit 1
      rounds=$((rounds + 1))
    done
    printf '%s: %s rounds of verified I/O\n' "$name" "$rounds" >&2
  ) &
  lab_pids[load_$name]=$!
  [[ " ${lab_logs[*]} " == *" $LAB_OUT/fio-$name.txt "* ]] || lab_logs+=("$LAB_OUT/fio-$name.txt")
}
load_end() {
  : >"$lab_state/enough.$1"
  reap "load_$1" "${2:-120}" || die "fio '$1' failed"
}
load_goes_on() { running "load_$1" || die "fio '$1' has failed"; }

# busy [N]: at least N (1) requests of the first volume are under way in the daemon.
busy() { (($(status '.volumes[0].in_flight') >= ${1:-1})); }
# writes_grow_from N: the first volume has written more than N times.
writes_grow_from() { (($(status '.volumes[0].writes') > $1)); }

# gently_dirty: so little of the page cache may be dirty that copies run at the volume's pace.
gently_dirty() {
  echo $((4 << 20)) >/proc/sys/vm/dirty_bytes
  echo $((2 << 20)) >/proc/sys/vm/dirty_background_bytes
}

# a_tree: a directory in memory with a thousand real files or more.
a_tree() {
  local tree
  for tree in /usr/share/perl /usr/lib/python3 /usr/share/perl5; do
    [[ -d $tree ]] || continue
    [[ -d $lab_state/tree ]] || cp -r "$tree" "$lab_state/tree"
    printf '%s' "$lab_state/tree"
    return 0
  done
  die 'no tree of files to copy'
}

# tree_sum DIR: one line that is equal for equal trees.
tree_sum() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum); }
