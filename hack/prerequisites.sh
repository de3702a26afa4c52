#!/usr/bin/env bash
# Installs what building, the local cluster and the tests need and this machine lacks; where there is no apt, names it.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin # a Debian user's PATH lacks them, and nft lies there

# Debian's Go may be too old for go.mod. From 1.21 on, Go fetches the toolchain that go.mod names by itself.
# It is asked away from go.mod, which an old one cannot read.
version=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || version=''
if [[ ! $version =~ ^(go|devel\ go)1\.([0-9]+) ]] || ((BASH_REMATCH[2] < 21)); then
  echo "prerequisites: Go 1.21 or newer is needed${version:+, and this is $version}; install it as https://go.dev/doc/install says, with its bin directory in PATH" >&2
  exit 1
fi

# need COMMAND PACKAGE… notes the packages that bring a command, if it is not there.
missing=()
need() {
  command -v "$1" >/dev/null || missing+=("${@:2}")
}

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
