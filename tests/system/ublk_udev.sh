#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The names that udev gives a volume: before and after a take-over, for partitions, and none afterwards.
#   ci/lab -- tests/system/ublk_udev.sh "$PWD/build"
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=ublk_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ublk_lib.sh"

udevd_up "$(dirname "${BASH_SOURCE[0]}")/../../configs/udev/61-weft.rules"
leads_to() { [[ $(readlink -f "$1") == "$2" ]]; }

step "a volume's names"
serve --bytes 67108864
leads_to /dev/weft/v0 /dev/ublkb0
# Made by udev, not by the daemon: udev writes relative links.
[[ $(readlink /dev/weft/v0) == ../ublkb0 ]] || die "the daemon made the link"
uuid=$(sed -n 's/^WEFT_UUID=//p' /run/weft/dev/ublkb0)
leads_to "/dev/disk/by-id/weft-$uuid" /dev/ublkb0
[[ $(udevadm info --query=property --property=ID_SERIAL --value /dev/ublkb0) == "weft-$uuid" ]]
[[ $(</sys/block/ublkb0/queue/scheduler) == *'[none]'* && $(</sys/block/ublkb0/queue/io_timeout) == 1000 ]]

step "a file system is found by its UUID"
mkfs.ext4 -q -F -U 11111111-2222-3333-4444-555555555555 /dev/ublkb0
udevadm trigger --action=change --settle /dev/ublkb0
leads_to /dev/disk/by-uuid/11111111-2222-3333-4444-555555555555 /dev/ublkb0

step "after a take-over"
kill_server
leads_to /dev/weft/v0 /dev/ublkb0
serve --bytes 67108864
grep -q recovered "$smoke_out"
leads_to /dev/weft/v0 /dev/ublkb0
leads_to "/dev/disk/by-id/weft-$uuid" /dev/ublkb0

step "a partition's names"
# One entry of an MBR: type 83, from sector 2048, 65536 sectors.
{
  head -c 446 /dev/zero
  printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\0\x01\0'
  head -c 48 /dev/zero
  printf '\x55\xaa'
} >"$smoke_dir/mbr"
truncate -s 4096 "$smoke_dir/mbr"
# With 4096-byte blocks the entry counts those: too many for this volume, so the next one has 512-byte blocks.
expect 'stop ok' 60 stop 0
end_server
wait_for 10 nothing_left
[[ ! -e /dev/disk/by-id/weft-$uuid ]] || die "udev keeps a name"
serve --bytes 67108864 --block 512
dd if="$smoke_dir/mbr" of=/dev/ublkb0 bs=4096 count=1 oflag=direct conv=notrunc status=none
[[ -e /dev/ublkb0p1 ]] || partx -a /dev/ublkb0
wait_for 10 test -b /dev/ublkb0p1
wait_for 10 leads_to /dev/weft/v0-part1 /dev/ublkb0p1
wait_for 10 leads_to "/dev/disk/by-id/weft-$uuid-part1" /dev/ublkb0p1
mkfs.ext4 -q -F /dev/ublkb0p1
mkdir -p /run/mnt
mount /dev/weft/v0-part1 /run/mnt
expect 'stop refused: *mounted on /run/mnt*' 60 stop 0
umount /run/mnt
expect 'stop ok' 60 stop 0
end_server
wait_for 10 nothing_left
dmesg_clean
step "all there"
