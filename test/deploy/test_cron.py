"""deploy/cron: the line of the crontab, run as cron runs it, against the real program."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand import ROOT, Sim, await_, processes

CRON = ROOT / "deploy/cron"
SECRET = "not-for-the-mail"
CONFIG = """
version: 1
defaults:
  project: "12345"
  api: {{base_url: "{url}", key: "${{ROISTAT_API_KEY}}", per_second: 100000, per_hour: 10000000, max_attempts: 1}}
pipelines:
  - {{name: shop, mirror: {state}/shop.db, load: [{{parquet: {{path: {state}/shop}}}}]}}
  - {{name: other, project: "777", mirror: {state}/other.db, load: [{{parquet: {{path: {state}/other}}}}]}}
"""


class Cron:
    """A machine's folders, and its cron with the package's file."""

    def __init__(self, home: Path, sim: Sim) -> None:
        self.sim, self.etc, self.state = sim, home / "etc", home / "state"
        self.etc.mkdir()
        self.state.mkdir()
        (self.etc / "pipelines.yaml").write_text(CONFIG.format(url=sim.base_url, state=self.state))
        (self.etc / "environment").write_text(f"ROISTAT_API_KEY={SECRET}\n")
        lines = (CRON / "roistat-etl").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines if line[:1].isupper())
        entries = [line for line in lines if line and not line[0].isupper() and not line.startswith("#")]
        assert len(entries) == 1
        *self.when, self.user, self.command = entries[0].split(None, 6)
        self.env |= {
            "PATH": f"{CRON}:{ROOT / 'bin'}:{self.env['PATH']}", "HOME": str(home), "LOGNAME": self.user,
            "ROISTAT_ETL_ETC": str(self.etc), "ROISTAT_ETL_STATE": str(self.state),
        }

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = shlex.join([self.command, *more]).replace(shlex.quote(self.command), self.command)
        return subprocess.Popen(
            [self.env["SHELL"], "-c", command], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )

    def night(self, *more: str) -> tuple[int, str]:
        """Exit code and mail of a night."""
        run = self.start(*more)
        mail, _ = run.communicate(timeout=60)
        assert SECRET not in mail
        return run.returncode, mail


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    sim = Sim("--clients", "40", "--months", "1", "--whale=false", "--key", SECRET, "--project", "12345,777")
    yield Cron(tmp_path, sim)
    sim.stop()


def test_quiet_when_all_is_well(cron: Cron) -> None:
    assert (cron.when, cron.user) == (["0", "1", "*", "*", "*"], "roistat-etl")
    assert cron.night() == (0, "")
    report = (cron.state / "last-run.txt").read_text()
    assert "shop: done" in report and report.endswith("\n\n2 of 2 pipelines are done\n")
    assert cron.night() == (0, ""), "nothing has changed"


def test_one_paragraph_when_not(cron: Cron) -> None:
    assert cron.night() == (0, "")
    cron.sim.set_faults({"kind": "gateway", "method": "feed"})
    code, mail = cron.night("--full", "shop")
    head, paragraph, foot = mail.strip().split("\n\n")
    assert code == 5 and "ended with exit code 5" in head and "runbook" in foot
    assert paragraph.startswith("shop: stopped by a gate, nothing was published (run 2")
    assert "gate max_failed_clients: 100.00% is above 1.00%" in paragraph
    assert len(paragraph.splitlines()) < 8, mail

    cron.sim.set_faults({"kind": "error", "method": "list", "code": "project_frozen", "times": 1})
    code, mail = cron.night()
    assert code == 4 and "shop: refused by the API" in mail and "error: list the clients: " in mail
    assert "other: " not in mail, "what is done needs no mail"
    report = (cron.state / "last-run.txt").read_text()
    assert "\n\n1 of 2 pipelines are done; not all is well with:\n  shop  exit code 4  list the clients: " in report

    code, mail = cron.night("--full", "--budget", "5", "shop")
    assert code == 3 and "because the budget is used up" in mail


def test_says_what_is_wrong_with_the_configuration(cron: Cron) -> None:
    with (cron.etc / "pipelines.yaml").open("a") as f:
        f.write("  - {name: third, projcet: '1'}\n")
    code, mail = cron.night()
    assert code == 2 and "pipelines.yaml:9:19: " in mail and "projcet" in mail and "pipelines.yaml:9:5: " in mail
    (cron.etc / "environment").unlink()
    cron.env["ROISTAT_ETL_STATE"] = "/nonexistent"
    code, mail = cron.night()
    assert code == 1 and "/nonexistent" in mail


def test_a_signal_reaches_the_program(cron: Cron) -> None:
    cron.sim.set_faults({"kind": "delay", "method": "feed", "n": 500})
    run = cron.start("shop")

    def script() -> int | None:
        found = [pid for pid, line in processes().items() if f"{CRON}/roistat-etl-night" in line and line[-1] == "shop"]
        return min(found, default=None)

    pid = await_("the script", script)
    await_("calls", lambda: cron.sim.stats()["in_flight"] > 0)
    os.kill(pid, signal.SIGTERM)
    mail, _ = run.communicate(timeout=15)
    assert run.returncode == 130 and "shop: interrupted; the next run goes on from here" in mail


# What stands in the file, and what systemd makes of it (systemd.exec(5), EnvironmentFile=).
ENVIRONMENT = {
    "plain": ("X=abc\n", "abc"), "no line break at the end": ("X=abc", "abc"), "two dollars": ("X=pa$$word\n", "pa$$word"),
    "a variable": ("X=pa$HOME${HOME}\n", "pa$HOME${HOME}"), "a command": ("X=$(touch INJECTED)`touch INJECTED`\n", "$(touch INJECTED)`touch INJECTED`"),
    "blanks": ("X=a b\tc\n", "a b\tc"), "blanks around": ("  X =  a b \t \n", "a b"), "a semicolon": ("X=a;touch INJECTED\n", "a;touch INJECTED"),
    "an ampersand": ("X=p&q|r>s\n", "p&q|r>s"), "a hash": ("X=p#q # r\n", "p#q # r"), "a star": ("X=*\n", "*"), "an apostrophe": ("X=it's\n", "it's"),
    "double quotes": ('X="a b"\n', "a b"), "single quotes": ("X='a b'\n", "a b"), "quotes within": ('X=a"b"\n', 'a"b"'),
    "quotes joined": ("X='a'\"b\" c\n", "abc"), "escapes in double quotes": ('X="a\\"b\\\\c\\$d\\`e\\n"\n', 'a"b\\c$d`e\\n'),
    "a backslash": ("X=a\\b\\\\c\n", "ab\\c"), "a line that goes on": ("X=a\\\nb\nY=2\n", "ab"), "single quotes over lines": ("X='a\nb'\n", "a\nb"),
    "a backslash in single quotes": ("X='a\\b'\n", "a\\b"), "quotes that don't end": ("X='a\n", "a\n"), "nothing": ("X=\n", ""), "nothing at the end": ("X=", ""),
    "comments": ("# X=1\n; X=2\n\nX=3\n#X=4\n", "3"), "twice": ("X=1\nX=2\n", "2"), "Windows": ("X=1\r\nY=2\r\n", "1"), "an equals sign": ("X=a=b==\n", "a=b=="),
    "an export": ("export X=1\nX=2\n", "2"), "no name": ("=1\n1X=2\nX-Y=3\nX=4\nnot a line\n", "4"), "umlauts": ("X=пароль ü\n", "пароль ü"),
}


@pytest.mark.parametrize("case", ENVIRONMENT)
def test_the_environment_means_what_systemd_reads(tmp_path: Path, case: str) -> None:
    text, want = ENVIRONMENT[case]
    for folder in ("etc", "state", "bin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "etc/environment").write_bytes(text.encode())
    program = tmp_path / "bin/roistat-etl"
    program.write_text('#!/bin/sh\nprintf "%s" "${X-unset}" >"$ROISTAT_ETL_STATE/x"\n')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "ROISTAT_ETL_ETC": f"{tmp_path}/etc", "ROISTAT_ETL_STATE": f"{tmp_path}/state"}
    done = subprocess.run([CRON / "roistat-etl-night"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / "state/x").read_bytes().decode() == want
    assert not (tmp_path / "INJECTED").exists()


# systemd's own parser, in a program that prints what it reads. It also puts in variables, so values with $ are left out, and it leaves out empty ones.
GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")


@pytest.mark.parametrize("case", [name for name, (text, want) in ENVIRONMENT.items() if "$" not in text and want])
def test_systemd_reads_that(tmp_path: Path, case: str) -> None:
    if not GENERATOR.exists():
        return
    text, want = ENVIRONMENT[case]
    (tmp_path / "environment.d").mkdir()
    (tmp_path / "environment.d/x.conf").write_bytes(text.encode())
    env = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    told = subprocess.run([GENERATOR], env=env, capture_output=True, check=True).stdout.decode()
    spelt = re.findall(r"^X=(.*)$", told, re.MULTILINE)
    got = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), spelt[-1].removeprefix('"').removesuffix('"') if spelt else "unset")
    assert got == want, told


def test_what_is_published_is_for_analysts_too(cron: Cron) -> None:
    assert cron.night() == (0, "")
    assert stat.S_IMODE((cron.state / "last-run.txt").stat().st_mode) == 0o600
    for path in [cron.state / "shop", *(cron.state / "shop/snapshots").rglob("*")]:
        if not path.is_symlink() and not path.name.startswith("."):
            assert path.stat().st_mode & 0o050 == (0o050 if path.is_dir() else 0o040), path


def test_damage_is_in_the_mail(cron: Cron) -> None:
    assert cron.night() == (0, "")
    assert " ok " in (cron.state / "last-verify.txt").read_text()
    file = next((cron.state / "shop/current/visits").resolve().rglob("*.parquet"))
    spoilt = bytearray(file.read_bytes())
    spoilt[40] ^= 1
    file.write_bytes(spoilt)
    code, mail = cron.night()
    assert code == 1 and str(file) in mail and "roistat-etl verify --repair shop" in mail and "other" not in mail.replace("another", "")
    done = subprocess.run(["roistat-etl", "verify", "--repair", "-c", cron.etc / "pipelines.yaml", "shop"], env=cron.env, capture_output=True, check=False)
    assert done.returncode == 0
    assert cron.night() == (0, "")
