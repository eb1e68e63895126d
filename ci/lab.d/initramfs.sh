# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the lab's initramfs: busybox and the few modules needed to reach the host's / over 9p.
# Sourced by ci/lab.

# Kept unpacked, because busybox insmod reads no .xz.
lab_boot_modules=(virtio_pci virtio_blk virtio_console 9p 9pnet_virtio overlay)

# lab_initramfs CACHE KERNEL_DIR: prints the path of the image, building it when the cache has none.
lab_initramfs() {
  local cache=$1 kernel=$2 here key image
  here=$(dirname "${BASH_SOURCE[0]}")
  key=$(cat "$kernel/ok" "$here/initramfs.sh" "$here/initramfs-init" | sha256sum | cut -c1-16)
  image=$cache/initramfs/$(<"$kernel/version")-$key.cpio
  [[ -f $image ]] || lab_build_initramfs "$kernel" "$here/initramfs-init" "$image" >&2
  # Those of kernels and scripts long gone need not stay.
  touch "$image"
  find "$cache/initramfs" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
  printf '%s' "$image"
}

lab_build_initramfs() {
  local kernel=$1 init=$2 image=$3 version work name file
  version=$(<"$kernel/version")
  mkdir -p "${image%/*}"
  work=$(mktemp -d "$image.XXXXXX")
  mkdir -p "$work"/root/{bin,modules,proc,sys,dev}
  cp "$(command -v busybox)" "$work/root/bin/busybox"
  install -m 755 "$init" "$work/root/init"
  for name in "${lab_boot_modules[@]}"; do
    modprobe -d "$kernel/root" -S "$version" -D "$name" | sed -n 's/^insmod //p' || exit 1
  done | awk '!seen[$1]++ { print $1 }' | while read -r file; do
    name=$(basename "$file" .xz)
    case $file in
      *.xz) xz -dc "$file" >"$work/root/modules/$name" ;;
      *) cp "$file" "$work/root/modules/$name" ;;
    esac
    printf '%s\n' "$name" >>"$work/root/modules/order"
  done
  (cd "$work/root" && find . -print0 | cpio --null -o -H newc --quiet) >"$work/image"
  mv "$work/image" "$image"
  rm -rf "$work"
}
