#!/usr/bin/env bash
# Installs systemd-analyze, which judges the units of deploy/systemd. Where it
# can't be had the tests do without, and this says so.
set -euo pipefail
command -v systemd-analyze >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing systemd-analyze"
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends systemd >/dev/null
else
	echo "systemd-analyze is missing and can't be installed from here: the units are not verified" >&2
fi
