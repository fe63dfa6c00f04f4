#!/bin/bash
# Makes the image for `npm run test:containers`, and prints the path of its archive: scripts/container-image.sh
#
# It contains a shell, sleep(1) and the libraries that Node needs, unpacked from Debian's packages. Node itself isn't in it: the tests mount this machine's Node.
# The archive (40 MB) is kept in SLOCKET_CONTAINERS, or else in ~/.cache/slocket/containers. Only root installs packages, and only what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly CACHE="${SLOCKET_CONTAINERS:-${XDG_CACHE_HOME:-$HOME/.cache}/slocket/containers}"
readonly ARCHIVE="$CACHE/image-$(dpkg --print-architecture).tar"
readonly PACKAGES=(bash coreutils libacl1 libatomic1 libattr1 libc6 libgcc-s1 libgmp10 libpcre2-8-0 libselinux1 libstdc++6 libtinfo6)

missing=()
for tool in podman runc; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]} > 0)); then
  if [[ $EUID -ne 0 ]]; then
    echo "missing, and only root can install it: ${missing[*]}" >&2
    exit 1
  fi
  ./apt-install.sh "${missing[@]}"
fi

if [[ ! -f $ARCHIVE ]]; then
  mkdir -p "$CACHE"
  scratch=$(mktemp -d "$CACHE/making-XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$scratch"/{packages,root/{dev,etc,proc,run,sys,tmp}}
  (cd "$scratch/packages" && apt-get -o APT::Sandbox::User=root -qq download "${PACKAGES[@]}" >&2)
  for package in "$scratch"/packages/*.deb; do dpkg-deb -x "$package" "$scratch/root"; done
  rm -rf "$scratch"/root/usr/share/{doc,man,locale,info}
  tar -C "$scratch/root" -cf "$scratch/image.tar" .
  # In one step, since two of these may be running.
  mv "$scratch/image.tar" "$ARCHIVE"
fi
echo "$ARCHIVE"
