#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# File systems on a volume of mixed legs, with real trees compared after remounting; detach and attach, and events.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
modules ublk_drv
mkdir -p /srv/local
mkfs.ext4 -q "$(lab_disk 1)"
mount "$(lab_disk 1)" /srv/local
fallocate -l 256M /srv/local/leg.img
target_config store0 10.77.0.1 5555 "{name: disk, file: {path: $(lab_disk 0)}, initiators: [any]}" \
  '{name: ram, memory: {size: 128MiB}, initiators: [any]}'
target_start store0
initiator_config "
targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555, qps: 2}]}]
volumes:
  - name: mixed
    linear:
      - remote: {target: store0, volume: ram}
      - file: {path: /srv/local/leg.img}
      - remote: {target: store0, volume: disk}"
initiator_start
wait_for 30 channels_ready 2
device=$(status '.volumes[0].device')
size=$((128 + 256 + $(blockdev --getsize64 "$(lab_disk 0)") / 1048576))
[[ $(blockdev --getsize64 "$device") == $((size << 20)) ]] || die "the size is $(blockdev --getsize64 "$device"), not $size MiB"
[[ $(status '[.volumes[0].legs[].kind] | join(" ")') == 'remote file remote' ]] || die 'the legs are wrong'

tree=$(a_tree)
expected=$(tree_sum "$tree")
mkdir -p /mnt/data
for kind in ext4 xfs; do
  step "$kind"
  case $kind in
    ext4) mkfs.ext4 -q -F /dev/weft/mixed ;;
    xfs) modules xfs && mkfs.xfs -q -f /dev/weft/mixed ;;
  esac
  mount -t "$kind" /dev/weft/mixed /mnt/data
  cp -r "$tree" /mnt/data/one
  cp -r "$tree" /mnt/data/two
  rm -r /mnt/data/one
  fstrim /mnt/data
  cp -r "$tree" /mnt/data/three
  umount /mnt/data

  before=$device
  "$weftctl" detach mixed
  wait_for 10 test ! -e "$before"
  [[ ! -e /dev/weft/mixed ]] || die '/dev/weft/mixed is still there'
  "$weftctl" attach mixed
  wait_for 30 initiator_ready
  device=$(status '.volumes[0].device')
  step "$kind: detached $before, attached $device"

  mount -t "$kind" /dev/weft/mixed /mnt/data
  for copy in two three; do
    [[ $(tree_sum "/mnt/data/$copy") == "$expected" ]] || die "$kind: copy $copy differs"
  done
  if "$weftctl" detach mixed 2>"$LAB_OUT/refused.txt"; then die 'detached while mounted'; fi
  step "refused while mounted: $(cat "$LAB_OUT/refused.txt")"
  umount /mnt/data
  case $kind in
    ext4) fsck.ext4 -fn /dev/weft/mixed >"$LAB_OUT/fsck.txt" 2>&1 || die 'fsck found damage' ;;
    xfs) xfs_repair -n /dev/weft/mixed >"$LAB_OUT/fsck.txt" 2>&1 || die 'xfs_repair found damage' ;;
  esac
done
step "two file systems, each with 2 of 3 copies of $(find "$tree" -type f | wc -l) files"

step 'verified I/O across the borders of the legs'
for border in 128 384; do
  fio --name=border --filename="$device" --direct=1 --ioengine=io_uring --rw=randwrite --bsrange=4k-64k --iodepth=32 \
    --offset="$((border - 8))m" --size=16m --verify=crc32c --verify_fatal=1 --do_verify=1 >"$LAB_OUT/fio-$border.txt" ||
    die "fio over the border at $border MiB"
done

step 'events'
"$weftctl" events --json >"$LAB_OUT/events.txt"
for words in 'attached as /dev/ublkb' 'detached' 'not detached'; do
  grep -q "$words" "$LAB_OUT/events.txt" || die "no event says '$words'"
done
"$weftctl" events --follow --last 1 >"$LAB_OUT/follow.txt" &
lab_pids[follow]=$!
wait_for 30 test -s "$LAB_OUT/follow.txt" # from now on it hears
"$weftctl" channel drop store0 0
wait_for 20 grep -q 'cut by request' "$LAB_OUT/follow.txt"
wait_for 30 channels_ready 2

stop initiator
reap follow || :
stop store0
nothing_left
dmesg_clean
