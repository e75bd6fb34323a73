# Shared by the scripts beside it: Debian's own kernel, a share of a directory, and QEMU under software emulation.
# Sourced in the root of the tree, with `work` a directory for this run.
cache=$PWD/build/vm

# The kernel package is downloaded and unpacked, not installed. Sets `kernel` and `release`.
fetch_kernel() {
  mkdir -p "$cache"
  if ! ls "$cache"/kernel/boot/vmlinuz-* >/dev/null 2>&1; then
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}')
    [ -n "$package" ] || { apt-get update -q >/dev/null; package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}'); }
    (cd "$cache" && apt-get download -q "$package" >/dev/null 2>&1 && dpkg -x "$package"_*.deb kernel && rm -f "$package"_*.deb)
  fi
  kernel=$(ls "$cache"/kernel/boot/vmlinuz-*)
  release=${kernel##*/vmlinuz-}
  [ -e "$cache/kernel/lib/modules/$release/modules.dep" ] || depmod -b "$cache/kernel" "$release"
}

# initramfs_with MODULE...: a directory with busybox and these modules in load order; sets `initramfs`. Its /init, and
# what else it needs, are the caller's.
initramfs_with() {
  initramfs=$work/initramfs
  mkdir -p "$initramfs"/{bin,modules,proc,sys,dev,host,top,new}
  cp /bin/busybox "$initramfs/bin/"
  for module in "$@"; do
    modprobe -d "$cache/kernel" -S "$release" --show-depends -a "$module" 2>/dev/null || true
  done | awk '$1 == "insmod" {print $2}' | awk '!seen[$0]++' | while read -r file; do
    cp "$file" "$initramfs/modules/"
    basename "$file" >>"$initramfs/modules/order"
  done
}

pack_initramfs() {
  (cd "$initramfs" && find . | cpio -o -H newc --quiet) >"$work/initramfs.cpio"
}

# share_directory PATH: virtiofs under the tag `host`, below an overlay: what the guest writes is gone with it.
share_directory() {
  /usr/lib/qemu/virtiofsd --socket-path="$work/fs.sock" -o source="$1" -o sandbox=chroot -o cache=always \
    >"$work/virtiofsd.log" 2>&1 &
  virtiofsd_pid=$!
  for _ in $(seq 100); do [ -S "$work/fs.sock" ] && return; sleep 0.05; done
  cat "$work/virtiofsd.log" >&2; exit 1
}

# run_machine SECONDS [KERNEL-ARGUMENT...]: prints the console, keeps it in $work/console.
# microvm hangs one boot in four, and so does KVM here. TCG it is.
run_machine() {
  local seconds=$1
  shift
  timeout "$seconds" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nodefaults \
    -no-user-config -display none -serial stdio -no-reboot -kernel "$kernel" -initrd "$work/initramfs.cpio" \
    -object memory-backend-memfd,id=memory,size=3072M,share=on -numa node,memdev=memory \
    -chardev socket,id=fs,path="$work/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=host \
    -append "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off nokaslr $*" </dev/null | stdbuf -oL tr -d '\r' | tee "$work/console"
}

# What the guest said of its own end: a line GUEST-EXIT N.
machine_status() {
  local status
  status=$(sed -n 's/^.*GUEST-EXIT \([0-9]*\)$/\1/p' "$work/console" | tail -1)
  [ -n "$status" ] || { echo "the guest did not finish" >&2; return 124; }
  return "$status"
}
