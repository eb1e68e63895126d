#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A target with two reactors: three initiators, each on the reactor it belongs to with all its queue pairs, on
# volumes they share; a unit reset that concerns both reactors; the target dies and comes back; it stops.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

WEFT_TIMERS='reconnect_max: 1s' # a target that is back is found soon
WEFT_TARGET_OPTIONS='reactors: 2'
rxe_loop
modules ublk_drv
mkfs.ext4 -q "$(lab_disk 0)"
mkdir -p /srv/store
mount "$(lab_disk 0)" /srv/store
target_config store 10.77.0.1 5555 \
  '{name: one, file: {path: /srv/store/one.img, size: 128MiB}, initiators: [any]}' \
  '{name: three, file: {path: /srv/store/three.img, size: 128MiB}, initiators: [any]}' \
  '{name: file, file: {path: /srv/store/file.img, size: 32MiB}, initiators: [any]}' \
  '{name: ram, memory: {size: 32MiB}, initiators: [any]}'
target_start store
running store || die 'weft-target ended'

# The names decide: node1 belongs to reactor0, node3 to reactor1.
for node in node1 node3; do
  own=one
  [[ $node == node1 ]] || own=three
  cat >"$LAB_OUT/$node.yaml" <<YAML
initiator: {name: $node, state_dir: /run/weft/$node, control: /run/weft/$node.sock}
timers: {$WEFT_TIMERS}
targets:
  - {name: store, paths: [{address: 10.77.0.1, port: 5555, qps: 3}]}
volumes:
  - {name: $node-own, linear: [{remote: {target: store, volume: $own}}]}
  - {name: $node-file, linear: [{remote: {target: store, volume: file}}]}
  - {name: $node-ram, linear: [{remote: {target: store, volume: ram}}]}
YAML
done
node_status() { "$weftctl" --socket "/run/weft/$1.sock" status --json | jq -r "$2"; }
node_ready() {
  ended "$1" || [[ $(node_status "$1" '([.sessions[].channels[] | select(.state == "ready")] | length == 3) and all(.volumes[]; .state == "ready")') == true ]]
}
declare -A device=() # NODE-VOLUME
for node in node1 node3; do
  spawn $node "$weft_initiator" --config "$LAB_OUT/$node.yaml"
  wait_for 60 node_ready $node
  running $node || die "$node ended"
  while read -r name path; do device[$name]=$path; done < <(node_status $node '.volumes[] | "\(.name) \(.device)"')
done

# placed: both reactors serve one nexus each with three channels, all of them there.
placed() {
  [[ $(target_status store '[.nexuses[] | select(.state == "ready") | "\(.reactor) \([.channels[] | select(.state == "ready") | .reactor] | join(" "))"] | sort | join(", ")') == \
    'reactor0 reactor0 reactor0 reactor0, reactor1 reactor1 reactor1 reactor1' &&
    $(target_status store '[.reactors[] | "\(.name) \(.nexuses) \(.channels)"] | join(", ")') == 'reactor0 1 3, reactor1 1 3' ]]
}
wait_for 10 placed
step 'each initiator is on its reactor with three queue pairs'

step 'what one reactor has written the other reads'
head -c $((2 << 20)) /dev/urandom >"$lab_state/random"
# shared FROM TO VOLUME
shared() {
  dd if="$lab_state/random" of="${device[$1-$3]}" bs=1M oflag=direct conv=fsync status=none
  dd if="${device[$2-$3]}" bs=1M count=2 iflag=direct status=none | cmp - "$lab_state/random" ||
    die "$2 does not read what $1 has written to '$3'"
  dd if=/dev/zero of="${device[$1-$3]}" bs=1M count=2 oflag=direct status=none
}
for volume in file ram; do
  shared node1 node3 $volume
  shared node3 node1 $volume
done

load_start node1 "${device[node1-own]}" 8
load_start node3 "${device[node3-own]}" 8
writes() { node_status "$1" ".volumes[] | select(.name == \"$1-own\") | .writes"; }
more_writes_than() { (($(writes "$1") > $2)); }
go_on() {
  local node
  for node in node1 node3; do
    load_goes_on $node
    wait_for 60 more_writes_than $node "$(writes $node)"
  done
}
go_on

step 'the kernel logs in as the third and resets the units under the load'
read -r id_ext ioc_guid < <(target_status store '.login | capture("id_ext=(?<a>[0-9a-f]+),ioc_guid=(?<b>[0-9a-f]+)") | "\(.a) \(.b)"')
mapfile -t disks < <(ib_srp_login 10.77.0.1:5555 "$id_ext" "$ioc_guid")
((${#disks[@]} == 4)) || die "expected 4 disks, got: ${disks[*]}"
target_status store '.nexuses[] | "\(.port_id) on \(.reactor): \(.channels | length) channels"' >&2
kernel_together() { [[ $(target_status store '[.nexuses[] | [.reactor, .channels[].reactor] | unique | length] | unique | join(" ")') == 1 ]]; }
kernel_together || die 'a nexus is spread over the reactors'
# A nexus is told of a reset by a unit attention: node1 uses unit one, node3 unit three.
told() { target_status store '[.nexuses[] | select(.channels | length == 3) | [.channels[].check_conditions] | add]'; }
before=$(told)
for i in 1 2 3; do
  sg_reset --device "/dev/${disks[0]}" || die "reset $i of unit one"
  sg_reset --device "/dev/${disks[1]}" || die "reset $i of unit three"
done
go_on
after=$(told)
jq -en --argjson before "$before" --argjson after "$after" \
  '($after | length == 2) and all(range(2); $after[.] > $before[.])' >/dev/null ||
  die "a reset has not reached an initiator of each reactor: $before, then $after"
ib_srp_logout "${disks[0]}"

step 'the target is killed and comes back'
kill9 store
sleep 0.5
target_start store
# What was in the target's memory is gone: those volumes are not used again until somebody says so.
for node in node1 node3; do
  "$weftctl" --socket "/run/weft/$node.sock" detach --force $node-ram
  "$weftctl" --socket "/run/weft/$node.sock" attach $node-ram
  wait_for 60 node_ready $node
done
wait_for 10 placed
go_on

step 'many logins at once: both nodes lose every queue pair, again and again'
for i in 1 2; do
  for channel in 0 1 2; do
    for node in node1 node3; do "$weftctl" --socket "/run/weft/$node.sock" channel drop store $channel >/dev/null || :; done
  done
  for node in node1 node3; do wait_for 60 node_ready $node; done
done
go_on
wait_for 10 placed

load_end node1
load_end node3
for node in node1 node3; do
  [[ $(node_status $node '[.volumes[].errors] | add') == 0 ]] || die "$node counts errors"
done

step 'all stop; the target with channels on both reactors'
stop store 10
target_start store
logged_in() { [[ $(node_status "$1" '[.sessions[].channels[] | select(.state == "ready")] | length') == 3 ]]; }
for node in node1 node3; do wait_for 60 logged_in $node; done
stop node1
stop node3
wait_for 10 test "$(target_status store '[.nexuses[].channels[]] | length')" = 0
stop store 10
nothing_left
dmesg_clean
step 'nothing is left'
