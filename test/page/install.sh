#!/usr/bin/env bash
# Installs Chromium, in which a test opens the page of `status --html`.
set -euo pipefail
for browser in chromium chromium-browser google-chrome; do
	command -v "$browser" >/dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	printf '%s\n' "The page of status --html is tested in Chromium, and there is none on the PATH." \
		"Remedy: install it (Debian: apt-get install chromium) and run make again." >&2
	exit 1
fi
echo "installing Chromium (150 MB to fetch)"
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium >/dev/null
