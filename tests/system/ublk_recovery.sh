#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The disk survives the death of its daemon: kills under verified I/O, with all tags held, in the middle of a take-over.
#   ci/lab -- tests/system/ublk_recovery.sh "$PWD/build" [KILLS]
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=ublk_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ublk_lib.sh"

kills=${2:-10}
# Before 6.16 a take-over that was cut short is not tried again (initiator/ublk/README.md).
version=$(uname -r)
restartable=1
[[ $(printf '6.16\n%s\n' "$version" | sort -V | head -n 1) == 6.16 ]] || restartable=0

# load NAME ARG...: verified random writes until load_end; a round that fails ends it.
load() {
  local name=$1
  shift
  rm -f "$smoke_dir/enough"
  (
    trap - ERR EXIT
    while [[ ! -e $smoke_dir/enough ]]; do
      fio --name="$name" --filename=/dev/ublkb0 --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=32 --size=32M \
        --randrepeat=0 --verify=crc32c --do_verify=1 --verify_fatal=1 --output="$LAB_OUT/$name.txt" "$@" 2>>"$LAB_OUT/$name.errors" || exit 1
    done
  ) &
  load=$!
}
load_end() {
  : >"$smoke_dir/enough"
  wait "$load"
}

# serve_again recovered|new WHAT ARG...: starts a server and says how long it took.
serve_again() {
  local wanted=$1 what=$2 before=${EPOCHREALTIME/./}
  shift 2
  serve "$@" 2>/dev/null
  grep -q "^ready /dev/ublkb[0-9]* $wanted\$" "$smoke_out" || { cat "$smoke_out" >&2; die "not '$wanted'"; }
  step "$what: $wanted in $(((${EPOCHREALTIME/./} - before) / 1000)) ms"
}

volume=(--bytes 134217728 --delay-us 2000)

step "$kills kills under verified writes at depth 32"
serve "${volume[@]}"
load kills
for ((i = 1; i <= kills; i++)); do
  sleep "0.$((RANDOM % 9))"
  wait_for 60 counted held 1
  kill_server
  ((i % 4)) || sleep 1.5
  serve_again recovered "kill $i" "${volume[@]}"
done
load_end
step "fio saw nothing"

step "a mounted file system over a kill"
expect 'stop ok' 60 stop 0
end_server
serve "${volume[@]}"
mkfs.ext4 -q -F /dev/ublkb0
mkdir -p /run/mnt
mount /dev/weft/v0 /run/mnt
mkdir "$smoke_dir/tree"
head -c 13M /dev/urandom | (cd "$smoke_dir/tree" && split -a 3 -b 66001 -) # 200 files, none of whole blocks
for copy in 1 2 3 4; do cp -r "$smoke_dir/tree" "/run/mnt/$copy" && sync || exit 1; done &
copies=$!
sleep 0.3
expect 'hold ok' 60 hold 0
wait_for 60 counted held 1
kill_server
serve_again recovered "the disk" "${volume[@]}"
wait "$copies"
echo 3 >/proc/sys/vm/drop_caches
for copy in 1 2 3 4; do diff -r "$smoke_dir/tree" "/run/mnt/$copy"; done
step "$(du -sh /run/mnt | cut -f1) of files compared"
umount /run/mnt
fsck.ext4 -fn /dev/ublkb0 >"$LAB_OUT/fsck.txt" 2>&1 || { cat "$LAB_OUT/fsck.txt" >&2; die "fsck found errors"; }

step "leaving under load: an upgrade"
load leave
wait_for 60 counted held 1
expect 'leave ok' 60 leave
bury_server
serve_again recovered "the disk" "${volume[@]}"
load_end

step "without its record"
load record
kill_server
rm -r "$smoke_dir/state"
serve_again recovered "the disk" "${volume[@]}"
load_end

step "a second server is refused"
"$smoke_program" --file "$smoke_dir/data" --state "$smoke_dir/state" "${volume[@]}" </dev/null >"$smoke_dir/second" 2>/dev/null &&
  die "it served"
grep -q 'another process serves' "$smoke_dir/second" || die "it said: $(<"$smoke_dir/second")"
expect 'stop ok' 60 stop 0
end_server

step "all tags held at the death"
serve "${volume[@]}" --depth 16
load held
wait_for 60 counted held 1
expect 'hold ok' 60 hold 0
# fio alone may leave a tag free: whoever waits for one is woken for two at a time, or it is at the end of its pass.
readers=()
for ((i = 0; i < 16; i++)); do
  dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 skip="$i" iflag=direct status=none &
  readers+=($!)
done
wait_for 60 counted held 16
kill_server
serve_again recovered "the disk" "${volume[@]}"
for reader in "${readers[@]}"; do wait "$reader"; done
load_end
expect 'stop ok' 60 stop 0
end_server

# cut_short COMMAND: kills the server under load, and the next one at its so-manieth command of the take-over.
cut_short() {
  local status=0
  serve "${volume[@]}" --depth 16
  load cut
  wait_for 60 counted held 1
  kill_server
  serve_only "${volume[@]}" --depth 16 --die-at-command "$1"
  bury_server
  [[ -e $smoke_dir/state/v0.ublk.recovering ]] || die "no mark of the take-over"
  if ((restartable)); then
    serve_again recovered "the disk" "${volume[@]}"
    load_end
  else
    serve_again new "the disk" "${volume[@]}"
    load_end && die "the old disk went, but fio saw nothing"
    : >"$smoke_dir/enough"
  fi
  [[ ! -e $smoke_dir/state/v0.ublk.recovering ]] || die "the mark is still there"
  expect 'stop ok' 60 stop 0
  end_server
  wait_for 60 nothing_left
}
step "a take-over cut short among its fetches"
cut_short 5
step "a take-over cut short after its last fetch"
cut_short 16

step "a start cut short before there was a disk"
serve_only "${volume[@]}" --depth 16 --die-at-command 16
bury_server
[[ -e /dev/ublkc0 ]] || die "nothing was left to clear away"
serve_again new "the disk" "${volume[@]}"
[[ ! -e /dev/ublkc1 ]] || die "there are two devices"
expect 'stop ok' 60 stop 0
end_server
nothing_left

step "a volume whose target is away from the beginning"
serve "${volume[@]}" --hold
dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 iflag=direct status=none &
reader=$!
wait_for 60 counted held 1
kill_server
serve_again recovered "the disk" "${volume[@]}"
wait "$reader"
expect 'stop ok' 60 stop 0
end_server
nothing_left

wait_for 60 no_d_state
# Old kernels warn when a device goes whose take-over was cut short among its fetches.
allowed='EXT4-fs|I/O error'
((restartable)) || allowed+='|ublk_ch_uring_cmd'
dmesg_clean "$allowed"
step "all there"
