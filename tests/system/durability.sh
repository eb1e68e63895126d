#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initiator's disk is told to make durable, or to forget, reaches the medium under the target: seen in the flush
# counters of the target's disks and in the room that its files take. And the disk says of itself what it can do.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
modules ublk_drv
cached=$(lab_disk 0)
durable=$(lab_disk 1)
mkdir -p /srv/files
mkfs.ext4 -q "$(lab_disk 2)"
mount "$(lab_disk 2)" /srv/files
target_config store0 10.77.0.1 5555 \
  "{name: cached, file: {path: $cached}, initiators: [any]}" \
  "{name: durable, file: {path: $durable, write_cache: false}, initiators: [any]}" \
  '{name: thin, file: {path: /srv/files/thin.img, size: 64MiB}, initiators: [any]}' \
  '{name: small, file: {path: /srv/files/small.img, size: 16MiB}, block_size: 512, initiators: [any]}'
target_start store0
running store0 || die 'the target ended'
initiator_config '
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes:
  - {name: cached, linear: [{remote: {target: store0, volume: cached}}]}
  - {name: durable, linear: [{remote: {target: store0, volume: durable}}]}
  - {name: thin, linear: [{remote: {target: store0, volume: thin}}]}
  - {name: small, linear: [{remote: {target: store0, volume: small}}]}'
initiator_start

step 'what the disks say of themselves'
# disk_is VOLUME ATTRIBUTE VALUE
disk_is() {
  local device value
  device=$(volume "$1" .device)
  value=$(<"/sys/block/${device#/dev/}/queue/$2")
  [[ $value == "$3" ]] || die "the disk of $1: $2 is '$value', not '$3'"
}
for v in cached thin small; do
  disk_is $v write_cache 'write back'
  disk_is $v fua 1
done
disk_is durable write_cache 'write through'
disk_is durable fua 0 # where every write is durable there is nothing to ask for
for v in cached durable thin small; do
  device=$(volume $v .device)
  (($(<"/sys/block/${device#/dev/}/queue/discard_granularity") > 0)) || die "the disk of $v cannot discard"
  (($(<"/sys/block/${device#/dev/}/queue/discard_max_bytes") > 0)) || die "the disk of $v cannot discard"
  [[ $v == small ]] || disk_is $v logical_block_size 4096
done
disk_is small logical_block_size 512

# flushes DISK: how often the medium was told to flush.
flushes() { awk '{ print $16 }' "/sys/block/${1#/dev/}/stat"; }
# flushes_by DISK CMD...: how often CMD makes it do so.
flushes_by() {
  local disk=$1 before
  shift
  before=$(flushes "$disk")
  "$@" >&2
  echo $(($(flushes "$disk") - before))
}
direct() { dd if=/dev/urandom of="/dev/weft/$1" bs=64k count=16 oflag=direct status=none "${@:2}"; }
# One write with RWF_DSYNC: the kernel sends it with FUA, and a flush behind it.
dsync() { xfs_io -d -c 'pwrite -q -V 1 -D 0 4096' "/dev/weft/$1"; }

step 'a volume with a cache: the medium flushes when it must, and only then'
(($(flushes_by "$cached" direct cached) == 0)) || die 'plain writes make the medium flush'
# told_by CMD...: how often CMD makes the medium flush, and how often it made the initiator send a flush.
told_by() {
  local sent count
  sent=$(volume cached .flushes)
  count=$(flushes_by "$cached" "$@")
  echo "$count $(($(volume cached .flushes) - sent))"
}
read -r count sent < <(told_by direct cached conv=fsync)
((count > 0)) || die 'fsync does not reach the medium'
((count == sent)) || die "$sent flushes were sent, $count have reached the medium"
read -r count sent < <(told_by dsync cached)
((count > sent)) || die "FUA does not reach the medium: $sent flushes were sent, it was told $count times"
step "a write with FUA: $sent flushes were sent, $count have reached the medium"

step 'a volume without: every write makes it flush'
before=$(target_status store0 '.volumes[] | select(.name == "durable") | .writes')
count=$(flushes_by "$durable" direct durable)
writes=$(($(target_status store0 '.volumes[] | select(.name == "durable") | .writes') - before))
((writes == 16)) || die "16 writes of 64 KiB were $writes at the target"
((count >= writes)) || die "$writes writes made the medium flush $count times"
step "$writes writes, $count flushes"

step 'a discard gives the file its room back, and the rest stays'
dd if=/dev/urandom of="$lab_state/pattern" bs=1M count=64 status=none
dd if="$lab_state/pattern" of=/dev/weft/thin bs=256k oflag=direct status=none
room() { sync -f /srv/files && du -k /srv/files/thin.img | cut -f1; }
before=$(room)
((before >= 64 * 1024)) || die "the full file takes $before KiB"
blkdiscard --offset $((8 << 20)) --length $((16 << 20)) /dev/weft/thin
after=$(room)
# A few blocks more for the extents of a file with a hole.
((before - after >= 16 * 1024 - 64)) || die "a discard of 16 MiB: $before KiB before, $after after"
dd if=/dev/zero of="$lab_state/pattern" bs=1M seek=8 count=16 conv=notrunc status=none
dd if=/dev/weft/thin bs=256k iflag=direct status=none | cmp - "$lab_state/pattern" || die 'the volume reads something else'
step "$before KiB before, $after KiB after"

step 'blocks of 512 bytes, one by one'
dd if="$lab_state/pattern" of=/dev/weft/small bs=512 count=200 seek=1001 oflag=direct status=none
dd if=/dev/weft/small bs=512 count=200 skip=1001 iflag=direct status=none | cmp - <(head -c $((200 * 512)) "$lab_state/pattern") ||
  die 'small blocks read back differently'

step 'all stop'
stop initiator
stop store0
nothing_left
dmesg_clean
