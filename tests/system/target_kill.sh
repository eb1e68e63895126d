#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A target dies and comes back, stands still and goes on: I/O waits, says why, and goes on.
#   target_kill.sh [KILLS]
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

kills=${1:-5}
WEFT_TIMERS='reconnect_max: 1s' # a target that is back is found soon
rxe_loop
modules ublk_drv
mkdir -p /srv/store1
mkfs.ext4 -q "$(lab_disk 1)"
mount "$(lab_disk 1)" /srv/store1
target_config store0 10.77.0.1 5555 "{name: half, file: {path: $(lab_disk 0)}, initiators: [any]}"
target_config store1 10.77.0.1 5556 '{name: half, file: {path: /srv/store1/half.img, size: 384MiB}, initiators: [any]}'
target_start store0
target_start store1
# One volume on each: the load on the living one must not notice.
initiator_config "
targets:
  - {name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}
  - {name: store1, paths: [{address: 10.77.0.1, port: 5556, qps: 2}]}
volumes:
  - {name: mortal, linear: [{remote: {target: store1, volume: half}}]}
  - {name: other, linear: [{remote: {target: store0, volume: half}}]}"
initiator_start
wait_for 30 channels_ready 4

mortal=$(volume mortal .device)
other=$(volume other .device)
# Some request waits, and status says for what: the volume while its target is away, the session for answers.
waits() { status "[.volumes[] | select(.name == \"mortal\") | .waits[]], [.sessions[] | select(.target == \"store1\") | .waits[]] | .[] | select(.reason != \"\" and .count > 0)"; }
waits_visible() { [[ -n $(waits) ]]; }
mortal_busy() { (($(volume mortal .in_flight) > 0)); }

load_start mortal "$mortal" 32
load_start other "$other" 4
for ((i = 1; i <= kills; i++)); do
  sleep "0.$((RANDOM % 9))"
  load_goes_on mortal
  wait_for 60 mortal_busy
  kill9 store1
  killed=${EPOCHREALTIME/./}
  wait_for 30 waits_visible
  step "kill $i: waiting: $(waits | jq -rs '[.[] | "\(.count) for \(.reason)"] | join("; ")')"
  [[ $(volume mortal .state) == waiting ]] || die "state $(volume mortal .state) while the target is dead"
  goes_on other 30
  target_start store1
  wait_for 60 channels_ready 4
  goes_on mortal 60
  step "kill $i: going on $(((${EPOCHREALTIME/./} - killed) / 1000)) ms after the kill"
done

step 'the target stands still for 5 s'
wait_for 60 mortal_busy
kill -STOP "$(pid_of store1)"
stopped=${EPOCHREALTIME/./}
oldest_at_least() { (($(volume mortal .oldest_ms) >= $1)); }
wait_for 30 oldest_at_least 2000
waits_visible || die 'status says no reason for the wait'
step "standing still: $(waits | jq -rs '[.[] | "\(.count) for \(.reason), \(.age_ms) ms"] | join("; ")')"
goes_on other 30
wait_for 30 oldest_at_least 5000
load_goes_on mortal
kill -CONT "$(pid_of store1)"
goes_on mortal 60
step "going on after $(((${EPOCHREALTIME/./} - stopped) / 1000)) ms"
wait_for 60 channels_ready 4
load_end mortal
load_end other
for v in mortal other; do
  [[ $(volume "$v" .errors) == 0 ]] || die "volume $v counts errors"
done
(($(status '.sessions[] | select(.target == "store1") | .recoveries') >= kills)) || die 'fewer recoveries than kills'

step 'all stop'
stop initiator
stop store0
stop store1
nothing_left
dmesg_clean
