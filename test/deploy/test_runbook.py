"""docs/runbook.md has an answer to every exit code, gate and alert, and quotes messages that exist."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from stand import ETL, ROOT

RUNBOOK = (ROOT / "docs/runbook.md").read_text()
HEADINGS = re.findall(r"^### (.*)$", RUNBOOK, re.MULTILINE)


def test_every_exit_code() -> None:
    usage = subprocess.run([ETL, "--help"], capture_output=True, text=True, check=True).stdout
    codes = re.findall(r"\b(\d+) \w+", usage[usage.index("Exit codes:") : usage.index("Usage:")])
    assert codes == ["0", "1", "2", "3", "4", "5", "130"]
    assert [h for h in HEADINGS if h.startswith("Exit code")] == [f"Exit code {code}" for code in codes]


def test_every_alert() -> None:
    alerts = [
        rule["alert"]
        for path in sorted((ROOT / "deploy/prometheus").glob("*.y*ml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert alerts
    assert sorted(h for h in HEADINGS if not h.startswith("Exit code")) == sorted(alerts)


def test_every_gate() -> None:
    flags = subprocess.run([ETL, "run", "--help"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"pass a gate once: (.*)", flags)
    assert found
    for gate in found[1].split(", "):
        assert f"| `{gate}` |" in RUNBOOK


@pytest.mark.parametrize("message", ["is held by run ", "wants the variable ", ", which is not set", "the budget is used up",
                                     "the deadline came", "the quota is used up", "of another mirror", "it was published from mirror ", "there is no mirror "])
def test_quoted_messages_exist(message: str) -> None:
    assert message.strip() in RUNBOOK
    sources = (p for folder in ("pipeline", "extract", "load") for p in (ROOT / folder).rglob("*.go") if not p.name.endswith("_test.go"))
    assert any(message.rstrip() in p.read_text() for p in sources)
