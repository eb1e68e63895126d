#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A client that breaks every rule (hostile_peer.cc) next to one that does honest, verified I/O: weft-target refuses or drops
# the one, counts it, and the other notices nothing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# How often all of it, and how many logins in a row.
rounds=2 logins=1000
[[ ${WEFT_LONG:-} != 1 ]] || rounds=4

hostile=$WEFT_BUILD/tests/system/hostile_peer
[[ -x $hostile ]] || die "$hostile is not built"
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 "{name: disk, file: {path: $(lab_disk 0)}, initiators: [any]}" \
  '{name: ram, memory: {size: 64MiB}, initiators: [any]}'
target_start store0
initiator_config "
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes: [{name: data, linear: [{remote: {target: store0, volume: ram}}, {remote: {target: store0, volume: disk}}]}]"
initiator_start
wait_for 30 channels_ready 2

: >"$LAB_OUT/hostile.log"
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$(pid_of store0)/status"; }
descriptors() { find "/proc/$(pid_of store0)/fd" -mindepth 1 | wc -l; }
# Channels of anyone but the honest one.
hostile_channels() { target_status store0 '[.nexuses[].channels[]] | length - 2'; }
only_honest() { [[ $(hostile_channels) == 0 ]]; }
commands() { status '[.sessions[].channels[].commands] | add'; }
more_commands_than() { (($(commands) > $1)); }

load_start honest "$(status '.volumes[0].device')" 8

# attack NAME ARG...: one run of the hostile program, to its end.
attack() {
  local name=$1
  shift
  "$hostile" "$name" 10.77.0.1 5555 store0 "$@" >>"$LAB_OUT/hostile.log" 2>&1 ||
    die "hostile_peer $name: $(tail -n 1 "$LAB_OUT/hostile.log")"
  running store0 || die "weft-target ended during: $name"
  load_goes_on honest
  wait_for 60 more_commands_than "$(commands)"
}
# Every dropped channel is counted: for what it sent, or for what the device said of its memory.
dropped() { target_status store0 '[.nexuses[] | .protocol_errors + .transport_errors] | add'; }
said() { grep -c "^$1: " "$LAB_OUT/hostile.log"; }
counted_right() {
  [[ $(dropped) == "$(said dropped)" && $(target_status store0 .rejected_logins) == "$(said refused)" ]] ||
    die "$(said dropped) channels dropped, $(dropped) counted; $(said refused) logins refused, $(target_status store0 .rejected_logins) counted"
  (($(target_status store0 .dropped_channels) > 0)) || die 'status counts no dropped channel'
}
round() {
  attack misuse
  attack connect 20
  wait_for 60 only_honest
}

step 'misuse, first round'
round
counted_right
step "$(said refused) logins refused, $(said dropped) channels dropped"
rss=$(resident_kib)
fds=$(descriptors)

step 'misuse, once more'
for ((i = 1; i < rounds; i++)); do round; done
counted_right

step 'logins requested, their answers ignored'
attack silent
wait_for 60 only_honest

step "$logins logins in a row"
attack connect "$logins"
wait_for 60 only_honest

grown=$(($(resident_kib) - rss))
step "memory: $rss KiB after the first round, $grown KiB more now; descriptors: $fds, now $(descriptors)"
((grown < 16384)) || die "weft-target has grown by $grown KiB"
(($(descriptors) <= fds + 4)) || die "descriptors: $fds, now $(descriptors)"

load_end honest
[[ $(status '[.sessions[].channels[].losses] | add') == 0 ]] || die 'the honest initiator lost a channel'
[[ $(status '.volumes[0].errors') == 0 ]] || die 'the honest volume counts errors'
stop initiator
stop store0
nothing_left
dmesg_clean
