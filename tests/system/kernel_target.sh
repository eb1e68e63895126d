#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The stock kernel's ib_srpt (LIO) as judge of weft-initiator: its LUN through ublk, verified.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
modules ublk_drv
step 'the kernel target is up'
lio_srpt_up 10.77.0.1:5556 "$(brd_disk 256)" ram:64M
guid=$(lio_srpt_guid)
initiator_config "
targets:
  - {name: lio, port_id: $guid$guid, paths: [{address: 10.77.0.1, port: 5556, qps: 2}]}
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
stop initiator
nothing_left
dmesg_clean
