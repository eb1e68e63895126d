#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A target's host loses its power: what was acknowledged but not flushed may be gone, so the next flush fails, also if
# the initiator's daemon died meanwhile. What lived in memory is gone, so it is not used. (The power does not go here:
# the target is killed and comes back under another boot id.)
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# The target sees a boot id of ours; the initiator, which is another machine in this story, the real one.
boot_id=$lab_state/boot_id
boot() { cat /proc/sys/kernel/random/uuid >"$boot_id"; }
real_target=$weft_target
weft_target=$lab_state/target-of-another-boot
cat >"$weft_target" <<TEXT
#!/bin/sh
exec unshare -m sh -c 'mount --bind $boot_id /proc/sys/kernel/random/boot_id && exec $real_target "\$@"' target "\$@"
TEXT
chmod +x "$weft_target"

WEFT_TIMERS='reconnect_max: 1s'
rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 "{name: file, file: {path: $(lab_disk 0)}, initiators: [any]}" \
  '{name: memory, memory: {size: 16MiB}, initiators: [any]}'
boot
target_start store0
initiator_config "
targets:
  - {name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}
volumes:
  - {name: file, linear: [{remote: {target: store0, volume: file}}]}
  - {name: memory, linear: [{remote: {target: store0, volume: memory}}]}"
initiator_start
wait_for 30 channels_ready 2

disk=$(volume file .device)
unflushed_write() { dd if=/dev/urandom of="$disk" bs=64k count=4 oflag=direct status=none; }
# flush: prints "ok" or the name of the error.
flush() {
  python3 - "$disk" <<'PYTHON'
import errno, os, sys
disk = os.open(sys.argv[1], os.O_RDWR)
try:
    os.fsync(disk)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
PYTHON
}
expect() { [[ $2 == "$3" ]] || die "$1: $2, expected $3"; }
target_again() {
  kill9 store0
  [[ $1 == same ]] || boot
  target_start store0
  wait_for 60 channels_ready 2
}
leg_is() { [[ $(volume "$1" '.legs[0].state') == "$2" ]]; }

step 'the target process dies: nothing is lost'
unflushed_write
target_again same
expect 'flush after the death of the process' "$(flush)" ok

step 'a memory volume that came back empty is not used'
wait_for 30 leg_is memory refused
volume memory '.legs[0].problem' >&2
"$weftctl" detach --force memory
"$weftctl" attach memory
leg_is memory ready || die "the memory volume is not back: $(volume memory .problem)"

step 'the host loses its power with writes that were not flushed'
unflushed_write
target_again anew
expect 'flush after the loss' "$(flush)" EIO
expect 'the flush after that' "$(flush)" ok
expect 'lost caches' "$(volume file .lost_caches)" 1

step 'the host loses its power with everything flushed'
unflushed_write
expect 'flush' "$(flush)" ok
target_again anew
expect 'flush after a loss of nothing' "$(flush)" ok

step 'the host loses its power, and the daemon dies before it knows'
unflushed_write
kill9 initiator
kill9 store0
boot
target_start store0
initiator_start
[[ $(volume file .recovered) == true ]] || die 'the disk was not taken over'
wait_for 30 leg_is file ready
expect 'flush after both' "$(flush)" EIO
expect 'the flush after that' "$(flush)" ok
kill9 initiator
initiator_start
wait_for 30 leg_is file ready
expect 'flush under the next daemon, which knows that it was told' "$(flush)" ok

step 'all stop'
stop initiator
stop store0
nothing_left
dmesg_clean 'Buffer I/O error|I/O error, dev ublkb'
