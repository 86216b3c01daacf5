#!/usr/bin/env bash
# Installs Airflow and what else tests deploy/ by hash: install.sh VENV. A stamp
# holds the lock file's sum, so a second call does nothing. uv, which the lock
# file pins too, does it in seconds and pip in a minute: where pip has settings
# that uv doesn't know (an index of one's own), it does it all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$1
lock=$here/requirements.lock

sum=$(cksum <"$lock")
[ "$(cat "$venv/.complete" 2>/dev/null)" = "$sum" ] && "$venv/bin/python" -c '' 2>/dev/null && exit 0

# The readers' installer makes the environment, with uv alone in it.
uv=$(mktemp)
trap 'rm -f "$uv"' EXIT
sed -n '/^uv==/,/[^\\]$/p' "$lock" >"$uv"
bash "$here/../readers/install.sh" "$venv" "$uv" uv

echo "installing Airflow into $venv (200 MB to fetch, 430 MB on disk)"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock" ||
	bash "$here/../readers/install.sh" "$venv" "$lock" Airflow
echo "$sum" >"$venv/.complete"
