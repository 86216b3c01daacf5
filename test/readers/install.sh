#!/usr/bin/env bash
# Installs the Python readers by hash: install.sh [--optional] VENV [LOCK WHAT].
# A stamp holds the lock file's sum, so a second call does nothing. With
# --optional a machine without a fit Python is told so and is no failure. With
# another lock file it installs what that names. SOURCE names what comes as source.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

optional=
if [ "$1" = --optional ]; then optional=1; shift; fi
venv=$1
lock=${2:-$here/requirements.lock}
what=${3:-DuckDB and pyarrow}
stamp=$venv/.installed

give_up() {
    printf '%s\n' "$@" >&2
    [ -n "$optional" ] && exit 0
    exit 1
}

# The first Python that is new enough for the lock.
find_python() {
    local p
    for p in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$p"
            return
        fi
    done
    return 1
}

# Some systems split ensurepip off: then the system's pip serves the new
# environment from outside.
make_venv() {
    "$python" -m venv --clear "$venv" >/dev/null 2>&1 && pip=("$venv/bin/python" -m pip) && return
    "$python" -m venv --clear --without-pip "$venv" &&
        "$python" -m pip --version >/dev/null 2>&1 &&
        pip=("$python" -m pip --python "$venv/bin/python")
}

sum=$(cksum <"$lock")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

python=$(find_python) || give_up "The tests and $what need Python 3.11 or newer, and there is none on the PATH." \
    "Remedy: install it (Debian: apt-get install python3 python3-venv) and run make again."
make_venv || give_up "Python can make no environment here: $python has neither ensurepip nor pip." \
    "Remedy: install them (Debian: apt-get install python3-venv) and run make again."

echo "installing $what into $venv"
"${pip[@]}" install --quiet --disable-pip-version-check --only-binary=:all: ${SOURCE:+--no-binary="$SOURCE"} --require-hashes -r "$lock" ||
    give_up "$what could not be installed into $venv; see pip's message above."
echo "$sum" >"$stamp"
