"""deploy/systemd: what systemd thinks of the units, and that the program can work inside their walls.

Where systemd-analyze or strace is missing and could not be installed, the test's setup has said so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from stand import ETL, ROOT, Sim

UNITS = ROOT / "deploy/systemd"


def settings(unit: str) -> dict[str, list[str]]:
    """All settings of a unit by name, in order."""
    found = defaultdict(list)
    for line in (UNITS / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found[name].append(value)
    return found


def analyze(*arguments: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with the program where it is here."""
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/roistat-etl", str(ETL)))
    return tmp_path


def test_exit_codes() -> None:
    service = settings("roistat-etl.service")
    assert service["SuccessExitStatus"] == ["3"]
    assert service["Restart"] == ["on-failure"]
    assert service["RestartPreventExitStatus"] == ["2 4 5"]


def test_systemd_has_nothing_to_say(units: Path) -> None:
    if not shutil.which("systemd-analyze"):
        return
    assert analyze("verify", "--man=no", *sorted(units.iterdir())) == ""
    assert "Next elapse" in analyze("calendar", *settings("roistat-etl.timer")["OnCalendar"])
    for service in units.glob("*.service"):
        analyze("security", "--offline=true", "--threshold=15", service)


def test_a_run_that_succeeded_is_audited() -> None:
    assert settings("roistat-etl.service")["OnSuccess"] == ["roistat-etl-verify.service"]
    run, audit = settings("roistat-etl.service"), settings("roistat-etl-verify.service")
    assert audit["ExecStart"] == ["/usr/bin/roistat-etl verify --config /etc/roistat-etl/pipelines.yaml"]
    assert not audit["Restart"], "another audit finds the same"
    apart = {"ExecStart", "Description", "Documentation", "OnSuccess", "StartLimitIntervalSec", "StartLimitBurst", "SuccessExitStatus",
             "Restart", "RestartSec", "RestartPreventExitStatus", "KillMode", "TimeoutStopSec"}
    assert {k: v for k, v in run.items() if k not in apart} == {k: v for k, v in audit.items() if k not in apart and v}


def calls(group: str) -> set[str]:
    """The system calls of one of systemd's groups."""
    found: set[str] = set()
    for line in analyze("syscall-filter", group).splitlines():
        word = line.strip()
        if word.startswith("@") and word != group:
            found |= calls(word)
        elif word and not word.startswith(("#", "@")):
            found.add(word)
    return found


def allowed() -> set[str]:
    """What SystemCallFilter= leaves."""
    found = calls("@default")
    for value in settings("roistat-etl.service")["SystemCallFilter"]:
        groups = set().union(*(calls(group) for group in value.lstrip("~").split()))
        found = found - groups if value.startswith("~") else found | groups
    return found


def test_the_program_stays_inside_the_filter(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze") or not shutil.which("strace"):
        return
    sim = Sim("--clients", "30", "--months", "1", "--whale=false")
    (tmp_path / "pipelines.yaml").write_text(f"""
version: 1
pipelines:
  - {{name: shop, project: "12345", api: {{base_url: "{sim.base_url}", key: sim-key}}, load: [{{parquet: {{path: shop}}}}]}}
""")
    run = [ETL, "run", "-c", tmp_path / "pipelines.yaml", "--progress", "log"]
    done = subprocess.run(["strace", "-f", "-qq", "-o", tmp_path / "trace", *run], capture_output=True, text=True, check=False)
    sim.stop()
    assert done.returncode == 0, done.stderr
    trace = (tmp_path / "trace").read_text(errors="replace")
    used = set(re.findall(r"^\d+ +([a-z][a-z0-9_]*)\(", trace, re.MULTILINE))
    assert "fsync" in used, "the trace is not one"
    assert not used - allowed()
    assert not re.search(r"(mmap|mprotect)\(.*PROT_WRITE\|PROT_EXEC", trace), "MemoryDenyWriteExecute= forbids that"
