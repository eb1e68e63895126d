#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The stock kernel's ib_srp as judge of weft-target: login, disks, SCSI tools, a file system, verified I/O.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
disk=$(lab_disk 0)
target_config store1 10.77.0.1 5555 \
  '{name: ram, memory: {size: 256MiB}, initiators: [any]}' \
  "{name: disk, file: {path: $disk}, block_size: 512, initiators: [any]}" \
  '{name: fixed, memory: {size: 16MiB}, initiators: [{id: any, access: ro}]}'
step 'start weft-target'
target_start store1
running store1 || die 'weft-target ended'
read -r id_ext ioc_guid < <(target_status store1 '.login | capture("id_ext=(?<a>[0-9a-f]+),ioc_guid=(?<b>[0-9a-f]+)") | "\(.a) \(.b)"')

step 'ib_srp logs in'
mapfile -t disks < <(ib_srp_login 10.77.0.1:5555 "$id_ext" "$ioc_guid")
((${#disks[@]} == 3)) || die "expected 3 disks, got: ${disks[*]}"
ram=/dev/${disks[0]} file=/dev/${disks[1]} fixed=/dev/${disks[2]}

step 'SCSI tools'
for d in "$ram" "$file"; do
  sg_turs "$d"
  sg_inq "$d" >"$LAB_OUT/inq.txt"
  grep -q 'WEFT' "$LAB_OUT/inq.txt" || die "INQUIRY of $d does not say WEFT"
  sg_readcap --readonly --16 "$d" >"$LAB_OUT/readcap.txt"
  for page in 0x00 0x80 0x83 0xb0 0xb1 0xb2; do sg_vpd --page=$page "$d" >>"$LAB_OUT/vpd.txt"; done
  sg_luns "$d" >"$LAB_OUT/luns.txt"
  sg_modes "$d" >"$LAB_OUT/modes.txt"
  sg_opcodes "$d" >"$LAB_OUT/opcodes.txt" || :
done
sg_inq "$fixed" >"$LAB_OUT/inq-fixed.txt"
[[ $(blockdev --getsize64 "$ram") == $((256 << 20)) ]] || die 'wrong size of the memory volume'
[[ $(blockdev --getss "$ram") == 4096 && $(blockdev --getss "$file") == 512 ]] || die 'wrong block size'
[[ $(blockdev --getro "$fixed") == 1 ]] || die 'the read-only volume is writable'
[[ $(cat "/sys/block/${disks[1]}/queue/write_cache") == 'write back' ]] || die 'the file volume shows no cache'
[[ $(cat "/sys/block/${disks[0]}/queue/write_cache") == 'write through' ]] || die 'the memory volume shows a cache'
if dd if=/dev/zero of="$fixed" bs=4096 count=1 oflag=direct 2>/dev/null; then die 'wrote to a read-only volume'; fi

step 'file system'
for d in "$ram" "$file"; do
  mkfs.ext4 -q "$d"
  mkdir -p /mnt/a
  mount "$d" /mnt/a
  cp -r /usr/share/perl5 /mnt/a/tree 2>/dev/null || cp -r /usr/share/doc/fio /mnt/a/tree
  sync
  before=$(tree_sum /mnt/a/tree)
  umount /mnt/a
  mount "$d" /mnt/a
  [[ $(tree_sum /mnt/a/tree) == "$before" ]] || die "files differ on $d"
  fstrim /mnt/a || :
  umount /mnt/a
  fsck.ext4 -fn "$d" >"$LAB_OUT/fsck.txt" || die "fsck of $d"
done

step 'verified I/O at depth 32'
for d in "$ram" "$file"; do
  verify_io "$d" 8 32 --size=64m >"$LAB_OUT/fio-${d##*/}.txt" || die "fio on $d"
done
step 'discard and zeroes'
blkdiscard "$ram"
cmp -n $((64 << 20)) "$ram" /dev/zero
blkdiscard --zeroout "$file" --length $((16 << 20))
cmp -n $((16 << 20)) "$file" /dev/zero

step 'log out'
ib_srp_logout "${disks[0]}"
wait_for 10 test "$(target_status store1 '[.nexuses[].channels[]] | length')" = 0 || :
stop store1
dmesg_clean
