#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The target's store fails: a disk with bad blocks, a file system that is full. Each initiator, weft's and the kernel's,
# gets the error that it is, for the blocks that it is about, and goes on with the others.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
modules ublk_drv
# bad: a RAM disk whose second MiB has eight bad sectors.
lab_configfs
modprobe null_blk nr_devices=0 || skip "kernel $(uname -r) has no null_blk"
null=$configfs/nullb/bad
mkdir "$null"
echo 32 >"$null/size"
echo 1 >"$null/memory_backed"
echo 1 >"$null/power"
echo '+2048-2055' >"$null/badblocks"
bad=/dev/bad
[[ -b $bad ]] || bad=/dev/nullb$(<"$null/index")
# full: a sparse file on a file system that is smaller than it.
small=$(brd_disk 24)
mkfs.ext4 -q -m 0 "$small"
mkdir -p /srv/small
mount "$small" /srv/small
target_config store0 10.77.0.1 5555 "{name: bad, file: {path: $bad}, initiators: [any]}" \
  '{name: full, file: {path: /srv/small/full.img, size: 128MiB}, initiators: [any]}'
target_start store0
initiator_config '
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555}]}]
volumes:
  - {name: bad, linear: [{remote: {target: store0, volume: bad}}]}
  - {name: full, linear: [{remote: {target: store0, volume: full}}]}'
initiator_start

# outcome CMD...: "ok", or what dd says went wrong.
outcome() {
  if "$@" status=none 2>"$lab_state/said"; then echo ok; else sed 's/.*: //; q' "$lab_state/said"; fi
}
expect() { [[ $2 == "$3" ]] || die "$1: '$2', expected '$3'"; }

# bad_blocks DISK WHO ERROR
bad_blocks() {
  expect "$2: reading bad blocks" "$(outcome dd if="$1" of=/dev/null bs=4k skip=256 count=1 iflag=direct)" "$3"
  expect "$2: writing bad blocks" "$(outcome dd if=/dev/zero of="$1" bs=4k seek=256 count=1 oflag=direct)" "$3"
  expect "$2: reading across them" "$(outcome dd if="$1" of=/dev/null bs=64k skip=16 count=1 iflag=direct)" "$3"
  expect "$2: writing the others" "$(outcome dd if=/dev/urandom of="$1" bs=64k seek=17 count=16 oflag=direct)" ok
  expect "$2: reading the others" "$(outcome dd if="$1" of=/dev/null bs=1M count=1 iflag=direct)" ok
}
# no_space DISK WHO MIB: fills up from there, where nobody has written. What was written before stays, and when there is room again writing works.
no_space() {
  rm -f /srv/small/filler
  expect "$2: writing what fits" "$(outcome dd if="$lab_state/pattern" of="$1" bs=64k oflag=direct)" ok
  dd if=/dev/zero of=/srv/small/filler bs=64k status=none 2>/dev/null || :
  expect "$2: writing what does not fit" \
    "$(outcome dd if=/dev/urandom of="$1" bs=64k seek=$(($3 * 16)) count=16 oflag=direct)" 'No space left on device'
  expect "$2: reading what was written" "$(outcome dd if="$1" of="$lab_state/back" bs=64k count=16 iflag=direct)" ok
  cmp "$lab_state/pattern" "$lab_state/back" || die "$2: what was written is not there"
  rm /srv/small/filler
  expect "$2: writing when there is room" "$(outcome dd if=/dev/urandom of="$1" bs=64k seek=$(($3 * 16)) count=16 oflag=direct)" ok
}
dd if=/dev/urandom of="$lab_state/pattern" bs=64k count=16 status=none

step 'weft-initiator: bad blocks'
bad_blocks "$(volume bad .device)" weft-initiator 'Input/output error'
(($(volume bad .errors) > 0)) || die 'the volume counts no error'
step 'weft-initiator: no space'
no_space "$(volume full .device)" weft-initiator 32

step "the kernel's ib_srp: bad blocks"
ids=$(sed -n 's/.*Linux logs in with \(id_ext=[^ ]*\).*/\1/p' "$LAB_OUT/store0.log" | head -n 1)
[[ $ids =~ id_ext=([0-9a-f]+),ioc_guid=([0-9a-f]+) ]] || die "no login line in the target's log"
mapfile -t disks < <(ib_srp_login 10.77.0.1:5555 "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}")
# What Linux makes of HARDWARE ERROR: the target's fault, which no other path would mend.
bad_blocks "/dev/${disks[0]}" ib_srp 'Remote I/O error'
dmesg | grep -q 'Sense Key : Hardware Error' || die 'ib_srp got no HARDWARE ERROR'
step "the kernel's ib_srp: no space"
no_space "/dev/${disks[1]}" ib_srp 64
ib_srp_logout "${disks[0]}"

step 'all stop'
stop initiator
stop store0
umount /srv/small
nothing_left
dmesg_clean 'I/O error|critical (target|space allocation) error'
