#!/usr/bin/env bash
# Installs what building, the local cluster and the tests need and this machine lacks; where there is no apt, names it.
set -euo pipefail

# need COMMAND PACKAGE… notes the packages that bring a command, if it is not there.
missing=()
need() {
  command -v "$1" >/dev/null || missing+=("${@:2}")
}

need go golang
need git git
need gcc gcc libc6-dev
need pkg-config pkg-config
need nft nftables
need mount mount
need npm npm
pkg-config --exists libseccomp 2>/dev/null || missing+=(libseccomp-dev)
[[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
((${#missing[@]} > 0)) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "prerequisites: install ${missing[*]} (Debian's names) with this machine's package manager, and run this again" >&2
  exit 1
fi
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "prerequisites: as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"

# A distribution's Go may be older than go.mod asks for and too old to fetch a newer one by itself.
go version >/dev/null || {
  echo "prerequisites: Go does not run; see https://go.dev/doc/install" >&2
  exit 1
}
