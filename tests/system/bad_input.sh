#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Bad input: every mistake gets one line, `file:line: what, and what to do`, an exit status that is not 0, and leaves
# nothing behind. What can be known beforehand is said by `weftctl check` in the same words.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# Where everybody may read and run them: one case is another user.
bad=/tmp/bad
mkdir -p "$bad"
chmod 755 "$bad"
install -m 755 "$weft_target" "$weft_initiator" "$weftctl" "$bad"
weft_target=$bad/weft-target
weft_initiator=$bad/weft-initiator
weftctl=$bad/weftctl

kConfiguration=4 # wrong file: also what weftctl check ends with
kFailed=1
cases=0

# refused STATUS FILE KEY MESSAGE CMD...: CMD ends with STATUS in time, and says exactly one line, apart from what a daemon logs
# of its way there: about FILE, with the line where KEY stands first, and it matches MESSAGE (a regular expression).
refused() {
  local wanted=$1 file=$2 key=$3 message=$4 status=0 said=$LAB_OUT/said.txt line
  shift 4
  cases=$((cases + 1))
  timeout 60 "$@" >"$said.all" 2>&1 </dev/null || status=$?
  sed -E '/^[0-9-]+T[0-9:.]+ weft-(target|initiator) (info|warning): /d' "$said.all" >"$said"
  line=$(grep -n -F -m 1 -- "$key" "$file" | cut -d: -f1)
  if ((status != wanted)) || [[ $(wc -l <"$said") != 1 ]] || ! grep -q -E -- "^$file:$line: .*($message)" "$said"; then
    printf 'wanted: exit status %s and the line\n  %s:%s: ...%s\n' "$wanted" "$file" "$line" "$message" >&2
    printf 'got: exit status %s and\n' "$status" >&2
    sed 's/^/  /' "$said" >&2
    die "${*: -1}: $message"
  fi
  [[ -z $(ls /dev/ublkb* /dev/ublkc* 2>/dev/null) ]] || die "left behind: $(ls /dev/ublkb* /dev/ublkc*)"
}

# wrong_file KEY MESSAGE: the daemon and weftctl check refuse $file alike.
wrong_file() {
  local daemon=$weft_target
  ! grep -q '^initiator:' "$file" || daemon=$weft_initiator
  refused "$kConfiguration" "$file" "$1" "$2" "$weftctl" check "$file"
  refused "$kConfiguration" "$file" "$1" "$2" "$daemon" --config "$file"
}

# good_target, good_initiator: files that a case spoils with sed.
good_target() {
  cat <<'TEXT'
target:
  name: bad1
  control: /run/weft/bad1.sock
listeners:
  - address: 10.77.0.1
    port: 5560
volumes:
  - name: one
    memory:
      size: 16MiB
    initiators: [any]
TEXT
}
good_initiator() {
  cat <<'TEXT'
initiator:
  name: node1
  state_dir: /run/weft/state
timers:
  connect_timeout: 1s
targets:
  - name: store
    paths:
      - {address: 10.77.0.1, port: 5555}
volumes:
  - name: data
    linear:
      - remote:
          target: store
          volume: one
TEXT
}
# target_with SED: $file is the good file, spoilt.
target_with() {
  file=$bad/target.yaml
  good_target | sed "$1" >"$file"
}
initiator_with() {
  file=$bad/initiator.yaml
  good_initiator | sed "$1" >"$file"
}

step 'what the file itself shows, in weftctl check and in the daemon'
target_with 's/^    port:/    porrt:/'
wrong_file porrt 'unknown key.*did you mean|did you mean'
target_with 's/^    port: 5560/&\n    port: 5561/'
wrong_file 'port: 5561' 'the key "port" stands here again .*; keep one'
target_with 's/port: 5560/port: many/'
wrong_file 'port: many' 'number|integer|digits'
target_with 's/size: 16MiB/size: [16MiB]/'
wrong_file 'size: [' 'must be a single value'
target_with 's/size: 16MiB/size: 1000000/'
wrong_file 'size: 1000000' 'not a multiple of the block size 4096; write [0-9]+'
target_with 's/^  - name: one/  - {name: one, null: {size: 1MiB}, initiators: [any]}\n&/'
wrong_file '  - name: one' 'one'
initiator_with 's/^  - name: data/  - {name: data, linear: [{file: {path: \/x}}]}\n&/'
wrong_file '  - name: data' 'data'
initiator_with 's/target: store$/target: stroe/'
wrong_file '- remote:' 'did you mean "store"'
initiator_with 's/^    linear:/    linera:/'
wrong_file 'linera' 'unknown key "linera"; did you mean "linear"'

step 'a file that is not there'
for words in "$weft_target --config" "$weftctl check"; do
  cases=$((cases + 1))
  status=0
  $words "$bad/none.yaml" >"$LAB_OUT/said.txt" 2>&1 || status=$?
  ((status == kConfiguration)) || die "$words: a missing file ends with $status"
  [[ $(<"$LAB_OUT/said.txt") == "$bad/none.yaml:0: cannot be read (No such file or directory); check the name and the permissions" ]] ||
    die "$words: a missing file: $(<"$LAB_OUT/said.txt")"
done

# Each of these machines lacks one thing: of two, two lines would tell.
if [[ ${LAB_NATIVE:-} != 1 ]]; then
  step 'a machine without RDMA device'
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || die 'the lab begins with an RDMA device'
  ip link add plain0 type dummy
  ip address add 10.77.0.1/24 dev plain0
  target_with ''
  refused "$kFailed" "$file" 'name: bad1' 'no RDMA device; for soft-RoCE: .*rdma link add' "$weft_target" --config "$file"
  refused "$kConfiguration" "$file" 'name: bad1' 'no RDMA device; .*rdma link add' "$weftctl" check --machine "$file"
  ip link del plain0
  modules ublk_drv
  initiator_with ''
  refused "$kFailed" "$file" 'name: node1' 'no RDMA device; for soft-RoCE' "$weft_initiator" --config "$file"
  refused "$kConfiguration" "$file" 'name: node1' 'no RDMA device; .*rdma link add' "$weftctl" check --machine "$file"
  rmmod ublk_drv
fi
rxe_loop
if [[ ${LAB_NATIVE:-} != 1 ]]; then
  step 'a machine without ublk_drv'
  initiator_with ''
  refused "$kFailed" "$file" 'name: node1' 'no /dev/ublk-control: load ublk_drv' "$weft_initiator" --config "$file"
  refused "$kConfiguration" "$file" 'name: node1' 'no /dev/ublk-control; .*modprobe ublk_drv' "$weftctl" check --machine "$file"
fi
modules ublk_drv

step 'not root; memlock too low'
nobody=(prlimit --memlock=unlimited:unlimited setpriv --reuid 65534 --regid 65534 --clear-groups)
poor=(prlimit --memlock=65536:65536 setpriv --bounding-set '-ipc_lock,-sys_resource')
target_with ''
refused "$kFailed" "$file" 'name: bad1' 'not root: run it as root' "${nobody[@]}" "$weft_target" --config "$file"
refused "$kConfiguration" "$file" 'name: bad1' 'not root; run it as root' "${nobody[@]}" "$weftctl" check --machine "$file"
refused "$kFailed" "$file" 'name: bad1' 'locked memory is 64 KiB, .*LimitMEMLOCK=infinity' "${poor[@]}" "$weft_target" --config "$file"
refused "$kConfiguration" "$file" 'name: bad1' 'memlock limit of 64KiB .*LimitMEMLOCK=infinity' "${poor[@]}" "$weftctl" check --machine "$file"
initiator_with ''
refused "$kFailed" "$file" 'name: node1' 'not root: run it as root' "${nobody[@]}" "$weft_initiator" --config "$file"
refused "$kConfiguration" "$file" 'name: node1' 'not root; run it as root' "${nobody[@]}" "$weftctl" check --machine "$file"
refused "$kFailed" "$file" 'name: node1' 'locked memory is 64 KiB, .*LimitMEMLOCK=infinity' "${poor[@]}" "$weft_initiator" --config "$file"
refused "$kConfiguration" "$file" 'name: node1' 'memlock limit of 64KiB .*LimitMEMLOCK=infinity' "${poor[@]}" "$weftctl" check --machine "$file"

step 'addresses, ports, files of a target'
target_config store 10.77.0.1 5555 '{name: one, file: {path: /run/one.img, size: 64MiB}, initiators: [node1]}'
target_start store
running store || die 'the target ended'
target_with 's/port: 5560/port: 5555/'
refused "$kFailed" "$file" '- address:' 'something else does; stop it, or name another port' "$weft_target" --config "$file"
target_with 's/address: .*/address: 192.0.2.1/'
refused "$kFailed" "$file" '- address:' 'no RDMA device has this address; name one' "$weft_target" --config "$file"
refused "$kConfiguration" "$file" '- address:' 'no interface has the address 192.0.2.1; configure it' "$weftctl" check --machine "$file"
target_with 's/port: 5560/&\n    device: rxe7/'
refused "$kFailed" "$file" '- address:' 'no RDMA device is named rxe7; there are: rxe0' "$weft_target" --config "$file"
target_with 's/bad1.sock/store.sock/'
refused "$kFailed" "$file" 'name: bad1' 'already running|is locked|stop it first' "$weft_target" --config "$file"
truncate -s 1M /run/two.img
target_with 's/memory:/file:\n      path: \/run\/two.img/; s/16MiB/2MiB/'
refused "$kFailed" "$file" '- name: one' 'has 1048576 bytes, not the 2097152 bytes asked for: correct the size' \
  "$weft_target" --config "$file"
refused "$kConfiguration" "$file" '- name: one' 'has 1048576 bytes, not 2097152; correct the size' "$weftctl" check --machine "$file"
truncate -s 1000000 /run/two.img
target_with 's/memory:/file:/; s/size: 16MiB/path: \/run\/two.img/'
refused "$kFailed" "$file" '- name: one' 'not a multiple of the block size 4096: resize it, or say another block_size' \
  "$weft_target" --config "$file"
refused "$kConfiguration" "$file" '- name: one' 'not a multiple of the block size 4096; resize it' "$weftctl" check --machine "$file"
target_with 's/memory:/file:\n      path: \/run\/none\/two.img/'
refused "$kFailed" "$file" '- name: one' 'cannot create /run/none/two.img: make its directory' "$weft_target" --config "$file"
target_with 's/memory:/file:\n      path: \/run\/one.img/; s/16MiB/64MiB/'
refused "$kFailed" "$file" '- name: one' 'is in use by another volume or process' "$weft_target" --config "$file"

step 'what an initiator finds at its target, or does not'
initiator_with 's/port: 5555/port: 5999/'
refused "$kFailed" "$file" '- remote:' "target 'store' is not reachable .*are address and port of its paths right" \
  "$weft_initiator" --config "$file"
# Nobody is there to say no.
initiator_with 's/address: 10.77.0.1/address: 10.77.0.99/'
refused "$kFailed" "$file" '- remote:' "target 'store' is not reachable .*are address and port of its paths right" \
  "$weft_initiator" --config "$file"
initiator_with 's/volume: one/volume: none/'
refused "$kFailed" "$file" '- remote:' 'target store shows us no .*none.*: name one' "$weft_initiator" --config "$file"
initiator_with 's/store$/shop/'
refused "$kFailed" "$file" '- remote:' 'no such target port.*: give it here the name .* it has there' "$weft_initiator" --config "$file"
initiator_with 's/node1/node2/'
refused "$kFailed" "$file" '- remote:' 'not permitted.*: add this initiator to the initiators' "$weft_initiator" --config "$file"
initiator_with 's/remote:/file:/; s/target: store/path: \/run\/none.img/; /volume: one/d; s/- {address.*/- {address: 10.77.0.1}/'
refused "$kFailed" "$file" '- file:' '/run/none.img' "$weft_initiator" --config "$file"
refused "$kConfiguration" "$file" '- file:' '/run/none.img cannot be opened: .*; correct the path' "$weftctl" check --machine "$file"

step 'a leg that is smaller than it was'
initiator_with ''
spawn initiator "$weft_initiator" --config "$file"
wait_for 60 initiator_ready
running initiator || die 'the good file is refused'
stop initiator
stop store
rm /run/one.img
target_config store 10.77.0.1 5555 '{name: one, file: {path: /run/one.img, size: 32MiB}, initiators: [node1]}'
target_start store
refused "$kFailed" "$file" '- name: data' 'is smaller than it was: .*put back what it was, or remove /run/weft/state/data.legs' \
  "$weft_initiator" --config "$file"

step 'a wrong command line'
for words in "$weft_target" "$weft_initiator" "$weftctl status"; do
  cases=$((cases + 1))
  status=0
  $words --confg x >"$LAB_OUT/said.txt" 2>&1 || status=$?
  ((status == 2)) || die "$words: a wrong option ends with $status"
  grep -q -e '--confg' "$LAB_OUT/said.txt" || die "$words does not name the wrong option: $(<"$LAB_OUT/said.txt")"
done

stop store
nothing_left
left=$(find /run/weft -name '*.sock')
[[ -z $left ]] || die "left behind: $left"
dmesg_clean
printf '%s mistakes, each told in one line\n' "$cases"
