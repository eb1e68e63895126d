# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# ci/lab --native: the script on this machine's own kernel. Sourced by ci/lab, whose variables it uses.
# shellcheck disable=SC2154

lab_native() {
  local module status=0
  ((EUID == 0)) || cannot "--native needs root"
  ((hosts == 1 && icount == 0 && ${#disks[@]} == 0)) || wrong "--native goes with one host, no --icount, no --disk"
  for module in rdma_rxe ublk_drv; do
    [[ -d /sys/module/$module ]] || modprobe -n "$module" 2>/dev/null ||
      cannot "--native: kernel $(uname -r) has no $module"
  done
  # The script's own mounts go with its namespace; lib.sh removes the devices it makes. Both outputs are one stream,
  # as from the VM.
  timeout --foreground --kill-after=30 "$timeout" \
    env "${env[@]}" LAB=1 LAB_NATIVE=1 LAB_HOST=0 LAB_HOSTS=1 "LAB_KERNEL=$(uname -r)" "LAB_OUT=$out" \
    "LAB_SHARE=$share/share" setpriv --pdeathsig KILL -- \
    unshare --mount --propagation private --wd / "${script[@]}" >"$run/output" 2>&1 </dev/null &
  children+=($!)
  tail -n +1 -f -s 0.1 --pid=$! "$run/output" &
  wait "${children[-1]}" || status=$?
  children=()
  wait
  cp "$run/output" "$out/output.log"
  dmesg >"$out/dmesg.log" 2>/dev/null || :
  ((status != 124)) || say "timeout: the script was not done after $timeout s"
  return "$status"
}
