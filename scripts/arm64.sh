#!/bin/bash
# Runs compiled tests on Node for arm64, which QEMU translates: scripts/arm64.sh [what scripts/test.js takes…]
#
# As root, on Debian on x64, after `npm run build`. Without parameters it runs the core, the conformance suite and the tests of crashes, without
# *.long.test.ts. It is slow: run it by hand. Debian's libraries for arm64 go to ~/.cache/slocket/arm64, or to SLOCKET_ARM64, and not into the system. While
# it runs, the kernel starts programs for arm64 with QEMU. Everything but Node (bash, strace) is that of the machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly HOME_OF_LIBRARIES="${SLOCKET_ARM64:-${XDG_CACHE_HOME:-$HOME/.cache}/slocket/arm64}"
readonly NODES=runtimes/arm64
readonly BINFMT=/proc/sys/fs/binfmt_misc
readonly LIBRARIES=(libc6 libgcc-s1 libstdc++6 libatomic1)

if [[ $EUID -ne 0 || $(uname -m) != x86_64 ]] || ! command -v apt-get >/dev/null; then
  echo 'scripts/arm64.sh: only root can run this, on Debian on x64' >&2
  exit 1
fi

command -v qemu-aarch64-static >/dev/null || scripts/apt-install.sh qemu-user-static

if ! cmp -s "$NODES/package-lock.json" "$NODES/node_modules/.installed"; then
  # --force: these packages are for another processor than this one.
  npm ci --prefix "$NODES" --force --ignore-scripts --no-audit --no-fund >&2
  cp "$NODES/package-lock.json" "$NODES/node_modules/.installed"
fi

if [[ ! -f $HOME_OF_LIBRARIES/is-ready ]]; then
  mkdir -p "$HOME_OF_LIBRARIES"/{lists,cache,root}
  # Separate lists: the system doesn't get to know arm64.
  apt=(apt-get -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
    -o "Dir::State::lists=$HOME_OF_LIBRARIES/lists" -o "Dir::Cache=$HOME_OF_LIBRARIES/cache" -qq)
  "${apt[@]}" update >&2
  (cd "$HOME_OF_LIBRARIES/cache" && "${apt[@]}" download "${LIBRARIES[@]}" >&2)
  for package in "$HOME_OF_LIBRARIES"/cache/*.deb; do dpkg-deb -x "$package" "$HOME_OF_LIBRARIES/root"; done
  touch "$HOME_OF_LIBRARIES/is-ready"
fi

if [[ ! -e $BINFMT/register ]]; then mount -t binfmt_misc none "$BINFMT"; fi
if [[ ! -e $BINFMT/qemu-aarch64 ]]; then
  trap 'echo -1 >"$BINFMT/qemu-aarch64"' EXIT
  # In one write, as the kernel requires.
  cat /usr/lib/binfmt.d/qemu-aarch64.conf >"$BINFMT/register"
fi

# esbuild, which scripts/test.js calls, is installed for this machine.
export QEMU_LD_PREFIX="$HOME_OF_LIBRARIES/root" ESBUILD_BINARY_PATH="$PWD/node_modules/@esbuild/linux-x64/bin/esbuild"
export PATH="$PWD/$NODES/node_modules/node-22/bin:$PATH"
node -p '`Node ${process.version}, ${process.arch}`'
if (($# == 0)); then
  mapfile -t tests < <(ls test/{core,conformance,crash}/*.test.ts | grep -v '\.long\.test\.ts$')
  set -- "${tests[@]}"
fi
# A process takes ten times as long to start. Parameters from the command line come later, and override these.
export SLOCKET_TEST_DEADLINE_SECONDS=600
node scripts/test.js --concurrency 2 --timeout 1200 "$@"
