#!/bin/bash
# Installs Debian packages, as root: scripts/apt-install.sh PACKAGE...
#
# If another apt-get is running (automatic updates, another checkout), waits for it, up to five minutes for each of its locks.
set -euo pipefail
readonly WAIT_SECONDS=300
# In runlevel 1, packages don't start their services.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1

# `update` has no option to wait for the lock of the package lists (apt 2.6): DPkg::Lock::Timeout is for dpkg's locks only.
update_lists() {
  local output
  until output=$(apt-get update -qq 2>&1); do
    if [[ $output != *lists/lock* ]] || ((SECONDS > WAIT_SECONDS)); then
      echo "$output"
      return 1
    fi
    sleep 1
  done
}

{
  update_lists
  apt-get -o DPkg::Lock::Timeout="$WAIT_SECONDS" install -y -qq --no-install-recommends "$@"
} >&2
