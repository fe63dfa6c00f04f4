#!/bin/bash
# Runs tests on file systems that this machine's kernel doesn't have, under Debian's kernel in QEMU: scripts/virtual-machine.sh [options of scripts/test-file-systems.js…]
#
# As root, on Debian on x64, after `npm run build`. Without parameters it runs those of IN_MACHINE, with --ci. An emulated processor is slow: run it by hand.
# The kernel and the tools of the file systems go to ~/.cache/slocket/vm, or to SLOCKET_VM, and not into the system; QEMU is installed. The
# machine sees this machine's root directory, but writes only into its own memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly HOME_OF_MACHINE="${SLOCKET_VM:-${XDG_CACHE_HOME:-$HOME/.cache}/slocket/vm}"
readonly IN_MACHINE='ext4 with casefold,f2fs,jfs,nilfs2,udf,vfat,exfat,9p,virtiofs,nfs'
readonly TOOLS=(kmod f2fs-tools jfsutils nilfs-tools udftools dosfstools exfatprogs nfs-kernel-server)
readonly MODULES=(virtio_pci 9pnet_virtio 9p overlay)

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
"$tools/usr/bin/kmod" --version >/dev/null
(exec -a depmod "$tools/usr/bin/kmod" -b "$HOME_OF_MACHINE/kernel" "$version")

# The first root directory: a shell, and the modules that are needed to mount the second.
mkdir -p "$scratch"/{first/{bin,sbin,dev,proc,lower,tools,memory,root},9p,virtiofs}
cp "$(command -v busybox)" "$scratch/first/bin/"
number=0
while read -r module; do
  number=$((number + 1))
  cp "$module" "$(printf '%s/first/%03d.ko' "$scratch" "$number")"
done < <(for module in "${MODULES[@]}"; do
  (exec -a modprobe "$tools/usr/bin/kmod" -d "$HOME_OF_MACHINE/kernel" -S "$version" --show-depends "$module") | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++')
cat >"$scratch/first/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t devtmpfs none /dev
for module in /*.ko; do insmod "$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose host /lower
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose tools /tools
mount -t tmpfs -o size=2g none /memory
mkdir /memory/upper /memory/work
. /parameters
mount -t overlay -o "lowerdir=/tools:/lower,upperdir=/memory/upper,workdir=/memory/work" none /root
mkdir -p "/root/lib/modules/$(uname -r)"
mount -o bind "/lower$KERNEL/lib/modules/$(uname -r)" "/root/lib/modules/$(uname -r)"
for type in proc sysfs devtmpfs; do
  case $type in proc) at=proc ;; sysfs) at=sys ;; *) at=dev ;; esac
  mount -t "$type" none "/root/$at"
done
mount -t tmpfs none /root/run
mount -t tmpfs -o size=1500m none /root/tmp
ifconfig lo 127.0.0.1 up
chroot /root /usr/sbin/modprobe loop
chroot /root /bin/bash -c "cd '$CHECKOUT' && $COMMAND"
echo "the tests ended with $?"
poweroff -f
INIT
# The kernel calls it for modules that it needs itself.
cat >"$scratch/first/sbin/modprobe" <<'MODPROBE'
#!/bin/busybox sh
exec /bin/chroot /root /usr/sbin/modprobe "$@"
MODPROBE
chmod +x "$scratch/first/init" "$scratch/first/sbin/modprobe"
(($# > 0)) || set -- --ci --only "$IN_MACHINE"
{
  printf 'KERNEL=%q CHECKOUT=%q\n' "$HOME_OF_MACHINE/kernel" "$PWD"
  printf 'COMMAND=%q\n' "env -i HOME=/tmp PATH=$PATH:/usr/sbin:/sbin SLOCKET_IN_VIRTUAL_MACHINE=1 SLOCKET_TEST_DEADLINE_SECONDS=600 $(command -v node) scripts/test-file-systems.js$(printf ' %q' "$@")"
} >"$scratch/first/parameters"
(cd "$scratch/first" && find . | busybox cpio -o -H newc 2>/dev/null >"$scratch/first.cpio")

/usr/lib/qemu/virtiofsd --socket-path="$scratch/socket" -o source="$scratch/virtiofs" -o sandbox=chroot -f >"$scratch/virtiofsd.log" 2>&1 &
filesystem_daemon=$!
while [[ ! -S $scratch/socket ]]; do sleep 0.1; kill -0 "$filesystem_daemon"; done
qemu-system-x86_64 -m 5G -smp "$(nproc)" -nodefaults -no-user-config -nographic -serial file:"$scratch/console" -no-reboot \
  -object memory-backend-memfd,id=memory,size=5G,share=on -numa node,memdev=memory \
  -kernel "$HOME_OF_MACHINE/kernel/boot/vmlinuz-$version" -initrd "$scratch/first.cpio" -append 'console=ttyS0 quiet panic=-1' \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -virtfs "local,path=$tools,mount_tag=tools,security_model=none,readonly=on" \
  -virtfs "local,path=$scratch/9p,mount_tag=slocket-9p,security_model=none" \
  -chardev "socket,id=virtiofs,path=$scratch/socket" -device vhost-user-fs-pci,chardev=virtiofs,tag=slocket-virtiofs &
machine=$!
tail --pid="$machine" -n +1 -F "$scratch/console" 2>/dev/null
wait "$machine"
grep -q 'the tests ended with 0' "$scratch/console"
