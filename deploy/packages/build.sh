#!/usr/bin/env bash
# Makes the release files of each ARCH (amd64, arm64) into DIR: build.sh DIR ARCH….
# tar.gz, .deb and .rpm with man pages and completions, and SHA256SUMS. Everything
# is dated by the commit.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."

version=${VERSION:-$(git describe --tags --always --dirty)}
commit=${COMMIT:-$(git rev-parse HEAD)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0
# A version begins with a digit; a build between releases sorts before all of them.
PACKAGE_VERSION=${version#v}
[[ $PACKAGE_VERSION =~ ^[0-9]+\.[0-9]+ ]] || PACKAGE_VERSION=0.0.0~$version
MTIME=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

build() { # GOARCH FILE
	GOARCH=$1 go build -trimpath -buildvcs=false -o "$2" \
		-ldflags "-s -w -X main.version=$version+$commit" ./cmd/roistat-etl
}

STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
host=$(go env GOHOSTARCH)
build "$host" "$STAGE/$host"
"$STAGE/$host" generate "$STAGE"
gzip -9n "$STAGE"/man/*

for ARCH; do
	[ "$ARCH" = "$host" ] || build "$ARCH" "$STAGE/$ARCH"
	ln -f "$STAGE/$ARCH" "$STAGE/roistat-etl"
	sed -e "s|@ARCH@|$ARCH|; s|@VERSION@|$PACKAGE_VERSION|; s|@MTIME@|$MTIME|; s|@STAGE@|$STAGE|" \
		deploy/packages/nfpm.yaml >"$STAGE/nfpm.yaml"
	for format in deb rpm; do
		go tool -modfile=deploy/packages/tools.mod nfpm package --config "$STAGE/nfpm.yaml" --packager $format --target "$dir"
	done
	name=roistat-etl_${version#v}_linux_$ARCH
	tar -C "$STAGE" --transform "s,^\.,$name," --sort=name --owner=0 --group=0 --numeric-owner --mtime="$MTIME" \
		-cf - ./roistat-etl ./man ./completion | gzip -9n >"$dir/$name.tar.gz"
done
(cd "$dir" && sha256sum ./*.tar.gz ./*.deb ./*.rpm >SHA256SUMS)
ls -l "$dir"
