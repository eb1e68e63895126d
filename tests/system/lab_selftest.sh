#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Does the lab have what weft's system tests stand on? Run with: ci/lab -- tests/system/lab_selftest.sh
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ping_over SERVER CLIENT MESSAGES: rping with data validation between two addresses.
ping_over() {
  spawn rping rping -s -a "$1" -C "$3"
  wait_for 10 rping -c -v -a "$1" -I "$2" -C "$3"
  reap rping
}

# read_latency DEVICE_A DEVICE_B ADDRESS: typical ib_read_lat in us, connected by RDMA/CM.
read_latency() {
  spawn read_lat ib_read_lat -R -d "$2" -s 4096 -n 500
  wait_for 20 lab_read_lat "$1" "$3"
  reap read_lat
  awk '/^ *4096 / { print $5 }' "$lab_state/read_lat"
}
lab_read_lat() { ib_read_lat -R -d "$1" -s 4096 -n 500 "$2" >"$lab_state/read_lat"; }

verify_disk() {
  fio --name=verify --filename="/dev/$1" --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=16 --size=4M \
    --verify=crc32c --do_verify=1 --verify_fatal=1 --output-format=terse --output="$lab_state/fio" ||
    { cat "$lab_state/fio" >&2; die "fio verify failed on $1"; }
}

test_ublk() {
  if ! modprobe -n ublk_drv 2>/dev/null; then
    step "ublk: this kernel has none"
    return 0
  fi
  step "ublk: the control device"
  modules ublk_drv
  wait_for 5 test -c /dev/ublk-control
}

test_loop() {
  local latency
  step "loop: one soft-RoCE device to itself"
  rxe_loop
  ibv_devinfo -d rxe0 | grep -q 'active_mtu:.*4096' || die "the path MTU is not 4096"
  ping_over 10.77.0.1 10.77.0.1 100
  latency=$(read_latency rxe0 rxe0 10.77.0.1)
  step "loop: ib_read_lat 4 KiB $latency us"
}

test_wire() {
  local latency
  step "wire: two soft-RoCE devices on a wire"
  rxe_wire 1
  ping_over 10.77.1.2 10.77.1.1 100
  ping_over 10.77.1.1 10.77.1.2 100
  latency=$(read_latency rxe1a rxe1b 10.77.1.2)
  step "wire: ib_read_lat 4 KiB $latency us"
}

test_srp() {
  local target=$1 disk
  shift
  lio_srpt_up "$target:5555" "$(brd_disk 64)" ram:32M
  mapfile -t disks < <(ib_srp_login "$target:5555" "$(lio_srpt_guid)" "$(lio_srpt_guid)" "$@")
  [[ ${#disks[@]} == 2 ]] || die "two LUNs exported, ${#disks[@]} disks seen"
  for disk in "${disks[@]}"; do verify_disk "$disk"; done
  sg_inq "/dev/${disks[0]}" >"$lab_state/inquiry"
}

test_srp_loop() {
  step "loop: kernel ib_srp to kernel ib_srpt"
  test_srp 10.77.0.1
  ib_srp_logout "${disks[0]}"
  lio_srpt_down
}

# cut_holds TABLE: a read of the SRP disk waits, its packets lost in the cut TABLE. The cut is on already.
cut_holds() {
  spawn reader dd if="/dev/${disks[0]}" of=/dev/null bs=4k count=1 iflag=direct status=none
  sleep 1
  running reader || die "a read crossed the cut $1"
  (($(cut_packets "$1") > 0)) || die "the cut $1 swallowed nothing"
}

test_cut() {
  local qpn
  step "wire: kernel ib_srp to kernel ib_srpt"
  ib_srp_load never_register=Y
  test_srp 10.77.1.2 ch_count=1,tl_retry_count=6
  step "wire: cut, the disk waits"
  wire_cut both 1
  cut_holds weft_cut_1
  step "wire: healed, the read ends"
  wire_heal 1
  reap reader 60
  step "wire: one queue pair cut and healed"
  qpn=$(rdma resource show qp link rxe1b/1 | sed -n 's/.* lqpn \([0-9]*\) .* type RC .*/\1/p')
  qp_cut "$qpn"
  cut_holds "weft_cut_qp_$qpn"
  ping_over 10.77.1.2 10.77.1.1 5
  qp_heal "$qpn"
  reap reader 60
  verify_disk "${disks[0]}"
  ib_srp_logout "${disks[0]}"
  lio_srpt_down
}

test_link() {
  step "wire: link down and up"
  link_down wire1a
  if timeout 20 rping -c -a 10.77.1.2 -I 10.77.1.1 -C 1 >/dev/null 2>&1; then die "RDMA without a link"; fi
  link_up wire1a
  rxe_again rxe1a
  ping_over 10.77.1.2 10.77.1.1 10
}

test_second_wire() {
  step "a second wire beside the first"
  rxe_wire 2
  ping_over 10.77.2.2 10.77.2.1 10
  wire_cut both 1
  ping_over 10.77.2.1 10.77.2.2 10
  wire_heal 1
}

test_udev() {
  local disk
  step "udev: a link named by a file that the disk's server wrote"
  disk=$(brd_disk 64)
  mkdir -p /run/weft/dev
  echo WEFT_NAME=selftest >"/run/weft/dev/${disk#/dev/}"
  # shellcheck disable=SC2016 # udev expands it
  printf 'KERNEL=="ram*", IMPORT{file}="/run/weft/dev/$kernel", SYMLINK+="weft/$env{WEFT_NAME}"
'     >"$lab_state/61-selftest.rules"
  udevd_up "$lab_state/61-selftest.rules"
  [[ $(realpath /dev/weft/selftest) == "$disk" ]] || die "no link /dev/weft/selftest to $disk"
}

disks=()
test_ublk
test_loop
test_wire
test_srp_loop
test_cut
test_link
test_second_wire
test_udev
dmesg_clean
step "all there"
