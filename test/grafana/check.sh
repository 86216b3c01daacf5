#!/usr/bin/env bash
# Checks the dashboard against Grafana's own TypeScript types: check.sh [DIR],
# which holds the types, by default .grafana at the top of the tree.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
board=$here/../../deploy/grafana/roistat-etl.json
dir=${1:-$here/../../.grafana}

command -v npm >/dev/null || {
	printf '%s\n' "Grafana's types come as an npm package, and there is no npm on the PATH." \
		"Remedy: install it (Debian: apt-get install npm) and run make again." >&2
	exit 1
}
mkdir -p "$dir"
sum=$(cksum <"$here/package-lock.json")
if [ "$(cat "$dir/.installed" 2>/dev/null)" != "$sum" ]; then
	cp "$here/package.json" "$here/package-lock.json" "$dir/"
	(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	echo "$sum" >"$dir/.installed"
fi
{
	echo 'import { type Dashboard, MappingType, ThresholdsMode } from "@grafana/schema";'
	# JSON has no enums: these two have to be named.
	printf 'export const board = %s satisfies Dashboard;\n' "$(sed -e 's/"mode": "absolute"/"mode": ThresholdsMode.Absolute/' -e 's/"type": "value"/"type": MappingType.ValueToText/' "$board")"
} >"$dir/board.ts"
cd "$dir"
node_modules/.bin/tsc --noEmit --skipLibCheck --strict --module esnext --moduleResolution bundler board.ts
echo "ok  	the dashboard has Grafana's types"
