# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What test scripts in the lab VM share (run them with ci/lab). Source it first:
#   . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# It sets -euo pipefail; every failure says the command and the line. Progress goes to stderr, results to stdout.
#
# Addresses: 10.77.0.1 on the loop device; 10.77.I.1 (side a) and 10.77.I.2 (side b) on wire I;
# 10.77.100.(10+H) on host H of several.
set -Eeuo pipefail

[[ ${LAB:-} == 1 ]] || { printf 'not in the lab: run this with ci/lab\n' >&2; exit 77; }

rxe_mtu=4500 # RoCE path MTU 4096 needs a netdev MTU of at least 4192
lab_state=/run/weft-lab
mkdir -p "$lab_state"

# --- saying things, ending ---

lab_started=$SECONDS
step() { printf '[%3d s] %s\n' "$((SECONDS - lab_started))" "$*" >&2; }
lab_why=
die() { lab_why=$*; printf '%s: failed: %s\n' "${0##*/}" "$*" >&2; exit 1; }
skip() { printf '%s: skipped: %s\n' "${0##*/}" "$*" >&2; exit 77; }

lab_failed() {
  local status=$1 command=$2
  lab_why="status $status: $command"
  printf '%s: failed with %s: %s\n' "${0##*/}" "$status" "$command" >&2
  # Where, innermost first; frame 0 is this function.
  local frame=0
  while caller "$frame"; do frame=$((frame + 1)); done | sed 's/^/  at line /' >&2
}
trap 'lab_failed "$?" "$BASH_COMMAND"' ERR

# on_exit CMD...: runs at exit, last one first.
lab_exit_commands=()
on_exit() {
  local command
  printf -v command '%q ' "$@"
  lab_exit_commands=("$command" "${lab_exit_commands[@]}")
}
lab_at_exit() {
  local status=$? command log
  trap - ERR
  set +e
  if ((status != 0 && status != 77)); then
    for log in "${lab_logs[@]}"; do
      printf '%s: the end of %s:\n' "${0##*/}" "$log" >&2
      tail -n 25 "$log" | sed 's/^/  | /' >&2
    done
  fi
  for command in "${lab_exit_commands[@]}"; do eval "$command"; done
  # Once more, after all those logs: who sees only the end of this sees why.
  [[ -z $lab_why ]] || printf '%s: failed: %s\n' "${0##*/}" "$lab_why" >&2
  exit "$status"
}
trap lab_at_exit EXIT

# A VM is thrown away; only a machine that goes on (ci/lab --native) needs its devices removed.
lab_undo() { [[ ${LAB_NATIVE:-} != 1 ]] || on_exit "$@"; }

# wait_for SECONDS CMD...: tries until CMD succeeds.
wait_for() {
  local seconds=$1 deadline output=$lab_state/wait_for.$BASHPID
  shift
  deadline=$((${EPOCHREALTIME/./} + seconds * 1000000))
  until "$@" >"$output" 2>&1; do
    if ((${EPOCHREALTIME/./} >= deadline)); then
      printf '%s: not within %s s: %s\n' "${0##*/}" "$seconds" "$*" >&2
      tail -n 5 "$output" | sed 's/^/  | /' >&2
      return 1
    fi
    sleep 0.05
  done
}

# --- processes under test ---

# spawn NAME CMD...: starts CMD in the background, output to $LAB_OUT/NAME.log (whose end is shown if the test fails).
# Starting NAME again appends.
lab_logs=()
declare -A lab_pids=()
spawn() {
  local name=$1 log=$LAB_OUT/$1.log
  shift
  if [[ ! -v lab_pids[$name] ]]; then
    lab_logs+=("$log")
    : >"$log"
  fi
  "$@" >>"$log" 2>&1 </dev/null &
  lab_pids[$name]=$!
  lab_undo kill -KILL "$!"
}
pid_of() { printf '%s' "${lab_pids[$1]}"; }
running() { kill -0 "${lab_pids[$1]}" 2>/dev/null; }
ended() { ! running "$1"; }

# reap NAME [SECONDS]: waits for its end, which must come, and returns its exit status.
reap() {
  wait_for "${2:-30}" ended "$1" || return 1
  wait "${lab_pids[$1]}"
}

# stop NAME [SECONDS]: SIGTERM; must end with status 0 in time.
stop() {
  kill -TERM "${lab_pids[$1]}"
  reap "$@" || die "$1 ended with status $?"
}

# kill9 NAME [SECONDS]: SIGKILL; returns when it is gone.
kill9() {
  kill -KILL "${lab_pids[$1]}"
  reap "$@" || :
}

# --- kernel ---

modules() {
  local module
  for module in "$@"; do modprobe "$module" || die "kernel $(uname -r) has no module $module"; done
}

# hugepages MIB: reserves huge pages of 2 MiB.
hugepages() {
  echo $(($1 / 2)) >/proc/sys/vm/nr_hugepages
  (($(</proc/sys/vm/nr_hugepages) >= $1 / 2)) || die "no $1 MiB of huge pages to be had"
}

# dmesg_clean [ALLOWED_REGEX]: fails if the kernel complained of itself.
dmesg_clean() {
  local complaints
  complaints=$(dmesg | grep -E 'WARNING: |BUG: |Oops|general protection|blocked for more than|refcount_t|corruption' |
    grep -Ev "${1:-^$}" || :)
  [[ -z $complaints ]] || { printf '%s\n' "$complaints" >&2; die "the kernel complained (dmesg above)"; }
}

# --- RDMA devices ---

rxe_netdev() { cat "/sys/class/infiniband/$1/ports/1/gid_attrs/ndevs/0"; }

rxe_has_address() {
  local hex
  # shellcheck disable=SC2086 # the four numbers of the address
  printf -v hex '%02x%02x:%02x%02x' ${2//./ }
  grep -qsh "ffff:$hex\$" "/sys/class/infiniband/$1"/ports/1/gids/*
}

# rxe_add RDMADEV NETDEV ADDRESS: the device is usable for RDMA/CM when this returns.
rxe_add() {
  modules rdma_rxe ib_uverbs rdma_ucm
  rdma link add "$1" type rxe netdev "$2"
  lab_undo rdma link del "$1"
  wait_for 10 rxe_has_address "$1" "$3"
}

# rxe_again RDMADEV: what a soft-RoCE device needs after its link was down.
rxe_again() {
  local netdev address
  netdev=$(rxe_netdev "$1")
  address=$(ip -4 -o address show dev "$netdev" | awk '{ sub("/.*", "", $4); print $4; exit }')
  rdma link del "$1"
  rxe_add "$1" "$netdev" "$address"
}

# One device that talks to itself: rxe0 on loop0, 10.77.0.1. Nothing can be cut.
rxe_loop() {
  ip link add loop0 type dummy
  lab_undo ip link del loop0
  ip link set loop0 mtu "$rxe_mtu" up
  ip address add 10.77.0.1/24 dev loop0
  rxe_add rxe0 loop0 10.77.0.1
}

# rxe_wire [I]: two devices at the ends of a wire: rxeIa on wireIa (10.77.I.1), rxeIb on wireIb (10.77.I.2); I is 1 to 9.
# Policy routing forces what goes between these local addresses onto the wire.
rxe_wire() {
  local i=${1:-1} side
  ip link add "wire${i}a" mtu "$rxe_mtu" type veth peer name "wire${i}b" mtu "$rxe_mtu"
  lab_undo ip link del "wire${i}a"
  ip address add "10.77.$i.1/24" dev "wire${i}a"
  ip address add "10.77.$i.2/24" dev "wire${i}b"
  echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
  for side in a b; do
    echo 0 >"/proc/sys/net/ipv4/conf/wire$i$side/rp_filter"
    echo 1 >"/proc/sys/net/ipv4/conf/wire$i$side/accept_local"
    ip rule add pref 10 iif "wire$i$side" lookup local
    lab_undo ip rule del pref 10 iif "wire$i$side" lookup local
    ip link set "wire$i$side" up
  done
  ip rule add pref 50 to "10.77.$i.2" lookup "77${i}1"
  ip rule add pref 50 to "10.77.$i.1" lookup "77${i}2"
  lab_undo ip rule del pref 50 to "10.77.$i.2" lookup "77${i}1"
  lab_undo ip rule del pref 50 to "10.77.$i.1" lookup "77${i}2"
  wire_routes "$i"
  # "lookup local" goes from first place to behind the rules above.
  if ip rule show pref 0 | grep -q local; then
    ip rule add pref 100 lookup local
    ip rule del pref 0
    lab_undo ip rule del pref 100 lookup local
    lab_undo ip rule add pref 0 lookup local
  fi
  rxe_add "rxe${i}a" "wire${i}a" "10.77.$i.1"
  rxe_add "rxe${i}b" "wire${i}b" "10.77.$i.2"
}

# wire_routes I: the ways onto wire I; they go when its link does.
wire_routes() {
  ip route replace "10.77.$1.2" dev "wire${1}a" scope link src "10.77.$1.1" table "77${1}1"
  ip route replace "10.77.$1.1" dev "wire${1}b" scope link src "10.77.$1.2" table "77${1}2"
}

# rxe_host: rxe0 on the network between hosts (ci/lab --hosts N).
host_address() { printf '10.77.100.%s' "$((10 + $1))"; }
rxe_host() { rxe_add rxe0 eth0 "$(host_address "$LAB_HOST")"; }

# --- faults ---

lab_nft() {
  nft add table inet "$1"
  nft add chain inet "$1" input '{ type filter hook input priority -300; }'
  nft add rule inet "$1" input "$2"
  lab_undo lab_nft_delete "$1"
}
lab_nft_delete() {
  if nft list table inet "$1" >/dev/null 2>&1; then nft delete table inet "$1"; fi
}

# wire_cut [a|b|both] [I]: RDMA packets arriving at this side of wire I are lost, silently, until wire_heal.
wire_cut() {
  local side=${1:-both} i=${2:-1}
  case $side in
    a | b) lab_nft "weft_cut_$i" "iifname \"wire$i$side\" udp dport 4791 counter drop" ;;
    both) lab_nft "weft_cut_$i" "iifname { \"wire${i}a\", \"wire${i}b\" } udp dport 4791 counter drop" ;;
    *) die "wire_cut: side '$side' is not a, b or both" ;;
  esac
}
wire_heal() { lab_nft_delete "weft_cut_${1:-1}"; }

# qp_cut QPN: RDMA packets to this queue pair number are lost until qp_heal QPN. Numbers: rdma resource show qp.
qp_cut() { lab_nft "weft_cut_qp_$1" "udp dport 4791 @th,104,24 $1 counter drop"; }
qp_heal() { lab_nft_delete "weft_cut_qp_$1"; }

# cut_packets TABLE: how many packets a cut has swallowed (weft_cut_1, weft_cut_qp_17).
cut_packets() { nft list table inet "$1" | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p' | head -n 1; }

link_down() { ip link set "$1" down; }
link_up() {
  ip link set "$1" up
  if [[ $1 =~ ^wire([1-9])[ab]$ ]]; then wire_routes "${BASH_REMATCH[1]}"; fi
}

# --- disks ---

# lab_disk N: the VM's disk N (ci/lab --disk).
lab_disk() { realpath "/dev/disk/by-id/virtio-disk$1"; }

# brd_disk MIB: prints a RAM disk not given out before; all of one run have the size of the first.
brd_disk() {
  local next=0
  if [[ ! -e $lab_state/brd ]]; then
    modprobe brd rd_nr=16 rd_size=$(($1 * 1024))
    lab_undo rmmod brd
  else
    next=$(<"$lab_state/brd")
  fi
  (($(<"/sys/block/ram$next/size") >= $1 * 2048)) || die "brd_disk: RAM disks have been made smaller than $1 MiB"
  echo $((next + 1)) >"$lab_state/brd"
  printf '/dev/ram%s\n' "$next"
}

# udevd_up: the real udev for block devices (links such as /dev/weft/NAME). Rules are the machine's, plus FILE...
udevd_up() {
  local udevd=/usr/lib/systemd/systemd-udevd
  mkdir -p /run/udev/rules.d
  (($# == 0)) || cp "$@" /run/udev/rules.d/
  [[ -x $udevd ]] || udevd=/lib/systemd/systemd-udevd
  [[ ${LAB_NATIVE:-} == 1 ]] || "$udevd" --daemon
  wait_for 10 udevadm control --ping
  udevadm control --reload
  udevadm trigger --action=add --subsystem-match=block
  udevadm settle --timeout=30
}

# --- the kernel's SRP target and initiator ---

configfs=/sys/kernel/config

lab_configfs() {
  modules configfs
  mountpoint -q "$configfs" || mount -t configfs configfs "$configfs"
}

# rxe_of_address ADDRESS: the RDMA device that has it.
rxe_of_address() {
  local device
  for device in /sys/class/infiniband/*; do
    if rxe_has_address "${device##*/}" "$1"; then
      printf '%s' "${device##*/}"
      return 0
    fi
  done
  die "no RDMA device has the address $1"
}

# rxe_guid RDMADEV: its port's GUID as ib_srpt writes it, 5054:00ff:fe12:3456.
rxe_guid() { cut -d: -f5-8 "/sys/class/infiniband/$1/ports/1/gids/0"; }

# lio_backstore BACKING INDEX: prints a new LIO backstore on a block device, a file, or memory (ram:64M).
lio_backstore() {
  local backing=$1 store
  case $backing in
    ram:*)
      store=$configfs/target/core/rd_mcp_$2/backing
      mkdir -p "$store"
      printf 'rd_pages=%s' "$(($(numfmt --from=iec "${backing#ram:}") / 4096))" >"$store/control"
      ;;
    /dev/*)
      store=$configfs/target/core/iblock_$2/backing
      mkdir -p "$store"
      printf 'udev_path=%s' "$backing" >"$store/control"
      ;;
    *)
      store=$configfs/target/core/fileio_$2/backing
      mkdir -p "$store"
      printf 'fd_dev_name=%s,fd_dev_size=%s' "$backing" "$(stat -c %s "$backing")" >"$store/control"
      ;;
  esac
  echo 1 >"$store/enable"
  printf '%s' "$store"
}

# lio_srpt_up ADDRESS:PORT BACKING...: the kernel's SRP target; BACKING i becomes LUN i (see lio_backstore).
# Anyone who logs in at ADDRESS sees them: the kernel looks its ACLs up by the target's own address.
lio_srpt_up() {
  local address=${1%:*} port=${1##*:} guid group acl lun=0 backing
  shift
  lab_configfs
  # PERSISTENT RESERVE OUT fails without a place for its file.
  mkdir -p /etc/target/pr /var/target/pr
  modules target_core_mod target_core_iblock target_core_file ib_srpt
  mkdir -p "$configfs/target/srpt"
  guid=$(rxe_guid "$(rxe_of_address "$address")")
  group=$configfs/target/srpt/$guid/$guid
  acl=$group/acls/$address
  mkdir "$configfs/target/srpt/$guid" "$group" "$acl"
  for backing in "$@"; do
    mkdir "$group/lun/lun_$lun" "$acl/lun_$lun"
    ln -s "$(lio_backstore "$backing" "$lun")" "$group/lun/lun_$lun/backing"
    ln -s "$group/lun/lun_$lun" "$acl/lun_$lun/mapped"
    lun=$((lun + 1))
  done
  printf '%s' "$port" >"$configfs/target/srpt/discovery_auth/rdma_cm_port"
  echo 1 >"$group/enable"
  lab_undo lio_srpt_down
}

# lio_srpt_down: takes the kernel's SRP target away, backstores included.
lio_srpt_down() {
  local entry
  for entry in "$configfs"/target/srpt/*/*/enable; do
    [[ ! -e $entry ]] || echo 0 >"$entry"
  done
  printf 0 >"$configfs/target/srpt/discovery_auth/rdma_cm_port"
  for entry in "$configfs"/target/srpt/*:*/*:*/acls/*/lun_*/mapped "$configfs"/target/srpt/*:*/*:*/lun/lun_*/backing; do
    [[ ! -L $entry ]] || rm "$entry"
  done
  for entry in "$configfs"/target/srpt/*:*/*:*/acls/*/lun_* "$configfs"/target/srpt/*:*/*:*/acls/* \
    "$configfs"/target/srpt/*:*/*:*/lun/lun_* "$configfs"/target/srpt/*:*/*:* "$configfs"/target/srpt/*:* \
    "$configfs"/target/core/{rd_mcp,iblock,fileio}_*/backing "$configfs"/target/core/{rd_mcp,iblock,fileio}_*; do
    [[ ! -d $entry ]] || rmdir "$entry"
  done
}

# lio_srpt_guid: what a login must name as id_ext and ioc_guid, 16 hex digits.
lio_srpt_guid() { sed 's/^0x//' /sys/module/ib_srpt/parameters/srpt_service_guid; }

# ib_srp_load [PARAMETER=VALUE]...: the kernel's initiator anew, with these module parameters. Where packets may get lost (a
# wire, above all on a busy machine) give it never_register=Y: soft-RoCE replays fast registrations with a lost
# packet, the replay fails ("lkey not free") and takes the queue pair along.
ib_srp_load() {
  [[ ! -d /sys/module/ib_srp ]] || rmmod ib_srp
  modprobe ib_srp "$@"
}

# ib_srp_login ADDRESS:PORT ID_EXT IOC_GUID [OPTIONS]: the kernel's initiator logs in; prints the disks it got
# (sda, ...), one per line by LUN. OPTIONS are those of add_target, such as ch_count=1,queue_size=16.
ib_srp_login() {
  local destination=$1 address=${1%:*} netdev device host before
  modules ib_srp sd_mod
  netdev=$(ip -o route get "$address" | sed -n 's/.* dev \([^ ]*\) .*/\1/p')
  if [[ $netdev == lo ]]; then
    device=$(rxe_of_address "$address")
  else
    for device in /sys/class/infiniband/*; do
      device=${device##*/}
      [[ $(rxe_netdev "$device") != "$netdev" ]] || break
    done
  fi
  before=$(ls /sys/class/srp_remote_ports 2>/dev/null || :)
  wait_for 5 test -e "/sys/class/infiniband_srp/srp-$device-1/add_target"
  printf 'id_ext=%s,ioc_guid=%s,dest=%s%s' "$2" "$3" "$destination" "${4:+,$4}" \
    >"/sys/class/infiniband_srp/srp-$device-1/add_target" || die "ib_srp login to $destination refused (see dmesg)"
  # A scan that is under way holds the login's LUNs back.
  udevadm settle --timeout=5 2>/dev/null || :
  host=$(comm -13 <(printf '%s\n' "$before") <(ls /sys/class/srp_remote_ports) | tail -n 1)
  [[ -n $host ]] || die "ib_srp logged in to $destination but shows no remote port"
  host=${host#port-}
  srp_disks "${host%%:*}"
}

# srp_disks HOSTNUMBER: the disks of a SCSI host, by LUN.
srp_disks() {
  local path
  for path in /sys/class/scsi_disk/"$1":*; do
    [[ -e $path ]] || continue
    printf '%s %s\n' "${path##*:}" "$(ls "$path/device/block")"
  done | sort -n | cut -d' ' -f2
}

# ib_srp_host SDX: the number of the SCSI host that disk is on.
ib_srp_host() { basename "$(realpath "/sys/block/$1/device")" | cut -d: -f1; }

# ib_srp_logout SDX: ends the session the disk belongs to. Returns when its queue pairs are going: kernel 7.2 crashes
# (srp_terminate_io) if the target ends the connection while the initiator is still removing its host.
ib_srp_logout() {
  local host channels before
  host=$(ib_srp_host "$1")
  channels=$(<"/sys/class/scsi_host/host$host/ch_count")
  before=$(lab_connected_qps)
  echo 1 >"/sys/class/srp_remote_ports/port-$host:1/delete"
  wait_for 60 test ! -e "/sys/block/$1"
  wait_for 60 lab_qps_at_most $((before - channels))
}
lab_connected_qps() { rdma resource show qp | grep -c ' type RC ' || :; }
lab_qps_at_most() { (($(lab_connected_qps) <= $1)); }

# --- several hosts ---

# barrier NAME [SECONDS]: returns when all hosts have come to it.
barrier() {
  local seconds=${2:-120}
  : >"$LAB_SHARE/barrier.$1.$LAB_HOST"
  wait_for "$seconds" lab_barrier_full "$1"
}
lab_barrier_full() {
  local -a here=("$LAB_SHARE/barrier.$1".*)
  ((${#here[@]} == LAB_HOSTS)) || { printf '%s of %s hosts are here\n' "${#here[@]}" "$LAB_HOSTS"; return 1; }
}

# host_dies: this host is gone at once, without a word to anyone; for ci/lab it has passed.
host_dies() {
  echo 0 >"/lab/status.$LAB_HOST"
  echo b >/proc/sysrq-trigger
  sleep 60
}
