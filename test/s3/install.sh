#!/usr/bin/env bash
# Builds versitygw, the S3 server of the tests: install.sh [DIR], by default .s3
# at the top of the tree. server.sum pins it and what it is made of by hash, a
# stamp holds the sum of that, and so a second call does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-$here/../../.s3}"
dir=$(cd "${1:-$here/../../.s3}" && pwd)

exec 9>"$dir/.lock"
flock 9
sum=$(cat "$here/server.mod" "$here/server.sum" | cksum)
[ "$(cat "$dir/.installed" 2>/dev/null)" = "$sum" ] && [ -x "$dir/versitygw" ] && exit 0

echo "building versitygw into $dir (two minutes the first time)"
rm -f "$dir/.installed"
cd "$here/../.."
CGO_ENABLED=0 go build -modfile=test/s3/server.mod -trimpath -ldflags='-s -w' -o "$dir/versitygw" github.com/versity/versitygw/cmd/versitygw || {
	echo "versitygw could not be built into $dir; see the go command's message above." >&2
	exit 1
}
echo "$sum" >"$dir/.installed"
