#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A ublk device as its users see it: attributes, file systems, verified I/O, and its ends.
#   ci/lab -- tests/system/ublk_smoke.sh "$PWD/build"
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=ublk_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ublk_lib.sh"

queue=/sys/block/ublkb0/queue
attribute() { [[ $(<"$queue/$1") == "$2" ]] || die "$1 is '$(<"$queue/$1")', not '$2'"; }

step "attributes"
serve --bytes 268435456
attribute logical_block_size 4096
attribute physical_block_size 4096
attribute max_hw_sectors_kb 512
attribute optimal_io_size 524288
attribute discard_granularity 4096
attribute discard_max_hw_bytes 2147483648
attribute write_zeroes_max_bytes 2147483648
attribute write_cache 'write back'
attribute fua 1
attribute rotational 0
attribute io_timeout 1000
[[ $(<$queue/scheduler) == *'[none]'* ]] || die "the scheduler is $(<$queue/scheduler)"
[[ $(blockdev --getsize64 /dev/ublkb0) == 268435456 ]] || die "wrong size"
[[ $(readlink -f /dev/weft/v0) == /dev/ublkb0 ]] || die "/dev/weft/v0 does not lead to /dev/ublkb0"
grep -qx 'WEFT_NAME=v0' /run/weft/dev/ublkb0 || die "udev is not told the name"

step "flush, FUA, discard and write-zeroes arrive"
dd if=/dev/urandom of="$smoke_dir/block" bs=4k count=4 status=none
dd if="$smoke_dir/block" of=/dev/ublkb0 bs=4k oflag=direct,dsync status=none
cmp -n 16384 "$smoke_dir/block" "$smoke_dir/data.0" || die "the volume holds something else"
blkdiscard -o 0 -l 8192 /dev/ublkb0
blkdiscard -z -o 8192 -l 8192 /dev/ublkb0
cmp -n 16384 /dev/zero "$smoke_dir/data.0" || die "discard and write-zeroes left something"
counted fuas 4
counted discards 1
counted zeroes 1

step "a file system with files, unmounted and mounted again"
mkfs.ext4 -q -F /dev/ublkb0
mkdir -p /run/mnt
mount /dev/weft/v0 /run/mnt
cp -r /usr/share/perl5 /run/mnt/ 2>/dev/null || cp -r /usr/share/doc/util-linux /run/mnt/
(cd /run/mnt && find . -type f -exec sha256sum {} + | sort >"$smoke_dir/sums")
expect 'stop refused: *mounted on /run/mnt*' 60 stop 0
umount /run/mnt
mount /dev/ublkb0 /run/mnt
(cd /run/mnt && sha256sum --quiet -c "$smoke_dir/sums")
step "$(wc -l <"$smoke_dir/sums") files verified"
umount /run/mnt
counted flushes 1

step "fio with verification at depth 32"
fio --name=verify --filename=/dev/ublkb0 --direct=1 --ioengine=libaio --rw=randwrite --bsrange=4k-128k --iodepth=32 \
  --size=128M --verify=crc32c --do_verify=1 --verify_fatal=1 --output="$LAB_OUT/fio.txt"

step "stop refuses while it is open, then leaves nothing"
exec {holder}</dev/ublkb0
sleep 1000 &
sleeper=$!
exec {holder}<&-
expect 'stop refused: *open in process*' 60 stop 0
kill "$sleeper"
wait "$sleeper" 2>/dev/null || :
expect 'stop ok' 60 stop 0
nothing_left
end_server

step "a volume without a cache asks for no flush; 512-byte blocks; two volumes on one reactor"
serve --bytes 67108864 --block 512 --no-cache --volumes 2
attribute write_cache 'write through'
attribute fua 0
attribute logical_block_size 512
dd if="$smoke_dir/block" of=/dev/ublkb1 bs=512 oflag=direct status=none
cmp -n 16384 "$smoke_dir/block" /dev/ublkb1
cmp -n 16384 /dev/ublkb1 /dev/ublkb0 >/dev/null && die "both volumes hold the same"
expect 'stop ok' 60 stop 0
[[ ! -e /dev/ublkc0 && -e /dev/ublkc1 ]] || die "the wrong volume went"
end_server
nothing_left

step "stop refuses while requests wait; by force they fail and nothing is left"
serve --bytes 67108864
expect 'hold ok' 60 hold 0
dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 iflag=direct status=none 2>"$smoke_dir/dd" &
reader=$!
wait_for 60 counted held 1
expect 'stop refused: *' 60 stop 0
expect 'force ok' 60 force 0
wait "$reader" && die "the read succeeded"
grep -q 'error' "$smoke_dir/dd" || die "the reader saw no error: $(<"$smoke_dir/dd")"
end_server
nothing_left

step "by force while mounted, with writes under way"
serve --bytes 268435456 --delay-us 2000
mkfs.ext4 -q -F /dev/ublkb0
mount /dev/ublkb0 /run/mnt
dd if=/dev/zero of=/run/mnt/file bs=64k count=1000 oflag=direct status=none 2>/dev/null &
writer=$!
wait_for 60 counted held 1
expect 'force ok' 60 force 0
wait "$writer" && die "the write succeeded"
umount /run/mnt
wait_for 60 nothing_left
end_server

wait_for 60 no_d_state
dmesg_clean 'EXT4-fs|I/O error'
step "all there"
