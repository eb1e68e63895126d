#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# docs/guide.md does what it says: "Try it on one machine" as it stands there, then "Daily use", as somebody would type it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"
guide=$(dirname "${BASH_SOURCE[0]}")/../../docs/guide.md
PATH=$WEFT_BUILD/target:$WEFT_BUILD/initiator:$WEFT_BUILD/tools/weftctl:$PATH
set -m # %1 and %2 are the daemons
for directory in /mnt /tmp /var/lib; do mount -t tmpfs none "$directory"; done

# blocks TITLE: the code blocks of that section, an empty line between two.
blocks() {
  awk -v title="## $1" '/^## / { on = $0 == title; next } on && /^    / { print substr($0, 5); next } on { print "" }' "$guide"
}
# block TITLE N: the Nth of them.
block() { blocks "$1" | awk -v n="$2" 'BEGIN { RS = "" } NR == n'; }

# types N: what the Nth block of "Try it on one machine" says, line by line, at the pace of somebody who looks at what comes.
types() {
  local line
  while IFS= read -r -u 9 line; do
    step "$ $line"
    eval "$line"
    case $line in
      weft-target*) wait_for 30 weftctl --target status ;;
      weft-initiator*) wait_for 60 test -b /dev/weft/data ;;
    esac
  done 9< <(block 'Try it on one machine' "$1")
}

types 1
wait_for 10 rxe_has_address rxe0 10.77.0.1
block 'Try it on one machine' 2 >/tmp/target.yaml
block 'Try it on one machine' 3 >/tmp/initiator.yaml
for file in target initiator; do weftctl check --machine "/tmp/$file.yaml"; done
[[ $(block 'Try it on one machine' 4) == *'weftctl status'*'mkfs.ext4'*'umount'*kill* ]] || die 'the guide has changed'
types 4
wait
nothing_left

step 'daily use'
weft-target --config /tmp/target.yaml &
wait_for 30 weftctl --target status
weft-initiator --config /tmp/initiator.yaml &
wait_for 60 test -b /dev/weft/data
commands=$(blocks 'Daily use' | awk '/^weftctl/' | sed 's/ *#.*//; s/ \[--watch\]//; s/ --follow//')
[[ $(wc -l <<<"$commands") == 5 ]] || die "the guide has changed: $commands"
while IFS= read -r -u 9 line; do
  step "$ $line"
  eval "$line"
done 9<<<"$commands"
wait_for 30 channels_ready 2
weftctl events | tail -n 5

step 'what status says, while something is read'
dd if=/dev/weft/data of=/dev/null bs=64k iflag=direct status=none count=2000 &
wait_for 10 busy
status_text=$(weftctl status)
printf '%s\n' "$status_text"
grep -Eq '^ +data +/dev/ublkb0 +256 MiB +ready' <<<"$status_text" || die 'no such volume'
awk '$1 == "data" && $2 ~ /ublkb/ { exit !($7 > 0) }' <<<"$status_text" || die 'it reads, but at no rate'
for side in '' --target; do
  # shellcheck disable=SC2086 # no option or one
  weftctl $side status --json | jq -e '.memory.used_bytes > 0 and .memory.used_bytes <= .memory.budget_bytes' >/dev/null ||
    die "memory$side: $(weftctl $side status --json | jq -c .memory)"
done
[[ $(status '.kernel_promise | length > 0') == true ]] || die 'it does not say what the kernel promises'
wait "$!"

step 'the target of a memory volume restarts'
kill %1
wait_for 30 test ! -S /run/weft/target.sock
weft-target --config /tmp/target.yaml &
wait_for 30 weftctl --target status
refused() { [[ $(status '.volumes[0].legs[0].state') == refused ]]; }
wait_for 30 refused
weftctl status
weftctl detach --force data
weftctl attach data
wait_for 60 test -b /dev/weft/data
dd if=/dev/weft/data of=/dev/null bs=64k count=16 iflag=direct status=none
weftctl status
kill %2
wait_for 30 test ! -e /dev/weft/data
kill %3
wait
nothing_left
dmesg_clean
