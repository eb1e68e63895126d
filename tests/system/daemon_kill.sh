#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft-initiator dies and comes back: the disk lives on, its users see a pause.
#   daemon_kill.sh [KILLS]
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

kills=${1:-10}
rxe_loop
modules ublk_drv
disk=$(lab_disk 0)
target_config store0 10.77.0.1 5555 '{name: half, memory: {size: 192MiB}, initiators: [any]}'
target_config store1 10.77.0.1 5556 "{name: half, file: {path: $disk}, initiators: [any]}"
target_start store0
target_start store1
initiator_config "
targets:
  - {name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}
  - {name: store1, paths: [{address: 10.77.0.1, port: 5556, qps: 2}]}
volumes:
  - {name: data, linear: [{remote: {target: store1, volume: half}}, {remote: {target: store0, volume: half}}]}"

# taken_over WHAT: starts the daemon; it must have taken the same disk over, by itself.
taken_over() {
  local before=${EPOCHREALTIME/./}
  initiator_start 90
  [[ $(status '.volumes[0] | "\(.device) \(.recovered)"') == "$device true" ]] || die "$1: $(status '.volumes[0]')"
  [[ $(realpath /dev/weft/data) == "$device" ]] || die '/dev/weft/data leads elsewhere'
  step "$1: taken over in $(((${EPOCHREALTIME/./} - before) / 1000)) ms"
}

attaching() { [[ $(status '.volumes[0].state') == attaching ]]; }

initiator_start
device=$(status '.volumes[0].device')
[[ $device == /dev/ublkb0 ]] || die "the device is $device"

step "$kills kills under verified I/O"
load_start kills "$device" 32
for ((i = 1; i <= kills; i++)); do
  sleep "0.$((RANDOM % 9))"
  load_goes_on kills
  wait_for 60 busy
  kill9 initiator
  ((i % 4)) || sleep 1.5
  taken_over "kill $i"
done
load_end kills
[[ $(status '.volumes[0].errors') == 0 ]] || die 'the volume counts errors'

step 'leaving under verified I/O, as for an upgrade'
load_start leave "$device" 32
for i in 1 2; do
  wait_for 60 busy
  kill -USR1 "$(pid_of initiator)"
  reap initiator || die "the daemon left with status $?"
  [[ -b $device ]] || die 'the disk went with the daemon'
  taken_over "upgrade $i"
done
load_end leave

step 'a daemon and a target dead at once'
load_start both "$device" 32
wait_for 60 busy
kill9 initiator
kill9 store1
spawn initiator "$weft_initiator" --config "$LAB_OUT/initiator.yaml"
wait_for 30 attaching
target_start store1
wait_for 60 initiator_ready
[[ $(status '.volumes[0].recovered') == true ]] || die "not taken over: $(status '.volumes[0]')"
load_end both

step 'a mounted file system over kills'
gently_dirty
mkfs.ext4 -q /dev/weft/data
mkdir -p /mnt/data
mount /dev/weft/data /mnt/data
tree=$(a_tree)
expected=$(tree_sum "$tree")
for copy in 1 2 3; do
  before=$(status '.volumes[0].writes')
  (cp -r "$tree" "/mnt/data/$copy" && sync -f /mnt/data) &
  lab_pids[copier]=$!
  wait_for 60 writes_grow_from "$before"
  running copier || die 'the copy was over before the kill'
  kill9 initiator
  taken_over "kill during copy $copy"
  reap copier 120 || die "copy $copy failed"
done

step 'SIGTERM is refused while the disk is mounted'
kill -TERM "$(pid_of initiator)"
wait_for 30 grep -q 'not stopping, disks are in use' "$LAB_OUT/initiator.log"
running initiator || die 'the daemon ended under a mounted file system'
echo still >/mnt/data/still
sync -f /mnt/data
[[ $(status '.volumes[0].state') == ready ]] || die "state $(status '.volumes[0].state')"

step 'what was written is what was meant'
umount /mnt/data
mount /dev/weft/data /mnt/data
for copy in 1 2 3; do
  [[ $(tree_sum "/mnt/data/$copy") == "$expected" ]] || die "copy $copy differs"
done
[[ $(cat /mnt/data/still) == still ]] || die 'a file differs'
umount /mnt/data
fsck.ext4 -fn /dev/weft/data >"$LAB_OUT/fsck.txt" 2>&1 || die 'fsck found damage'

stop initiator
nothing_left
stop store0
stop store1
dmesg_clean
