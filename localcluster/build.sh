#!/usr/bin/env bash
# Builds the programs of the local cluster from Go modules: some 10 minutes once, seconds after that.
#
#   localcluster/build.sh DIRECTORY
set -euo pipefail

directory=${1:?say where the programs go, for example build/cluster}
mkdir -p "$directory/cni" "$directory/assets"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
component=k8s.io/component-base/version
major=${version#v} minor=${version#v*.}
stamp="-X $component.gitVersion=$version -X $component.gitMajor=${major%%.*} -X $component.gitMinor=${minor%%.*}"
# No debug information and no inlining: a third of the build's time. One set of flags for all, as they share a cache.
flags=(-buildvcs=false -gcflags='all=-dwarf=false -l' -ldflags="-s -w $stamp")
plugins=github.com/containernetworking/plugins/plugins

# progress NAME says how far a build is, from what go build -v tells: modules it downloads and packages it compiles.
progress() {
  local name=$1 modules=0 packages=0 line
  while IFS= read -r line; do
    if [[ $line == 'go: downloading '* ]]; then
      ((++modules % 100 != 0)) || printf '  %s: %d modules downloaded\n' "$name" "$modules"
    elif [[ $line =~ ^[^[:space:]:]+$ ]]; then
      ((++packages % 200 != 0)) || printf '  %s: %d packages compiled\n' "$name" "$packages"
    else
      printf '%s\n' "$line" >&2
    fi
  done
}

# build NAME ARGUMENT… runs go build and tells of it only if it takes work.
build() {
  local name=$1 started=$SECONDS
  shift
  go build -v "${flags[@]}" "$@" 2> >(progress "$name") || {
    echo "localcluster: building $name ended with an error" >&2
    exit 1
  }
  ((SECONDS - started < 10)) || printf '  %s: built in %d s\n' "$name" $((SECONDS - started))
}

export CGO_ENABLED=0
build 'containerd and its shim' -o "$directory/" ./cmd/containerd ./cmd/containerd-shim-runc-v2 ./cmd/localcluster ./cmd/pause
build 'network plugins' -o "$directory/cni/" "$plugins/main/ptp" "$plugins/ipam/host-local" "$plugins/meta/portmap"
CGO_ENABLED=1 build runc -tags seccomp -o "$directory/" github.com/opencontainers/runc
build "Kubernetes $version" -o "$directory/" ./cmd/kubernetes

# The names by which tests look for an API server, and people for kubectl: one file, which knows its part by its name.
for program in etcd kube-apiserver kubectl; do
  ln -sfn ../kubernetes "$directory/assets/$program"
done
