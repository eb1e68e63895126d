# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A server of ublk devices to try things on (ublk_smoke.cc). Sourced after lib.sh by ublk_*.sh, which take the build
# directory as their first argument.

smoke_program=${1:?the build directory}/tests/system/ublk_smoke
smoke_dir=/run/ublk_smoke
smoke_out=$smoke_dir/out
[[ -x $smoke_program ]] || die "$smoke_program is not built"
modprobe ublk_drv 2>/dev/null || skip "kernel $(uname -r) has no ublk_drv"
wait_for 5 test -c /dev/ublk-control
mkdir -p "$smoke_dir/state"
mount -t tmpfs -o size=90% smoke "$smoke_dir" && mkdir -p "$smoke_dir/state"
server=

# serve ARG...: starts it; returns when its volumes are there. Its process is $server.
serve() {
  serve_only "$@"
  wait_for 60 grep -q '^serving\|^error' "$smoke_out"
  grep '^ready' "$smoke_out" >&2 || { cat "$smoke_out" >&2; die "the server did not start"; }
}
serve_only() {
  rm -f "$smoke_dir/in"
  mkfifo "$smoke_dir/in"
  : >"$smoke_out"
  "$smoke_program" --file "$smoke_dir/data" --state "$smoke_dir/state" "$@" <"$smoke_dir/in" >"$smoke_out" 2>>"$LAB_OUT/smoke.log" &
  server=$!
  exec {smoke_in}>"$smoke_dir/in"
}

# ask SECONDS LINE: prints the answer's line.
ask() {
  local seconds=$1 before
  shift
  before=$(wc -l <"$smoke_out")
  printf '%s\n' "$*" >&"$smoke_in"
  wait_for "$seconds" smoke_answered "$before"
  tail -n +"$((before + 1))" "$smoke_out" | head -n 1
}
smoke_answered() { (($(wc -l <"$smoke_out") > $1)); }
expect() {
  local wanted=$1 got
  shift
  got=$(ask "$@")
  # shellcheck disable=SC2053 # a pattern
  [[ $got == $wanted ]] || die "asked '${*:2}': got '$got', not '$wanted'"
  step "$got"
}

# counted NAME MIN: whether volume 0's status has at least so many.
counted() {
  local status
  status=$(ask 60 status 0)
  if [[ $status =~ \ $1=([0-9]+) ]] && ((BASH_REMATCH[1] >= $2)); then return 0; fi
  printf '%s: not %s of %s\n' "$status" "$2" "$1" >&2
  return 1
}

server_gone() { ! kill -0 "$server" 2>/dev/null; }
# Ends the server as a crash would.
kill_server() {
  kill -KILL "$server"
  bury_server
}
# Waits for a server that dies by itself.
bury_server() {
  wait "$server" 2>/dev/null || :
  exec {smoke_in}>&-
}
# Ends it by closing its input: its volumes are stopped.
end_server() {
  local status=0
  exec {smoke_in}>&-
  wait_for 60 server_gone
  wait "$server" || status=$?
  ((status == 0)) || { cat "$smoke_out" >&2; die "the server ended with status $status"; }
}

# Nothing of ublk is left: nodes, names, records.
nothing_left() {
  local left
  left=$(compgen -G '/dev/ublk[bc]*' || :
    find /dev/weft /run/weft/dev "$smoke_dir/state" -mindepth 1 2>/dev/null || :)
  [[ -z $left ]] || { printf '%s\n' "$left"; return 1; }
}
no_d_state() {
  local stuck
  stuck=$(ps -eo state=,pid=,comm= | awk '$1 == "D"')
  [[ -z $stuck ]] || { printf '%s\n' "$stuck"; return 1; }
}
