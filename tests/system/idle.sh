#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# With a volume attached and nothing to do, a daemon uses less than 1 % of a CPU. In instruction time (ci/lab --icount), for
# otherwise a VM's CPU time also counts what the machine below had no CPU for.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# Polling for a while after work must not keep anybody awake.
WEFT_TARGET_OPTIONS='poll_us: 200'
WEFT_INITIATOR_OPTIONS='poll_us: 200'
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 '{name: ram, memory: {size: 64MiB}, initiators: [any]}'
target_start store0
initiator_config '
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes: [{name: data, linear: [{remote: {target: store0, volume: ram}}]}]'
initiator_start
wait_for 30 channels_ready 2
dd if=/dev/zero of=/dev/weft/data bs=64k oflag=direct status=none count=100

# used NAME: since its start, nanoseconds on a CPU, and how often its threads went to sleep.
used() {
  local pid
  pid=$(pid_of "$1")
  awk '{ n += $1 } END { printf "%d ", n }' "/proc/$pid"/task/*/schedstat
  awk '/^voluntary_ctxt/ { n += $2 } END { print n }' "/proc/$pid"/task/*/status
}

sleep 3 # until channels without commands are probed less often
declare -A ns sleeps
for daemon in initiator store0; do read -r "ns[$daemon]" "sleeps[$daemon]" < <(used "$daemon"); done
sleep 10 # the measurement itself
for daemon in initiator store0; do
  read -r ns_after sleeps_after < <(used "$daemon")
  us=$(((ns_after - ns[$daemon]) / 1000))
  step "idle $daemon in 10 s: $us us of CPU time, asleep $((sleeps_after - sleeps[$daemon])) times"
  ((us > 0 && us < 100000)) || die "$daemon does not rest"
done
