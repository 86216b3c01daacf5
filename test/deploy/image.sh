#!/usr/bin/env bash
# Builds the last stage of deploy/Dockerfile from bin/roistat-etl and runs it, with
# Debian's buildah: its first stage needs an image with Go, which can't be fetched
# everywhere. The container works as the user that the image names, its root file
# system and its parents read-only, against a stand-in API.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v buildah >/dev/null || {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "buildah is missing and can't be installed from here" >&2; exit 1; }
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends buildah >/dev/null
}
work=$(mktemp -d)
b() { buildah --storage-driver vfs --root "$work/root" --runroot "$work/run" "$@"; }
clean() {
	[ -z "${sim:-}" ] || kill "$sim"
	b rm --all >/dev/null || true
	rm -rf "$work"
}
trap clean EXIT

# What the first stage would leave in /out.
mkdir -p "$work/out/state"
cp bin/roistat-etl "$work/out/"
cp /etc/ssl/certs/ca-certificates.crt "$work/out/"
out=$(b from scratch)
b copy --quiet "$out" "$work/out" /out >/dev/null
b commit --quiet "$out" out >/dev/null

b bud --isolation chroot --quiet --build-arg PROGRAM=localhost/out -f deploy/Dockerfile -t roistat-etl . >/dev/null
echo "user and command of the image:"
b inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}{{"\n"}}' roistat-etl | tee "$work/config"
grep -q '^65532:65532 \[/usr/bin/roistat-etl\] ' "$work/config"

bin/roistat-sim serve --addr 127.0.0.1:0 --addr-file "$work/addr" --clients 50 >/dev/null &
sim=$!
until [ -s "$work/addr" ]; do sleep 0.1; done
cat >"$work/pipelines.yaml" <<YAML
version: 1
pipelines:
  - name: shop
    project: "12345"
    api: {base_url: "http://$(cat "$work/addr")/api/v1", key: "\${ROISTAT_API_KEY}", per_second: 1000}
    transform: {timezone: Europe/Moscow}
    mirror: /var/lib/roistat-etl/shop/mirror.db
    load: [{parquet: {path: /var/lib/roistat-etl/shop/tables}}]
YAML
install -d -o 65532 -g 65532 -m 750 "$work/state"
chmod 711 "$work"
c=$(b from roistat-etl)
run() {
	b run --isolation chroot --env ROISTAT_API_KEY=sim-key -v "$work/pipelines.yaml:/etc/roistat-etl/pipelines.yaml:ro" \
		-v "$work/state:/var/lib/roistat-etl" "$c" -- /usr/bin/roistat-etl "$@"
}
run --version
run run --config /etc/roistat-etl/pipelines.yaml --progress none
run verify --config /etc/roistat-etl/pipelines.yaml >/dev/null
[ "$(stat -c %u "$work/state/shop/mirror.db")" = 65532 ]
# Nothing but its volume was written, so a read-only root file system suffices.
files=$(cd "$(b mount "$c")" && find . -xdev -type f -size +0 | sort | tr '\n' ' ')
echo "files of the container after the run: $files"
[ "$files" = "./etc/ssl/certs/ca-certificates.crt ./usr/bin/roistat-etl " ] || {
	echo "the container wrote outside its volume" >&2
	exit 1
}
