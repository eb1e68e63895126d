#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft-initiator starts when not all is well: a target is away whose disk waits, others are in use; a signal comes while
# it waits; a volume has left the file. And it starts beside udev, which has the shipped rule.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

WEFT_TIMERS='reconnect_max: 1s'
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 '{name: one, memory: {size: 16MiB}, initiators: [any]}'
target_config store1 10.77.0.1 5556 "{name: two, file: {path: $(lab_disk 0)}, initiators: [any]}"
target_start store0
target_start store1
targets='
targets:
  - {name: store0, paths: [{address: 10.77.0.1, port: 5555}]}
  - {name: store1, paths: [{address: 10.77.0.1, port: 5556}]}'
initiator_config "$targets
volumes:
  - {name: a, linear: [{remote: {target: store0, volume: one}}]}
  - {name: b, linear: [{remote: {target: store1, volume: two}}]}"
initiator_start

volume_is() { [[ $(volume "$1" .state) == "$2" ]]; }
a=$(volume a .device)
b=$(volume b .device)
write_to() { dd if=/dev/urandom of="$1" bs=64k count=4 oflag=direct status=none; }
# hold DISK: keeps it open until release.
hold() { exec {held}<"$1"; }
release() { exec {held}<&-; }

step 'a disk waits for its target; a signal ends the wait, and the other disk, which is in use, goes on'
hold "$a"
kill9 initiator
kill9 store1
spawn initiator "$weft_initiator" --config "$LAB_OUT/initiator.yaml"
wait_for 30 volume_is b attaching
kill -TERM "$(pid_of initiator)"
wait_for 30 volume_is a ready
wait_for 30 volume_is b detached
running initiator || die 'the daemon ended under a disk in use'
volume b .problem >&2
[[ $(volume b .problem) == *'given up'* ]] || die 'the problem does not say that the wait was given up'
write_to "$a"
[[ -b $b ]] || die "$b is gone"
target_start store1
"$weftctl" attach b
[[ $(volume b '"\(.device) \(.recovered)"') == "$b true" ]] || die "b: $(volume b .)"
write_to "$b"

step 'nothing is in use: the signal ends the daemon, the disk stays'
release
kill9 initiator
kill9 store1
spawn initiator "$weft_initiator" --config "$LAB_OUT/initiator.yaml"
wait_for 30 volume_is b attaching
kill -TERM "$(pid_of initiator)"
reap initiator 30 || die "the daemon ended with status $?"
[[ -b $b ]] || die "$b is gone"
target_start store1
initiator_start
[[ $(volume b '"\(.device) \(.recovered)"') == "$b true" ]] || die "b: $(volume b .)"

step 'a volume has left the file: its disk can be removed'
kill9 initiator
initiator_config "$targets
volumes:
  - {name: a, linear: [{remote: {target: store0, volume: one}}]}"
initiator_start
grep -q 'volume b: is not in the configuration any more' "$LAB_OUT/initiator.log" || die 'the log does not tell'
if "$weftctl" detach b 2>"$LAB_OUT/said.txt"; then die 'a leftover is removed without force'; fi
cat "$LAB_OUT/said.txt" >&2
grep -q -- '--force' "$LAB_OUT/said.txt" || die 'the refusal names no remedy'
"$weftctl" detach --force b
[[ ! -e $b ]] || die "$b is still there"
write_to "$(volume a .device)"

step 'beside udev: the names and settings are its'
stop initiator
udevd_up "$(dirname "${BASH_SOURCE[0]}")/../../configs/udev/61-weft.rules"
initiator_start
a=$(volume a .device)
queue=/sys/block/${a#/dev/}/queue
settings() { printf '%s %s' "$(sed 's/.*\[\(.*\)\].*/\1/' "$queue/scheduler")" "$(<"$queue/io_timeout")"; }
# by_udev WHEN: udev writes relative links, the daemon does not.
by_udev() {
  local uuid
  uuid=$(volume a .uuid)
  udevadm settle --timeout=30
  [[ $(readlink /dev/weft/a) == "../${a#/dev/}" ]] || die "$1: /dev/weft/a leads to $(readlink /dev/weft/a)"
  [[ $(realpath "/dev/disk/by-id/weft-$uuid") == "$a" ]] || die "$1: no by-id name"
  [[ $(settings) == 'none 1000' ]] || die "$1: the settings are $(settings)"
  # The daemon sets the same once, when the disk appears. What is set back later, the rule has set.
  echo mq-deadline >"$queue/scheduler"
  echo 20000 >"$queue/io_timeout"
  [[ $(settings) == 'mq-deadline 20000' ]] || die "$1: other settings are not taken: $(settings)"
  udevadm trigger --action=change --settle "$a"
  [[ $(settings) == 'none 1000' ]] || die "$1: the rule leaves the settings $(settings)"
}
by_udev 'a new disk'
kill9 initiator
[[ $(readlink /dev/weft/a) == "../${a#/dev/}" ]] || die 'the name went with the daemon'
initiator_start
[[ $(volume a '"\(.device) \(.recovered)"') == "$a true" ]] || die "a: $(volume a .)"
by_udev 'a disk taken over'
write_to /dev/weft/a
! grep -q 'udev made no' "$LAB_OUT/initiator.log" || die 'the daemon did not find the name that udev makes'

step 'all stop'
stop initiator
udevadm settle --timeout=30
[[ -z $(find /dev/weft /dev/disk/by-id -name '*weft*' 2>/dev/null) && ! -e /dev/weft/a ]] || die 'udev keeps a name'
stop store0
stop store1
nothing_left
dmesg_clean 'Buffer I/O error|I/O error, dev ublkb'
