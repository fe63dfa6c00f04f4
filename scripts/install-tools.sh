#!/bin/bash
# Installs the programs that the tests of crashes and faults use, and those of the model: scripts/install-tools.sh. Only root installs, and only what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

declare -A package=([strace]=strace [unshare]=util-linux [ip]=iproute2 [ps]=procps
  [script]=bsdutils [flock]=util-linux [spin]=spin [gcc]=build-essential [patch]=patch [zsh]=zsh [cron]=cron [systemd-analyze]=systemd)
missing=()
for tool in "${!package[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
((${#missing[@]} > 0)) || exit 0
if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
  echo "not installed, and only root can install: ${missing[*]}"
  exit 0
fi
./apt-install.sh "${missing[@]}"
