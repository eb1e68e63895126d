#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The wire fails under verified I/O: silence, silence in one direction, one queue pair lost, a link down and its RDMA
# device made anew; and one of two wires while the other goes on.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

WEFT_TIMERS='reconnect_max: 1s' # a target that is back is found soon
rxe_wire 1
rxe_wire 2
modules ublk_drv
target_config store0 10.77.1.2 5555 "{name: one, file: {path: $(lab_disk 0)}, initiators: [any]}"
target_config store1 '"*"' 5556 "{name: two, file: {path: $(lab_disk 1)}, initiators: [any]}"
target_start store0
target_start store1
initiator_config "
targets:
  - {name: store0, paths: [{address: 10.77.1.2, port: 5555, source: 10.77.1.1, qps: 2}]}
  - name: store1
    paths:
      - {address: 10.77.1.2, port: 5556, source: 10.77.1.1, qps: 1}
      - {address: 10.77.2.2, port: 5556, source: 10.77.2.1, qps: 1}
volumes:
  - {name: single, linear: [{remote: {target: store0, volume: one}}]}
  - {name: double, linear: [{remote: {target: store1, volume: two}}]}"
initiator_start
wait_for 30 channels_ready 4

single=$(volume single .device)
double=$(volume double .device)
single_waits() { (($(volume single '[.waits[] | select(.reason != "" and .count > 0)] | length') > 0)); }
now_ms() { printf '%s' $((${EPOCHREALTIME/./} / 1000)); }

load_start single "$single" 32
load_start double "$double" 16
goes_on single 60
goes_on double 60

for side in both a b; do
  step "wire 1 swallows what arrives at: $side"
  begin=$(now_ms)
  wire_cut "$side" 1
  wait_for 40 single_waits
  step "waiting after $(($(now_ms) - begin)) ms: $(volume single '[.waits[] | "\(.count) for \(.reason)"] | join("; ")')"
  # The volume with a second wire goes on without the first one.
  goes_on double 40
  step "two wires: going on $(($(now_ms) - begin)) ms after the cut"
  while (($(now_ms) < begin + 6000)); do
    load_goes_on single
    load_goes_on double
    sleep 0.2
  done
  wire_heal 1
  healed=$(now_ms)
  goes_on single 60
  step "one wire: going on $(($(now_ms) - healed)) ms after healing"
  wait_for 60 channels_ready 4
done

step 'one queue pair of two is lost'
# What arrives for it on the side of the initiator is lost.
qpn=$(rdma -j resource show qp | jq -r '[.[] | select(.ifname == "rxe1a" and .type == "RC" and .state == "RTS")][0].lqpn')
[[ $qpn =~ ^[0-9]+$ ]] || die "no queue pair to cut: $(rdma resource show qp)"
losses() { status '[.sessions[].channels[].losses] | add'; }
lost_more_than() { (($(losses) > $1)); }
before=$(losses)
qp_cut "$qpn"
wait_for 40 lost_more_than "$before"
goes_on single 40
goes_on double 40
qp_heal "$qpn"
wait_for 60 channels_ready 4
step "queue pair $qpn was cut; $(($(losses) - before)) lost, all are back"

step 'the target cuts a channel'
before=$(losses)
"$weftctl" --socket /run/weft/store0.sock channel drop node1 0
wait_for 40 lost_more_than "$before"
goes_on single 40
wait_for 60 channels_ready 4
for name in reads writes read_bytes write_bytes; do
  (($(target_status store0 ".volumes[0].$name") > 0)) || die "the target counts no $name"
done

# A link goes down and comes back. Soft-RoCE does not recover from that by itself (its QP 1 stays in error): the devices at
# both ends are made anew, while the daemons on them run and have lost their connections over them before.
step 'the link of wire 1 is down'
begin=$(now_ms)
link_down wire1a
wait_for 40 single_waits
goes_on double 40
step "two wires: going on $(($(now_ms) - begin)) ms after the link went"
link_up wire1a
rxe_again rxe1a
# librdmacm, asked to let go of one device, opens all others: the initiator then holds rxe1b, which it does not use.
opened_again() { (($(grep -c 'RDMA device rxe1a opened' "$LAB_OUT/initiator.log") >= 2)); }
wait_for 40 opened_again
rxe_again rxe1b
begin=$(now_ms)
goes_on single 60
step "one wire: going on $(($(now_ms) - begin)) ms after the devices are back"
goes_on double 40
wait_for 60 channels_ready 4

load_end single
load_end double
for v in single double; do
  [[ $(volume "$v" .errors) == 0 ]] || die "volume $v counts errors"
done
status '.sessions[] | "\(.target): \(.recoveries) recoveries, \(.failovers) failovers, \(.resent) resent"' >&2

step 'all stop'
stop initiator
stop store0
stop store1
nothing_left
dmesg_clean
