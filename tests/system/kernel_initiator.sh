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
# By default it makes a channel for each CPU.
channels() { target_status store1 '[.nexuses[].channels[] | select(.state == "ready")] | length'; }
no_channels() { [[ $(target_status store1 '[.nexuses[].channels[]] | length') == 0 ]]; }
wanted=$(<"/sys/class/scsi_host/host$(ib_srp_host "${disks[0]}")/ch_count")
((wanted > 1)) || die "ib_srp made $wanted channels on $(nproc) CPUs"
[[ $(channels) == "$wanted" ]] || die "ib_srp has $wanted channels, the target $(channels)"

# ask CMD...: it succeeds; what it says is in $said. told REGEX...: a line of that matches, for each.
said=$LAB_OUT/said.txt
ask() {
  local status=0
  asked=$*
  "$@" >"$said" 2>&1 || status=$?
  ((status == 0)) || told_not "status $status"
}
told() {
  local -a lines
  local pattern line
  mapfile -t lines <"$said"
  for pattern in "$@"; do
    for line in "${lines[@]}"; do
      if [[ $line =~ $pattern ]]; then continue 2; fi
    done
    told_not "no line matches '$pattern'"
  done
}
told_not() {
  sed 's/^/  | /' "$said" >&2
  die "$asked: $1"
}
# ends_with STATUS CMD...: how sg3_utils say what the unit's sense was.
ends_with() {
  local wanted=$1 status=0
  shift
  "$@" >"$said" 2>&1 || status=$?
  asked=$*
  ((status == wanted)) || told_not "status $status, not $wanted"
}
illegal_request=5
miscompare=14
out_of_range=22

# judge DISK VOLUME BLOCK_SIZE WCE WP: what the unit says of itself is what the target's file says of the volume.
judge() {
  local d=$1 name=$2 block=$3 wce=$4 wp=$5 uuid bytes blocks page designator code
  read -r uuid bytes < <(target_status store1 ".volumes[] | select(.name == \"$name\") | \"\\(.uuid) \\(.size_bytes)\"")
  blocks=$((bytes / block))
  ask sg_turs "$d"
  ask sg_inq "$d"
  told 'PDT=0 .*RMB=0' 'CmdQue=1' '^ *Vendor identification: WEFT *$' "^ *Product identification: $name *\$" \
    "^ *Unit serial number: $uuid *\$"
  ask sg_readcap "$d"
  told "Last LBA=$((blocks - 1)) .*Number of logical blocks=$blocks\$" "Logical block length=$block bytes"
  ask sg_readcap --readonly --16 "$d"
  told "Last LBA=$((blocks - 1)) .*Number of logical blocks=$blocks\$" "Logical block length=$block bytes" 'prot_en=0' \
    'lbpme=1, lbprz=1'
  ask sg_luns --readonly "$d"
  told 'imples 3 lun entries|implies 3 lun entries'
  [[ $(sed -n 's/^ *\([0-9a-f]\{16\}\)$/\1/p' "$said" | xargs) == '0000000000000000 0001000000000000 0002000000000000' ]] ||
    told_not 'other LUNs than 0, 1, 2'

  ask sg_vpd --page=0x00 "$d"
  told '\[sv\]' '\[sn\]' '\[di\]' '\[bl\]' '\[bdc\]' '\[lbpv\]'
  ask sg_vpd --page=0x80 "$d"
  told "^ *Unit serial number: $uuid\$"
  ask sg_vpd --page=0x83 "$d"
  told "Locally assigned UUID: $uuid\$" 'vendor id: WEFT' "vendor specific: $name\$" "^ *0x$id_ext$ioc_guid\$" \
    'transport: SCSI RDMA Protocol'
  designator=$(sed -n 's/^ *0x\(6[0-9a-f]\{31\}\)$/\1/p' "$said")
  [[ $designator && $(cat "/sys/block/${d#/dev/}/device/wwid") == "naa.$designator" ]] || told_not "the kernel's wwid is another"
  ask sg_vpd --page=0xb0 "$d"
  told 'Write same non-zero \(WSNZ\): 1' "Maximum transfer length: $(((32 << 20) / block)) blocks" \
    "Maximum unmap LBA count: $(((4 << 30) / block))\$" 'Maximum unmap block descriptor count: [1-9]' \
    "Optimal unmap granularity: $((4096 / block)) blocks" 'Unmap granularity alignment valid: true' \
    "$(printf 'Maximum write same length: 0x%x blocks' $(((256 << 20) / block)))"
  [[ $(cat "/sys/block/${d#/dev/}/queue/discard_granularity") == 4096 ]] || die "$d: the kernel sees another granularity"
  ask sg_vpd --page=0xb1 "$d"
  case $(cat "/sys/block/${d#/dev/}/queue/rotational") in
    0) told 'Non-rotating medium' ;;
    *) told 'rotation rate' ;;
  esac
  ask sg_vpd --page=0xb2 "$d"
  told '\(LBPU\): 1' '\(LBPWS\): 1' '\(LBPWS10\): 1' '\(LBPRZ\): 1' 'Provisioning type: 2'
  # A page that is not in the list, asked for all the same.
  ends_with "$illegal_request" sg_raw --readonly --request=64 "$d" 12 01 b5 00 40 00

  for page in --six --page=0x3f; do
    ask sg_modes "$page" "$d"
    # WCE is bit 2 of the caching page's third byte.
    told "WP=$wp, DpoFua=1" "^ 00 +08 12 0$((wce * 4)) " '^ 00 +0a 0a '
  done
  # 9e 10 is READ CAPACITY (16), a3 c the command asked with.
  ask sg_opcodes "$d"
  for code in 00 03 08 0a 12 1a 1b 25 28 2a 2e 2f 35 41 42 5a 88 8a 8e 8f 91 93 '9e +10' a0 'a3 +c' a8 aa ae af; do
    told "^ $code  "
  done
  ask sg_requests "$d"
  told 'Fixed format.*No Sense'
  ask sg_requests --desc "$d"
  told 'Descriptor format.*No Sense'
}

step 'SCSI tools: what the units say of themselves'
judge "$ram" ram 4096 0 0
judge "$file" disk 512 1 0
judge "$fixed" fixed 4096 0 1
[[ $(blockdev --getsize64 "$ram") == $((256 << 20)) ]] || die 'wrong size of the memory volume'
[[ $(blockdev --getss "$ram") == 4096 && $(blockdev --getss "$file") == 512 ]] || die 'wrong block size'
[[ $(blockdev --getro "$fixed") == 1 ]] || die 'the read-only volume is writable'
[[ $(cat "/sys/block/${disks[1]}/queue/write_cache") == 'write back' ]] || die 'the file volume shows no cache'
[[ $(cat "/sys/block/${disks[1]}/queue/fua") == 1 ]] || die 'the file volume shows no FUA'
[[ $(cat "/sys/block/${disks[0]}/queue/write_cache") == 'write through' ]] || die 'the memory volume shows a cache'
if dd if=/dev/zero of="$fixed" bs=4096 count=1 oflag=direct 2>/dev/null; then die 'wrote to a read-only volume'; fi

# A region of 256 blocks and what must be in it, block by block, whatever commands have been there.
region=1024
expected=$lab_state/expected
# put FIRST COUNT FILE: from now on so many blocks of it are expected from there on.
put() { dd if="$3" of="$expected" bs="$block" seek="$1" count="$2" iflag=fullblock conv=notrunc status=none; }
as_expected() {
  dd if="$d" bs="$block" skip=$region count=256 iflag=direct status=none | cmp - "$expected" || die "$d after $1: other data"
}
# repeated FILE COUNT: its first block so often.
repeated() {
  local i
  for ((i = 0; i < $2; i++)); do head -c "$block" "$1"; done
}
flushes() { awk '{ print $16 }' "/sys/block/${disk#/dev/}/stat"; }
# flushes_more CMD...: the command brings the file's disk to flush.
flushes_more() {
  local before
  before=$(flushes)
  ask "$@"
  (($(flushes) > before)) || die "$*: the disk below was not flushed"
}

for d in "$ram" "$file"; do
  block=$(blockdev --getss "$d")
  step "SCSI tools: data of blocks of $block bytes"
  dd if=/dev/urandom of="$expected" bs="$block" count=256 status=none
  dd if=/dev/urandom of="$lab_state/other" bs="$block" count=64 status=none
  # bpt: the kernel refuses what has more pieces of memory than a request may have segments.
  for size in 6 10 12 16; do
    dd if=/dev/urandom of="$expected" bs="$block" count=8 seek=$((size * 8)) conv=notrunc status=none
    ask sg_dd if="$expected" of="$d" bs="$block" seek=$region count=256 bpt=8 cdbsz=$size oflag=sgio
    told '^256\+0 records out'
    as_expected "WRITE ($size)"
    rm -f "$lab_state/read"
    ask sg_dd if="$d" of="$lab_state/read" bs="$block" skip=$region count=256 bpt=8 cdbsz=$size iflag=sgio
    cmp "$lab_state/read" "$expected" || die "READ ($size) reads other data"
  done
  for form in --10 --16; do
    verify=(sg_verify)
    [[ $form != --16 ]] || verify+=(--16)
    ask sg_write_same $form --lba=$((region + 8)) --num=48 --in="$lab_state/other" --xferlen="$block" "$d"
    repeated "$lab_state/other" 48 >"$lab_state/repeated"
    put 8 48 "$lab_state/repeated"
    as_expected "WRITE SAME $form"
    ask sg_write_same $form --unmap --lba=$((region + 64)) --num=64 --in=/dev/zero --xferlen="$block" "$d"
    put 64 64 /dev/zero
    as_expected "WRITE SAME $form with UNMAP"
    ask "${verify[@]}" --lba=$region --count=256 "$d"
    ask "${verify[@]}" --ndo=$((block * 8)) --count=8 --lba=$region --in="$expected" "$d"
    ends_with $miscompare "${verify[@]}" --ndo=$((block * 8)) --count=8 --lba=$region --in="$lab_state/other" "$d"
    ends_with $out_of_range "${verify[@]}" --lba=$(($(blockdev --getsize64 "$d") / block)) --count=1 "$d"
    # Other data where the next form writes and unmaps.
    dd if=/dev/urandom of="$expected" bs="$block" count=256 status=none
    ask sg_dd if="$expected" of="$d" bs="$block" seek=$region count=256 bpt=8 oflag=sgio
  done
  ask sg_unmap --force --lba=$((region + 32)) --num=160 "$d"
  put 32 160 /dev/zero
  as_expected UNMAP
done
step 'SCSI tools: SYNCHRONIZE CACHE, START STOP UNIT, FUA'
before=$(flushes)
ask sg_dd if="$expected" of="$file" bs=512 seek=$region count=8 cdbsz=10 oflag=sgio
(($(flushes) == before)) || die 'a plain write makes the disk below flush'
for d in "$ram" "$file"; do
  flushing=ask
  [[ $d != "$file" ]] || flushing=flushes_more
  $flushing sg_sync "$d"
  $flushing sg_sync --16 "$d"
  $flushing sg_start --stop "$d"
  $flushing sg_dd if="$expected" of="$d" bs="$(blockdev --getss "$d")" seek=$region count=8 cdbsz=10 oflag=sgio,fua
  ask sg_start --start "$d"
  ask sg_turs "$d"
done

step 'file system'
discards() { awk '{ print $12 }' "/sys/block/${1#/dev/}/stat"; }
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
  before=$(discards "$d")
  fstrim -v /mnt/a >"$LAB_OUT/fstrim.txt" || die "fstrim on $d"
  grep -qE '\(([1-9][0-9]+) bytes\) trimmed' "$LAB_OUT/fstrim.txt" || die "fstrim on $d: $(<"$LAB_OUT/fstrim.txt")"
  (($(discards "$d") > before)) || die "fstrim made no discards on $d"
  umount /mnt/a
  fsck.ext4 -fn "$d" >"$LAB_OUT/fsck.txt" || die "fsck of $d"
done

step 'verified I/O at depth 32'
carried() { target_status store1 '[.nexuses[].channels[].commands] | join(" ")'; }
read -ra before < <(carried)
for d in "$ram" "$file"; do
  verify_io "$d" 8 32 --size=64m >"$LAB_OUT/fio-${d##*/}.txt" || die "fio on $d"
done
read -ra after < <(carried)
for ((i = 0; i < wanted; i++)); do ((after[i] > before[i])) || die "channel $i carried nothing: ${after[*]}"; done
step 'discard and zeroes'
blkdiscard "$ram"
cmp -n $((64 << 20)) "$ram" /dev/zero
blkdiscard --zeroout "$file" --length $((16 << 20))
cmp -n $((16 << 20)) "$file" /dev/zero

step 'log out'
ib_srp_logout "${disks[0]}"
wait_for 30 no_channels
stop store1
dmesg_clean
