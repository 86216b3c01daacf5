"""The release files: what is in them, and that the program in them is the one of the commit."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from stand import ROOT

ENV = {**os.environ, "VERSION": "v1.2.3", "COMMIT": "0123456789abcdef0123456789abcdef01234567", "SOURCE_DATE_EPOCH": "1700000000"}


def sh(*line: str | Path, **kwargs: object) -> str:
    done = subprocess.run(line, capture_output=True, text=True, check=False, **kwargs)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arch = sh("go", "env", "GOHOSTARCH", cwd=ROOT).strip()
    folder = tmp_path_factory.mktemp("dist")
    sh("bash", ROOT / "deploy/packages/build.sh", folder, arch, env=ENV)
    return folder


@pytest.fixture(scope="module")
def unpacked(dist: Path) -> Path:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as tar:
        tar.extractall(dist / "tar", filter="data")
    return next((dist / "tar").iterdir())


def test_files_and_sums(dist: Path) -> None:
    sums = dict(reversed(line.split()) for line in (dist / "SHA256SUMS").read_text().splitlines())
    files = {f"./{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir() if path.suffix in (".gz", ".deb", ".rpm")}
    assert len(files) == 3 and sums == files


def test_the_program_names_its_release(unpacked: Path) -> None:
    assert re.match(r"roistat-etl version v1\.2\.3 \(commit 0123456789abcdef[0-9a-f]*\) go1", sh(unpacked / "roistat-etl", "--version"))


def test_man_pages_and_completions(unpacked: Path) -> None:
    pages = {path.name: gzip.decompress(path.read_bytes()).decode() for path in (unpacked / "man").iterdir()}
    assert {"roistat-etl.1.gz", "roistat-etl-run.1.gz", "roistat-etl-verify.1.gz"} <= set(pages)
    assert '"Nov 2023"' in pages["roistat-etl.1.gz"], "dated by the commit"
    assert "Exit codes: 0 done; 1 failed" in pages["roistat-etl.1.gz"] and "generate" not in "".join(pages)
    assert all(option in pages["roistat-etl-run.1.gz"] for option in (r"\fB--deadline\fP", r"\fB--accept\fP", r"\fB--json\fP"))
    # bash reads its script, and it offers the pipelines of the configuration and the names of gates.
    script = 'PATH=$1:$PATH; . "$1/completion/roistat-etl" && complete -p roistat-etl && roistat-etl __complete run -c "$2" "" 2>&-'
    told = sh("bash", "-c", script, "-", unpacked, ROOT / "pipelines.yaml")
    assert "-F __start_roistat-etl roistat-etl" in told and told.splitlines()[-2:] == ["demo", ":4"]
    assert "max_row_drop" in sh(unpacked / "roistat-etl", "__complete", "run", "--accept", "")
    assert (unpacked / "completion/_roistat-etl").read_text().startswith("#compdef roistat-etl")


def test_debian_package(dist: Path, unpacked: Path) -> None:
    if not shutil.which("dpkg-deb"):
        return  # another system; the rpm and the archive hold the same
    deb = next(dist.glob("*.deb"))
    fields = dict(line.split(": ", 1) for line in sh("dpkg-deb", "-f", deb, "Package", "Version", "Depends").splitlines())
    assert fields == {"Package": "roistat-etl", "Version": "1.2.3", "Depends": "ca-certificates, passwd"}
    root = dist / "deb"
    sh("dpkg-deb", "-R", deb, root)
    assert (root / "usr/bin/roistat-etl").read_bytes() == (unpacked / "roistat-etl").read_bytes()
    modes = {path: (root / path).stat().st_mode & 0o777 for path in ("etc/roistat-etl", "etc/roistat-etl/environment", "usr/bin/roistat-etl-night")}
    assert list(modes.values()) == [0o750, 0o640, 0o755], modes
    assert (root / "DEBIAN/conffiles").read_text().split() == ["/etc/roistat-etl/environment", "/etc/roistat-etl/pipelines.yaml"]
    service = (root / "usr/lib/systemd/system/roistat-etl.service").read_text()
    program = re.search(r"^ExecStart=/(\S+) .*--config /(\S+)", service, re.MULTILINE)
    assert program and (root / program[1]).exists() and (root / program[2]).exists()
    sh("sh", "-n", root / "DEBIAN/postinst")
    # The example is a valid configuration: it fails where it must, at the missing key.
    tried = subprocess.run([root / "usr/bin/roistat-etl", "plan", "-c", root / "etc/roistat-etl/pipelines.yaml"], capture_output=True, text=True, check=False)
    assert (tried.returncode, "ROISTAT_API_KEY, which is not set" in tried.stderr) == (2, True), tried.stderr
