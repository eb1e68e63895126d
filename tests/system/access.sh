#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who sees what: two initiators at one target, each with volumes of its own and one that only one of them may write.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

rxe_loop
modules ublk_drv
target_config store0 10.77.0.1 5555 \
  '{name: first, memory: {size: 16MiB}, initiators: [node1]}' \
  '{name: shared, memory: {size: 32MiB}, initiators: [{id: node1, access: ro}, {id: node2, access: rw}]}' \
  '{name: second, memory: {size: 48MiB}, initiators: [node2]}' \
  '{name: nobodys, memory: {size: 8MiB}, initiators: [somebody-else]}'
target_start store0

# node N VOLUMES...: its configuration; volumes are "name" or "name:ro".
node() {
  local n=$1 volume
  shift
  {
    printf 'initiator: {name: node%s, state_dir: /run/weft/state%s, control: /run/weft/node%s.sock}\n' "$n" "$n" "$n"
    printf 'timers: {connect_timeout: 1s}\n' # a refused login is tried three times as long
    printf 'targets: [{name: store0, paths: [{address: 10.77.0.1, port: 5555}]}]\nvolumes:\n'
    for volume in "$@"; do
      printf '  - {name: n%s-%s, linear: [{remote: {target: store0, volume: %s}}]' "$n" "${volume%:ro}" "${volume%:ro}"
      [[ $volume != *:ro ]] || printf ', read_only: true'
      printf '}\n'
    done
  } >"$LAB_OUT/node$n.yaml"
}
node_start() {
  spawn "node$1" "$weft_initiator" --config "$LAB_OUT/node$1.yaml"
  wait_for 60 node_ready "$1"
  running "node$1" || die "node$1 ended"
}
node_ready() {
  ended "node$1" || "$weftctl" --socket "/run/weft/node$1.sock" status --json |
    jq -e '(.volumes | length > 0) and all(.volumes[]; .device != null and .device != "")' >/dev/null
}

step 'each sees its own'
node 1 first shared:ro
node 2 shared second
node_start 1
node_start 2
for pair in n1-first:16 n1-shared:32 n2-shared:32 n2-second:48; do
  [[ $(blockdev --getsize64 "/dev/weft/${pair%:*}") == $((${pair#*:} << 20)) ]] || die "wrong size of ${pair%:*}"
done
[[ $(target_status store0 '[.nexuses[] | select((.channels | length) > 0) | (.luns | length)] | sort | tostring') == '[2,2]' ]] ||
  die "the target shows its initiators: $(target_status store0 '[.nexuses[].luns] | tostring')"

step 'read-only is read-only, on both sides'
[[ $(blockdev --getro /dev/weft/n1-shared) == 1 ]] || die 'the read-only volume is writable'
[[ $(blockdev --getro /dev/weft/n2-shared) == 0 ]] || die 'the writable volume is read-only'
head -c 1M /dev/urandom >/run/secret
dd if=/run/secret of=/dev/weft/n2-shared bs=64k oflag=direct status=none
dd if=/dev/weft/n1-shared of=/run/seen bs=64k count=16 iflag=direct status=none
cmp /run/secret /run/seen
if dd if=/dev/zero of=/dev/weft/n1-shared bs=4k count=1 oflag=direct 2>/dev/null; then die 'wrote to a read-only volume'; fi
dd if=/dev/weft/n1-shared of=/run/seen bs=64k count=16 iflag=direct status=none
cmp /run/secret /run/seen

step 'nothing leaks from one volume to another'
cmp -n $((16 << 20)) /dev/weft/n1-first /dev/zero
cmp -n $((48 << 20)) /dev/weft/n2-second /dev/zero
verify_io /dev/weft/n1-first 4 8 >"$LAB_OUT/fio-first.txt" &
verifier=$!
verify_io /dev/weft/n2-second 4 8 >"$LAB_OUT/fio-second.txt" || die 'fio on second'
wait "$verifier" || die 'fio on first'
dd if=/dev/weft/n1-shared of=/run/seen bs=64k count=16 iflag=direct status=none
cmp /run/secret /run/seen
stop node1
stop node2
nothing_left

# refused N VOLUME WORDS: node N may not have it: an error of one line, no disk, no hang.
refused() {
  node "$1" "$2"
  local log=$LAB_OUT/refused-$1-${2%:ro}.txt
  if timeout 60 "$weft_initiator" --config "$LAB_OUT/node$1.yaml" >"$log" 2>&1; then die "node$1 was given $2"; fi
  grep -q "node$1.yaml:[0-9]*: .*${2%:ro}" "$log" || die "no line says why: $(cat "$log")"
  step "refused: $(grep "node$1.yaml:[0-9]*: " "$log" | head -n 1)"
  nothing_left
}
step 'what is not granted is not there'
refused 1 second
refused 2 first
refused 1 nobodys
refused 3 shared
stop store0
dmesg_clean
