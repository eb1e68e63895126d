#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 4 KiB at depth 1 and 32 in one run: weft (memory and file volumes), raw verbs, kernel NVMe-oF over RDMA. Not a
# test: it prints a table. In the VM only the ratios of one run mean something.
#   ci/lab --disk 1G --env WEFT_BUILD=DIR -- tests/system/figures.sh [SECONDS]
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

seconds=${1:-5}
rxe_loop
modules ublk_drv nvmet nvmet_rdma nvme_rdma

step 'weft: a memory volume and a file volume'
mkfs.ext4 -q "$(lab_disk 0)"
mkdir -p /srv/store
mount "$(lab_disk 0)" /srv/store
target_config store1 10.77.0.1 5555 '{name: memory, memory: {size: 256MiB}, initiators: [any]}' \
  '{name: file, file: {path: /srv/store/file.img, size: 256MiB}, initiators: [any]}'
target_start store1
initiator_config "
targets: [{name: store1, paths: [{address: 10.77.0.1, port: 5555, qps: 1}]}]
volumes:
  - {name: memory, linear: [{remote: {target: store1, volume: memory}}]}
  - {name: file, linear: [{remote: {target: store1, volume: file}}]}"
initiator_start
dd if=/dev/zero of=/srv/store/file.img bs=1M count=256 conv=notrunc oflag=direct status=none

step 'the kernel: NVMe-oF over RDMA on a RAM disk'
ram=$(brd_disk 256)
lab_configfs
nvmet=/sys/kernel/config/nvmet
mkdir -p "$nvmet/subsystems/peer/namespaces/1" "$nvmet/ports/1"
echo 1 >"$nvmet/subsystems/peer/attr_allow_any_host"
echo "$ram" >"$nvmet/subsystems/peer/namespaces/1/device_path"
echo 1 >"$nvmet/subsystems/peer/namespaces/1/enable"
echo rdma >"$nvmet/ports/1/addr_trtype"
echo ipv4 >"$nvmet/ports/1/addr_adrfam"
echo 10.77.0.1 >"$nvmet/ports/1/addr_traddr"
echo 4420 >"$nvmet/ports/1/addr_trsvcid"
ln -s "$nvmet/subsystems/peer" "$nvmet/ports/1/subsystems/peer"
nvme connect -t rdma -a 10.77.0.1 -s 4420 -n peer >/dev/null
wait_for 10 test -b /dev/nvme0n1

# raw PROGRAM: latency of 4 KiB in microseconds: typical, tab, mean. Under load a run may fail for reasons of the
# program's own handshake: it is tried again.
raw() {
  local try server said=$LAB_OUT/$1.txt
  for try in 1 2 3 4 5; do
    "$1" -d rxe0 -x 1 -s 4096 -n 2000 -p $((18515 + try)) >"$LAB_OUT/$1-server.txt" 2>&1 &
    server=$!
    wait_for 20 raw_listens $((18515 + try)) || :
    timeout 120 "$1" -d rxe0 -x 1 -s 4096 -n 2000 -p $((18515 + try)) 10.77.0.1 >"$said" 2>&1 || :
    kill "$server" 2>/dev/null || :
    wait "$server" 2>/dev/null || :
    if awk '$1 == 4096 { print int($5) "\t" int($6); found = 1 } END { exit !found }' "$said"; then return 0; fi
  done
  die "$1 gives no figure: $(tail -n 1 "$said")"
}
raw_listens() { ss -Hltn "sport = :$1" | grep -q .; }

row() { # row NAME DEVICE
  local name=$1 device=$2 rw depth
  for rw in randread randwrite; do
    for depth in 1 32; do
      fio --name=row --filename="$device" --direct=1 --ioengine=io_uring --rw="$rw" --bs=4k --iodepth="$depth" --size=256m \
        --time_based --runtime="$seconds" --ramp_time=1 --output-format=json |
        jq -r --arg n "$name" --arg c "$rw $depth" '.jobs[0] | if .read.iops > 0 then .read else .write end |
          "\($n)\t\($c)\t\(.iops | floor)\t\(.clat_ns.percentile."50.000000" / 1000 | floor)\t\(.clat_ns.mean / 1000 | floor)"'
    done
  done
}

step 'measure'
{
  printf 'what\tcase\tIOPS\tmedian us\tmean us\n'
  printf 'raw verbs READ\t1\t-\t%s\n' "$(raw ib_read_lat)"
  printf 'raw verbs WRITE (half a round trip)\t1\t-\t%s\n' "$(raw ib_write_lat)"
  row 'weft, memory' /dev/weft/memory
  row 'weft, file' /dev/weft/file
  row 'kernel NVMe-oF/RDMA, RAM disk' /dev/nvme0n1
  # Far from the first: the machine was not the same all the time, and rows cannot be compared.
  printf 'raw verbs READ, at the end\t1\t-\t%s\n' "$(raw ib_read_lat)"
} | column -t -s $'\t'
nvme disconnect -n peer >/dev/null
stop initiator
stop store1
