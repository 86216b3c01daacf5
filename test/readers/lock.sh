#!/usr/bin/env bash
# Writes requirements.lock from requirements.in, for every system: lock.sh VENV.
set -euo pipefail
venv=$(cd "$1" && pwd)
cd "$(dirname "$0")"

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"$venv/bin/python" -m pip install --quiet --target "$tool" uv==0.13.9
"$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
    requirements.in -o requirements.lock
