#!/bin/bash
# Runs tests on file systems that this machine's kernel doesn't have, under Debian's kernel in QEMU: scripts/virtual-machine.sh [--only NAME,…] [other options of scripts/test-file-systems.js…]
#
# As root, on Debian on x64, after `npm run build`. Without --only it tests those of IN_MACHINE; without other options, with --ci --timeout 1200. An emulated processor is slow: run it by hand.
# Each file system has its own start of the machine, at most LIMIT_SECONDS long, since a kernel that hangs can't be used for the next one.
# The kernel and the tools of the file systems go to ~/.cache/slocket/vm, or to SLOCKET_VM, and not into the system; QEMU is installed.
# The machine has no disk: its files are in its memory, since each read of a file over 9p would take milliseconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly HOME_OF_MACHINE="${SLOCKET_VM:-${XDG_CACHE_HOME:-$HOME/.cache}/slocket/vm}"
readonly IN_MACHINE='9p,virtiofs,vfat,exfat,nfs,cifs,ext4 with casefold,f2fs,jfs,nilfs2,udf'
readonly LIMIT_SECONDS=1800
# Packages that are unpacked for the machine, and programs of this machine that it has, too.
readonly TOOLS=(kmod f2fs-tools jfsutils nilfs-tools udftools dosfstools exfatprogs nfs-kernel-server samba)
readonly PROGRAMS=(bash chattr chmod mkdir mkfs.ext4 mount node truncate umount unshare)
# What it has of this checkout, and of the directory of the kernel's modules.
readonly CHECKOUT=(build node_modules/esbuild node_modules/@esbuild package.json scripts test)
readonly MODULES=(arch/x86/crypto crypto drivers/block/loop.ko drivers/cdrom drivers/virtio fs lib net/9p net/dns_resolver net/sunrpc)

file_systems=$IN_MACHINE
if [[ ${1-} == --only ]]; then
  file_systems=$2
  shift 2
fi
(($# > 0)) || set -- --ci --timeout 1200

if [[ $EUID -ne 0 || $(uname -m) != x86_64 ]] || ! command -v apt-get >/dev/null; then
  echo 'scripts/virtual-machine.sh: only root can run this, on Debian on x64' >&2
  exit 1
fi

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86 qemu-system-common)
command -v busybox >/dev/null || missing+=(busybox-static)
((${#missing[@]} == 0)) || scripts/apt-install.sh "${missing[@]}"

# The files that a package has in /bin, /lib and /sbin go to /usr, as in Debian.
unpack() {
  dpkg-deb -x "$1" "$HOME_OF_MACHINE/unpacked"
  mkdir -p "$HOME_OF_MACHINE/tools/usr"
  for part in bin lib sbin; do
    [[ ! -d $HOME_OF_MACHINE/unpacked/$part ]] || cp -a "$HOME_OF_MACHINE/unpacked/$part" "$HOME_OF_MACHINE/tools/usr"
    rm -rf "$HOME_OF_MACHINE/unpacked/$part"
  done
  cp -a "$HOME_OF_MACHINE/unpacked/." "$HOME_OF_MACHINE/tools"
  rm -rf "$HOME_OF_MACHINE/unpacked"
}

if [[ ! -f $HOME_OF_MACHINE/is-ready ]]; then
  rm -rf "$HOME_OF_MACHINE"
  mkdir -p "$HOME_OF_MACHINE"/{archives/partial,kernel,tools}
  apt-get update -qq >&2
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: //p' | head -1)
  (cd "$HOME_OF_MACHINE/kernel" && apt-get -o APT::Sandbox::User=root -qq download "$kernel" >&2 && dpkg-deb -x ./*.deb . && rm ./*.deb)
  # With the libraries that they need. Packages that are installed already aren't downloaded.
  apt-get -o "Dir::Cache::archives=$HOME_OF_MACHINE/archives" -o APT::Sandbox::User=root -qq install -y --download-only --no-install-recommends "${TOOLS[@]}" >&2
  for package in "$HOME_OF_MACHINE"/archives/*.deb; do unpack "$package"; done
  rm -r "$HOME_OF_MACHINE/archives"
  touch "$HOME_OF_MACHINE/is-ready"
fi

scratch=$(mktemp -d)
filesystem_daemon= machine=
end() {
  for process in $filesystem_daemon $machine; do kill "$process" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap end EXIT
version=$(basename "$HOME_OF_MACHINE"/kernel/lib/modules/*)
tools="$HOME_OF_MACHINE/tools"

# The machine's root directory.
mkdir -p "$scratch"/{root/{dev,etc,proc,run,slocket,sys,tmp,usr/{bin,lib,lib64,sbin}},9p,virtiofs}
root="$scratch/root"
for part in bin lib lib64 sbin; do ln -s "usr/$part" "$root/$part"; done
cp -a "$tools/." "$root"
for name in "${PROGRAMS[@]}"; do cp -L "$(command -v "$name")" "$root/usr/bin/"; done
cp "$(command -v busybox)" "$root/usr/bin/"
for name in group hosts netconfig nsswitch.conf passwd protocols services; do
  [[ ! -e /etc/$name ]] || cp -L "/etc/$name" "$root/etc/"
done
ln -s /proc/self/mounts "$root/etc/mtab"
cp -L /usr/lib/x86_64-linux-gnu/libgcc_s.so.1 "$root/usr/lib/x86_64-linux-gnu/" # Threads load it when they end.
# ldd fails if a file is a script.
libraries=$(find "$root/usr" -type f \( -perm -100 -o -name '*.so*' \) -exec env LD_LIBRARY_PATH="$tools/usr/lib/x86_64-linux-gnu" ldd {} + 2>/dev/null | sed -n 's/^.*[ \t]\(\/[^ ]*\) (0x.*/\1/p' | sort -u || true)
for library in $libraries; do [[ -e $root/${library#"$tools"} ]] || cp -L --parents "$library" "$root"; done
tar -c "${CHECKOUT[@]}" | tar -x -C "$root/slocket"
mkdir -p "$root/usr/lib/modules/$version/kernel"
(cd "$HOME_OF_MACHINE/kernel/lib/modules/$version" && cp modules.{builtin*,order} "$root/usr/lib/modules/$version/" && cd kernel && cp -r --parents "${MODULES[@]}" "$root/usr/lib/modules/$version/kernel/")
(exec -a depmod "$tools/usr/bin/kmod" -b "$root" "$version")
cat >"$root/init" <<INIT
#!/usr/bin/busybox sh
/usr/bin/busybox --install /usr/bin 2>/dev/null
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /run
mount -t tmpfs -o size=2g none /tmp
ifconfig lo 127.0.0.1 up
for module in loop virtio_pci 9pnet_virtio virtiofs; do modprobe "\$module"; done
cd /slocket
env -i HOME=/tmp PATH=/usr/bin:/usr/sbin SLOCKET_IN_VIRTUAL_MACHINE=1 SLOCKET_TEST_DEADLINE_SECONDS=600 node scripts/test-file-systems.js --only "\$FILE_SYSTEM"$(printf ' %q' "$@")
echo "the tests ended with \$?"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null >"$scratch/root.cpio")

# Tests one file system. The kernel passes FILE_SYSTEM on to init.
start() {
  rm -rf "$scratch"/{9p,virtiofs,socket,console}
  mkdir "$scratch"/{9p,virtiofs}
  /usr/lib/qemu/virtiofsd --socket-path="$scratch/socket" -o source="$scratch/virtiofs" -o sandbox=chroot -f >"$scratch/virtiofsd.log" 2>&1 &
  filesystem_daemon=$!
  while [[ ! -S $scratch/socket ]]; do sleep 0.1; kill -0 "$filesystem_daemon"; done
  timeout "$LIMIT_SECONDS" qemu-system-x86_64 -m 5G -smp "$(nproc)" -nodefaults -no-user-config -nographic -serial file:"$scratch/console" -no-reboot \
    -object memory-backend-memfd,id=memory,size=5G,share=on -numa node,memdev=memory \
    -kernel "$HOME_OF_MACHINE/kernel/boot/vmlinuz-$version" -initrd "$scratch/root.cpio" -append "console=ttyS0 quiet panic=-1 FILE_SYSTEM=\"$1\"" \
    -virtfs "local,path=$scratch/9p,mount_tag=slocket-9p,security_model=none" \
    -chardev "socket,id=virtiofs,path=$scratch/socket" -device vhost-user-fs-pci,chardev=virtiofs,tag=slocket-virtiofs &
  machine=$!
  tail --pid="$machine" -n +1 -F "$scratch/console" 2>/dev/null
  wait "$machine" || echo "$1: the machine ended with $?"
  kill "$filesystem_daemon" 2>/dev/null || true
  wait "$filesystem_daemon" || true
  filesystem_daemon= machine=
  grep -q 'the tests ended with 0' "$scratch/console"
}

failed=()
IFS=, read -ra names <<<"$file_systems"
for name in "${names[@]}"; do start "$name" || failed+=("$name"); done
((${#failed[@]} == 0)) || printf 'failed, or not run to its end: %s\n' "${failed[@]}"
((${#failed[@]} == 0))
