#!/bin/sh
# Makes the user and its folders, and lets systemd see the units. Nothing is
# enabled: the configuration wants its project first.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers roistat-etl.conf
elif ! id roistat-etl >/dev/null 2>&1; then
	useradd --system --user-group --home-dir /var/lib/roistat-etl --shell /usr/sbin/nologin roistat-etl
fi
install -d -o roistat-etl -g roistat-etl -m 750 /var/lib/roistat-etl
chgrp roistat-etl /etc/roistat-etl /etc/roistat-etl/pipelines.yaml /etc/roistat-etl/environment
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
