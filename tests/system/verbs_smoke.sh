#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# common/verbs on soft-RoCE. Run with: ci/lab -- tests/system/verbs_smoke.sh BUILD_DIRECTORY
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

smoke=${1:?the build directory}/tests/system/verbs_smoke
[[ -x $smoke ]] || die "no $smoke"

# What user space holds on the devices: anything left over is a leak.
resources() { rdma resource show "$1" 2>/dev/null | grep -c 'comm verbs_smoke' || :; }
no_queue_pairs() { [[ $(resources qp) == 0 && $(resources pd) == 0 && $(resources mr) == 0 ]]; }
no_resources() { [[ $(resources qp) == 0 && $(resources cm_id) == 0 && $(resources pd) == 0 && $(resources mr) == 0 ]]; }

serving() { grep -q 'ok: serving' "$LAB_OUT/$1.log"; }
is_ready() { grep -q 'ok: ready' "$LAB_OUT/$1.log"; }
lost_line() { grep '^lost:' "$LAB_OUT/$1.log" || :; }

loop() { [[ -e /sys/class/infiniband/rxe0 ]] || rxe_loop; }

test_loop() {
  step "loop: everything in one process, two reactors"
  loop
  timeout 120 "$smoke" both 10.77.0.1 7000
  wait_for 5 no_resources
}

test_over() {
  step "loop: every request is handed over to another reactor"
  loop
  timeout 120 "$smoke" over 10.77.0.1 7006
  wait_for 5 no_resources
  step "loop: the device is removed while a request is handed over"
  spawn transit "$smoke" transit 10.77.0.1 7007
  wait_for 20 is_ready transit
  remove_device
  reap transit 20
  step "$(lost_line transit)"
  rxe_add rxe0 loop0 10.77.0.1
}

test_two_processes() {
  step "loop: two processes"
  loop
  spawn server "$smoke" serve 10.77.0.1 7001
  wait_for 20 serving server
  timeout 120 "$smoke" test 10.77.0.1 7001
  # Of 60 connections nothing is left but the listener.
  wait_for 15 no_queue_pairs
  timeout 20 "$smoke" greet 10.77.0.1 7001
  stop server
}

test_kill() {
  step "loop: the server is killed"
  loop
  spawn victim "$smoke" serve 10.77.0.1 7004
  wait_for 20 serving victim
  spawn watcher "$smoke" watch 10.77.0.1 7004
  wait_for 20 is_ready watcher
  kill9 victim
  reap watcher 20
  [[ $(lost_line watcher) == 'lost: the peer disconnected'* ]] || die "not lost because of the peer: $(lost_line watcher)"
  step "$(lost_line watcher)"
  wait_for 5 no_resources
}

test_removal() {
  step "the device is removed under a connection"
  loop
  spawn server2 "$smoke" serve 10.77.0.1 7002
  wait_for 20 serving server2
  spawn removed "$smoke" watch 10.77.0.1 7002
  wait_for 20 is_ready removed
  remove_device
  reap removed 20
  step "$(lost_line removed)"
  rxe_add rxe0 loop0 10.77.0.1
  step "the server listens again on the new device"
  wait_for 20 timeout 20 "$smoke" greet 10.77.0.1 7002
  step "the device is removed without any connection"
  stop server2
  spawn server3 "$smoke" serve '*' 7003
  wait_for 20 serving server3
  timeout 20 "$smoke" greet 10.77.0.1 7003
  remove_device
  rxe_add rxe0 loop0 10.77.0.1
  timeout 20 "$smoke" greet 10.77.0.1 7003
  stop server3
}
# The kernel waits, unkillably, for everybody who uses the device.
remove_device() {
  rdma link del rxe0 &
  wait_for 10 test ! -e /sys/class/infiniband/rxe0
}

test_wire() {
  step "wire: everything across a wire"
  rxe_wire 1
  spawn server4 "$smoke" serve 10.77.1.2 7005
  wait_for 20 serving server4
  timeout 120 "$smoke" test 10.77.1.2 7005 10.77.1.1
  step "wire: cut"
  spawn cut "$smoke" watch 10.77.1.2 7005 10.77.1.1
  wait_for 20 is_ready cut
  wire_cut both 1
  reap cut 30
  [[ $(lost_line cut) == 'lost: transport error, last probe transport retries exceeded'* ]] || die "not noticed: $(lost_line cut)"
  step "$(lost_line cut)"
  wire_heal 1
  step "wire: healed, the next connection works"
  timeout 20 "$smoke" greet 10.77.1.2 7005 10.77.1.1
  stop server4
  wait_for 5 no_resources
}

tests=("${@:2}")
((${#tests[@]} > 0)) || tests=(loop over two_processes kill removal wire)
for each in "${tests[@]}"; do "test_$each"; done
dmesg_clean
step "all passed"
