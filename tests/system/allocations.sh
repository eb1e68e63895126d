#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole way of an I/O, ublk to verbs to disk and back, allocates nothing: every allocation of both daemons is counted
# while they serve, those of the RDMA libraries too.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

counter=$WEFT_BUILD/tests/system/libcount_allocations.so
[[ -e $counter ]] || die "$counter is not built"
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 '{name: ram, memory: {size: 64MiB}, initiators: [any]}' \
  "{name: disk, file: {path: $(lab_disk 0)}, initiators: [any]}"
initiator_config '
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes: [{name: data, linear: [{remote: {target: store0, volume: ram}}, {remote: {target: store0, volume: disk}}]}]'

# counted NAME COMMAND...: the command, with the daemon NAME that it starts counting its allocations.
counted() {
  local name=$1
  shift
  export LD_PRELOAD=$counter WEFT_ALLOCATIONS=$lab_state/allocations.$name
  "$@"
  unset LD_PRELOAD WEFT_ALLOCATIONS
}
allocations() { od -An -t u8 -N 8 "$lab_state/allocations.$1" | tr -d ' '; }

counted_spawn() { counted "$1" spawn "$1" "$2" --config "$LAB_OUT/$1.yaml"; }
counted_spawn store0 "$weft_target"
wait_for 30 target_ready store0
counted_spawn initiator "$weft_initiator"
wait_for 60 initiator_ready
wait_for 30 channels_ready 2
for daemon in store0 initiator; do (($(allocations "$daemon") > 100)) || die "$daemon does not count"; done

# load SECONDS: reads, writes, flushes and discards of many sizes on both legs.
load() {
  fio --filename=/dev/weft/data --direct=1 --ioengine=io_uring --time_based --runtime="$1" --group_reporting --fsync=16 \
    --bsrange=4k-128k --iodepth=16 --output-format=terse --name=rw --rw=randrw --name=trim --rw=randtrim --iodepth=2
}
step 'warming up'
load 3 >/dev/null
done_before=$(status '.volumes[0] | .reads + .writes + .flushes + .discards')
step 'counting'
load 6 >"$LAB_OUT/fio.txt" &
lab_pids[fio]=$!
sleep 1 # until fio has begun and the control sockets rest
declare -A first
for daemon in store0 initiator; do first[$daemon]=$(allocations "$daemon"); done
sleep 4 # the measurement itself
running fio || die 'fio ended early'
for daemon in store0 initiator; do
  step "$daemon: $(($(allocations "$daemon") - first[$daemon])) allocations in 4 s"
  (($(allocations "$daemon") == first[$daemon])) || die "$daemon allocates"
done
reap fio
done_after=$(status '.volumes[0] | .reads + .writes + .flushes + .discards')
step "$((done_after - done_before)) requests in 6 s"
((done_after - done_before > 500)) || die 'that was no load'
