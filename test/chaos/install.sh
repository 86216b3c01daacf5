#!/usr/bin/env bash
# Installs strace, with which the chaos tests make system calls of the real
# program fail. Where it can't be had they say so and do without.
set -euo pipefail
command -v strace >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing strace"
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends strace >/dev/null
else
	echo "strace is missing and can't be installed from here: no system call will be made to fail" >&2
fi
