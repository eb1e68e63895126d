# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Where things that outlive a checkout are kept. Sourced by ci/setup and ci/lab.

weft_cache() {
  if [[ -n ${WEFT_CACHE:-} ]]; then
    printf '%s' "$WEFT_CACHE"
  elif ((EUID == 0)); then
    printf '/var/cache/weft'
  else
    printf '%s/weft' "${XDG_CACHE_HOME:-$HOME/.cache}"
  fi
}
