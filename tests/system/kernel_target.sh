#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The stock kernel's ib_srpt (LIO) as judge of weft-initiator: its LUNs through ublk, verified; also when connections are
# lost under writes, which a stock target may still execute: LOGICAL UNIT RESET fences them off before they are repeated.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_wire
modules ublk_drv
step 'the kernel target is up'
lio_srpt_up 10.77.1.2:5556 "$(brd_disk 256)" ram:64M
guid=$(lio_srpt_guid)
initiator_config "
targets:
  - {name: lio, port_id: $guid$guid, paths: [{address: 10.77.1.2, port: 5556, qps: 2}]}
volumes:
  - name: both
    linear:
      - remote: {target: lio, lun: 0}
      - remote: {target: lio, lun: 1}"
# LIO's two backstores may differ in block size; then each is a volume of its own.
step 'start weft-initiator'
initiator_start
device=$(status '.volumes[0].device')
"$weftctl" status
step 'file system'
mkfs.ext4 -q "$device"
mkdir -p /mnt/a
mount /dev/weft/both /mnt/a
cp -r /usr/share/perl5 /mnt/a/tree
sync
before=$(tree_sum /mnt/a/tree)
umount /mnt/a
mount "$device" /mnt/a
[[ $(tree_sum /mnt/a/tree) == "$before" ]] || die 'files differ'
umount /mnt/a
step 'verified I/O at depth 32'
verify_io "$device" 10 32 --size=128m >"$LAB_OUT/fio.txt" || die 'fio'

session() { status ".sessions[0].$1"; }
recovered_more_than() { (($(session recoveries) > $1)); }
writes_goes_on() { wait_for 60 writes_grow_from "$(status '.volumes[0].writes')"; }
load_start lio "$device" 32
wait_for 60 busy 8
step 'one of two queue pairs is cut, until it had writes under way'
cut_one() {
  "$weftctl" channel drop lio 0 && sleep 0.5 && recovered_more_than 0
}
wait_for 90 cut_one
wait_for 60 channels_ready 2
writes_goes_on
for side in both b; do
  step "the wire swallows what arrives at: $side"
  wait_for 60 busy 8
  wire_cut "$side"
  wait_for 60 recovered_more_than "$(session recoveries)"
  wire_heal
  wait_for 90 channels_ready 2
  writes_goes_on
done
load_end lio
step "$(session recoveries) recoveries, $(session resent) commands resent, $(session weak_fences) weak fences"
[[ $(status '.volumes[0].errors') == 0 ]] || die 'the volume counts errors'
[[ $(session weak_fences) == 0 ]] || die 'LIO refused LOGICAL UNIT RESET'

stop initiator
nothing_left
dmesg_clean
