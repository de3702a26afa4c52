#!/usr/bin/env bash
# Puts ONNX Runtime's shared library where the model server and its image look for it.
#
#   hack/onnxruntime/fetch.sh DIRECTORY [amd64|arm64]
#
# npm checks the package against the hash in package-lock.json; no script of any package runs. The library needs glibc 2.28.
set -euo pipefail

directory=${1:?say where to put libonnxruntime.so.1, for example build/onnxruntime}
arch=${2:-$(go env GOARCH)}
case $arch in
  amd64) folder=x64 ;;
  arm64) folder=arm64 ;;
  *) echo "fetch.sh: ONNX Runtime is pinned for amd64 and arm64, not for $arch" >&2; exit 2 ;;
esac
command -v npm >/dev/null || { echo "fetch.sh: npm is missing; install it (apt-get install npm) and run this again" >&2; exit 1; }

pins=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$directory"
work=$(mktemp -d "$directory/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$pins/package.json" "$pins/package-lock.json" "$pins/.npmrc" "$work/"

echo "fetching ONNX Runtime (about 115 MB, once)"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

cp "$pins/LICENSE" "$directory/LICENSE"
mv "$work/node_modules/onnxruntime-node/bin/napi-v6/linux/$folder/libonnxruntime.so.1" "$directory/libonnxruntime.so.1"
echo "$directory/libonnxruntime.so.1"
