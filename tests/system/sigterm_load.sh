#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGTERM to the daemons under load: the target goes at once and its clients wait for the next one; the initiator refuses
# while its disk is used, and goes in order when it is not. Nothing is left, nothing hangs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

WEFT_TIMERS='reconnect_max: 1s' # a target that is back is found soon
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 "{name: disk, file: {path: $(lab_disk 0)}, initiators: [any]}" \
  '{name: ram, memory: {size: 64MiB}, initiators: [any]}'
target_start store0
initiator_config "
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes:
  - {name: data, linear: [{remote: {target: store0, volume: disk}}]}
  - {name: impatient, queue_timeout: 5s, on_loss: fail, linear: [{remote: {target: store0, volume: ram}}]}"
initiator_start
device=$(status '.volumes[0].device')
no_d_state() {
  local stuck
  stuck=$(ps -eo state=,pid=,comm= | awk '$1 == "D" && $3 !~ /^kworker/')
  [[ -z $stuck ]] || { printf '%s\n' "$stuck"; return 1; }
}

ends=3
[[ ${WEFT_LONG:-} != 1 ]] || ends=20
step "the target ends under load, $ends times; I/O waits for the next one"
load_start target "$device" 32
for ((i = 0; i < ends; i++)); do
  wait_for 60 busy
  stop store0 20
  target_start store0
  wait_for 60 channels_ready 2
  load_goes_on target
done
load_end target

step 'the initiator refuses under load, goes on, and ends when the load has'
exec {holder}<"$device" # fio's rounds have gaps between them
load_start initiator "$device" 32
wait_for 60 busy
kill -TERM "$(pid_of initiator)"
wait_for 30 grep -q 'not stopping, disks are in use' "$LAB_OUT/initiator.log"
running initiator || die 'the daemon ended while its disk was in use'
load_goes_on initiator
wait_for 60 busy
load_end initiator
exec {holder}<&-
stop initiator
wait_for 30 no_d_state
nothing_left

step 'both start again; a volume is detached by force under load'
initiator_start
device=$(status '.volumes[0].device')
(trap - ERR EXIT; verify_io "$device" 60 16 --size=64m >"$LAB_OUT/fio-forced.txt" 2>&1 || exit 1) &
lab_pids[forced]=$!
wait_for 60 busy
"$weftctl" detach --force data || die 'weftctl detach --force'
reap forced 60 && die 'fio saw no error though its disk was taken away'
wait_for 30 no_d_state
wait_for 10 test ! -e "$device"
"$weftctl" attach data || die 'weftctl attach'
wait_for 30 initiator_ready

step 'no target for longer than queue_timeout, with on_loss: fail: errors, not a hang; the initiator ends'
device=$(status '.volumes[1].device')
impatient_busy() { (($(status '.volumes[1].in_flight') > 0)); }
(trap - ERR EXIT; verify_io "$device" 60 16 >"$LAB_OUT/fio-lost.txt" 2>&1 || exit 1) &
lab_pids[lost]=$!
wait_for 60 impatient_busy
stop store0 20
reap lost 60 && die 'fio saw no error though the target was away'
stop initiator 60
wait_for 30 no_d_state
nothing_left
dmesg_clean
