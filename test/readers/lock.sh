#!/usr/bin/env bash
# Writes DIR/requirements.lock from DIR/requirements.in, for every system:
# lock.sh VENV DIR….
set -euo pipefail
venv=$(cd "$1" && pwd)
shift

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"$venv/bin/python" -m pip install --quiet --target "$tool" uv==0.13.9
for dir; do
    "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
        "$dir/requirements.in" -o "$dir/requirements.lock"
done
