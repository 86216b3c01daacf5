"""Roistat into Parquet and ClickHouse, every night, by roistat-etl.

Put this file into the DAGs folder. It makes two DAGs from the `pipelines.yaml` that the workers use:

* `roistat_etl`, the nightly run: a task a project, mapped over the project's pipelines.
* `roistat_etl_backfill`, paused until it is wanted: brings the history that was never read, a budget of
  calls a day, and skips a pipeline whose history is complete.

**Pools.** All tasks of a project wait for one pool, `roistat_PROJECT`, so that its quota is spent by one run
at a time. Make them once, and again when projects are added:

    python roistat_etl.py > pools.json && airflow pools import pools.json

**Secrets** come from connections: `roistat`, then `roistat_PROJECT` over it; both may be absent. The password
becomes `ROISTAT_API_KEY`, and each key of the extra that is an upper-case word a variable of its own
(`CH_PASSWORD`, `ROISTAT_ETL_SALT`). They reach the program by its environment, never by its command line, and
nothing of Airflow's own configuration reaches it.

**Exit codes.** 0 is success; 3 is success with a warning that says what is missing; 1 and 130 are retried, and
the retry goes on where the run stopped; 2, 4 and 5 fail at once, because asking again would not help: correct
the configuration, the key, or look at the gate. The report is the task's XCom whatever the outcome.

**Damage.** After a nightly run has published, `roistat-etl verify` audits it; damage fails the task at once, names
the file or the table and what helps: `roistat-etl verify --repair PIPELINE`.

**The configuration** is read by the program alone, here too: the DAG processor asks `roistat-etl pipelines` for names
and projects, and so needs the program and the variables that `project:` names.

**Settings** are environment variables of the DAG processor and the workers:

| variable | default |
|---|---|
| `ROISTAT_ETL_CONFIG` | `/etc/roistat-etl/pipelines.yaml` |
| `ROISTAT_ETL_BIN` | `roistat-etl` |
| `ROISTAT_ETL_DEADLINE` | `18000`: seconds in which a run asks the API; what is left waits for the next |
| `ROISTAT_ETL_BUDGET` | `20000`: feeds that a day of the backfill reads |
| `ROISTAT_ETL_SCHEDULE` | `0 1 * * *`, of the nightly run; empty: only by hand |
| `ROISTAT_ETL_BACKFILL_SCHEDULE` | `0 9 * * *`, of the backfill |
| `ROISTAT_ETL_METRICS` | none: a folder in which each pipeline leaves its metrics for Prometheus |
| `ROISTAT_ETL_RETRY_DELAY` | `600`: seconds before a failed run goes on |
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, BaseHook, BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

Report = dict[str, Any]

DONE, INCOMPLETE = 0, 3
NO_RETRY = {2: "usage or configuration", 4: "refused by the API for good", 5: "stopped by a gate"}
RETRY = {1: "failed", 130: "interrupted"}

GRACE = timedelta(minutes=2)  # roistat-etl ends within 10 s of a SIGTERM, but for a commit or a copy of the mirror
ASKING = timedelta(minutes=2)  # in which status answers; it asks the destinations
LISTING = timedelta(seconds=20)  # in which names and projects are told, within the time in which a DAG must be read
PUBLISHING = timedelta(hours=2)  # what a run may take after its deadline: projecting and publishing


class RoistatEtlOperator(BaseOperator):
    """Runs one pipeline to its end and turns the exit code into the state of the task.

    The program runs without a shell, in a process group of its own. SIGTERM (a task that is stopped or marked,
    or whose time is out) is passed on; the program then ends within seconds and can go on later. Should the
    task's own process be killed, a guard interrupts the program: no run is left behind to meet its retry.

    :param pipeline: its name in the configuration.
    :param config: path of the configuration.
    :param binary: the program, a path or a name on the PATH.
    :param deadline: how long the API is asked (`--deadline`); `execution_timeout` must be above it.
    :param budget: how many feeds are read at most (`--budget`).
    :param backfill: skip the run if no feed is left that was never read.
    :param verify: audit what was published, after the run.
    :param metrics: folder of the pipeline's metrics (`--metrics-file`).
    :param connections: Airflow connections whose secrets the program gets, later ones first; see `secrets`.
    """

    template_fields: Sequence[str] = ("pipeline", "config", "connections")
    ui_color = "#dff0e6"

    def __init__(
        self,
        *,
        pipeline: str,
        config: str,
        binary: str = "roistat-etl",
        deadline: timedelta | None = None,
        budget: int | None = None,
        backfill: bool = False,
        verify: bool = True,
        metrics: str | None = None,
        connections: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if deadline and self.execution_timeout and self.execution_timeout <= deadline:
            raise ValueError(f"execution_timeout {self.execution_timeout} must be above the deadline {deadline}")
        self.pipeline, self.config, self.binary = pipeline, config, binary
        self.deadline, self.budget, self.backfill, self.metrics = deadline, budget, backfill, metrics
        self.verify = verify
        self.connections = connections
        self._child: subprocess.Popen[bytes] | None = None
        self._call_off: Callable[[], None] = lambda: None

    def execute(self, context: Context) -> Report:
        """Runs the pipeline; returns the report, or raises by the exit code."""
        environment = {**clean_environment(), **secrets(self.connections)}
        if self.backfill and self._complete(environment):
            raise AirflowSkipException(f"{self.pipeline}: no feed is left that was never read")
        code, stdout, last_words = self._run(self.command(), environment)
        report = report_in(stdout)
        if report and code not in (DONE, INCOMPLETE):  # what is returned on success is pushed by Airflow
            context["ti"].xcom_push(key="return_value", value=report)
        judged = self._judge(code, report, last_words)
        if self.verify:
            self._audit(environment)
        return judged

    def on_kill(self) -> None:
        """Interrupts the program, once: a second signal would not let it end in peace."""
        child, self._child = self._child, None
        if child and child.poll() is None:
            self.log.warning("%s: interrupting roistat-etl (pid %d)", self.pipeline, child.pid)
            self._call_off()
            child.send_signal(signal.SIGTERM)

    def command(self) -> list[str]:
        """The command line. It holds no secret."""
        line = [self.binary, "run", "--config", self.config, "--json", "--progress", "log"]
        if self.deadline:
            line += ["--deadline", f"{self.deadline.total_seconds():g}s"]
        if self.budget:
            line += ["--budget", str(self.budget)]
        if self.metrics:
            line += ["--metrics-file", str(Path(self.metrics) / f"roistat_etl_{self.pipeline}.prom")]
        return [*line, self.pipeline]

    def _complete(self, environment: Mapping[str, str]) -> bool:
        """Tells, without a call, whether every client's feed was read. A mirror that isn't there yet has none."""
        line = [self.binary, "status", "--config", self.config, "--json", self.pipeline]
        try:
            asked = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=ASKING.total_seconds())
        except subprocess.TimeoutExpired:
            self.log.warning("%s: status gave no answer within %s", self.pipeline, ASKING)
            return False
        if asked.returncode:
            return False  # the run itself says better what is wrong
        feeds = json.loads(asked.stdout)["feeds"]
        return bool(feeds["live"] and not feeds["never_fetched"])

    def _audit(self, environment: Mapping[str, str]) -> None:
        """Audits what is published; damage is nothing that another run would mend."""
        code, stdout, last_words = self._run([self.binary, "verify", "--config", self.config, "--json", self.pipeline], environment)
        wrong = [finding["detail"] for finding in map(json.loads, stdout.splitlines()) if not finding["ok"]]
        if code in RETRY and not wrong:
            raise AirflowException(f"{self.pipeline}: published, but verify ended with exit code {code}: {last_words}")
        if code:
            raise AirflowFailException(f"{self.pipeline}: published, but verify finds damage: {'; '.join(wrong) or last_words}")

    def _run(self, line: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Runs the program; returns exit code, what it printed, and the last line of its log."""
        self.log.info("running %s", " ".join(line))
        last_words = ""
        # stdout goes to a file, so that reading stderr to its end can't block a program with much to report.
        with tempfile.TemporaryFile() as stdout, self._started(line, environment, stdout) as child:
            assert child.stderr is not None
            for raw in child.stderr:
                level, last_words = read_log(raw.decode(errors="replace").rstrip())
                self.log.log(level, "%s", last_words)
            code = child.wait()
            stdout.seek(0)
            return code, stdout.read(), last_words

    @contextmanager
    def _started(
        self, line: Sequence[str], environment: Mapping[str, str], stdout: IO[bytes]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Starts the program and sees to it that it has ended when the block is left, however that is."""
        child = subprocess.Popen(
            line, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True,
        )
        with guarded(child) as call_off:
            self._child, self._call_off = child, call_off
            try:
                yield child
            finally:
                self.on_kill()
                try:
                    child.wait(GRACE.total_seconds())
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                if child.stderr:
                    child.stderr.close()

    def _judge(self, code: int, report: Report | None, last_words: str) -> Report:
        """Turns exit code and report into the task's result or exception."""
        said = f"{self.pipeline}: exit code {code}: {summary(code, report) or last_words}"
        if code in NO_RETRY:
            raise AirflowFailException(said)
        if code not in (DONE, INCOMPLETE):
            raise AirflowException(said)
        if report is None:
            raise AirflowFailException(f"{said}: there is no report on stdout; is {self.binary} roistat-etl?")
        self.log.log(logging.WARNING if code == INCOMPLETE else logging.INFO, "%s", said)
        return report


class MissingConfigurationOperator(BaseOperator):
    """Fails. It stands in for pipelines that can't be told: a DAG that can't be read would go unnoticed."""

    def __init__(self, *, problem: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problem = problem

    def execute(self, context: Context) -> None:
        """Says what to do."""
        raise AirflowFailException(f"the DAG processor can't tell the pipelines: {self.problem}")


def summary(code: int, report: Report | None) -> str:
    """Says in a line what is worth knowing: what a gate saw, what is missing, what went wrong."""
    words = {**NO_RETRY, **RETRY, INCOMPLETE: "published, but not everything that was due"}
    if report is None:
        return ""
    gates = [
        f"gate {g['name']}: {g['value']:.2%} is above {g['limit']:.2%}; if that is right, run once with --accept {g['name']}"
        for g in report["gates"]
        if not g["passed"]
    ]
    feeds, rows = report["feeds"], sum(table["rows"] for table in report["tables"].values())
    facts = f"{feeds['fetched']} of {feeds['due']} feeds fetched, {rows} rows" if code in (DONE, INCOMPLETE) else ""
    return "; ".join(part for part in [words.get(code, "done"), facts, *gates, *report["reasons"], report["error"]] if part)


def secrets(connections: Sequence[str]) -> dict[str, str]:
    """The variables that the connections hold; later connections win, absent ones are passed over.

    Airflow masks what it hands out here, should it ever come up in a log.
    """
    found: dict[str, str] = {}
    for name in connections:
        try:
            connection = BaseHook.get_connection(name)
        except AirflowNotFoundException:
            continue
        if connection.password:
            found["ROISTAT_API_KEY"] = connection.password
        found |= {key: str(value) for key, value in connection.extra_dejson.items() if re.fullmatch(r"[A-Z][A-Z0-9_]*", key)}
    return found


def clean_environment() -> dict[str, str]:
    """The worker's environment without Airflow's configuration, which holds secrets of its own."""
    return {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW_")}


@contextmanager
def guarded(child: subprocess.Popen[bytes]) -> Iterator[Callable[[], None]]:
    """Has the program interrupted when the task's own process is killed; yields how to call the guard off.

    The guard is a shell that waits for a word. Where none comes, because whoever should say it is gone, it
    interrupts the program. A program that was interrupted already must not be a second time: it would end at once.
    """
    guard = subprocess.Popen(
        ["sh", "-c", 'read word || kill -TERM "$1"', "guard", str(child.pid)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    pipe = guard.stdin
    assert pipe is not None

    def call_off() -> None:
        with suppress(OSError):  # the guard is gone
            if not pipe.closed:
                pipe.write(b"done\n")
                pipe.close()

    try:
        yield call_off
    finally:
        call_off()
        guard.wait()


def read_log(line: str) -> tuple[int, str]:
    """Level and text of a line of the program's log, which is JSON; other lines are taken as they are."""
    try:
        told = json.loads(line)
        level, text = int(logging.getLevelName(told.pop("level"))), told.pop("msg")
    except (ValueError, TypeError, KeyError, AttributeError):
        return logging.INFO, line
    return level, " ".join([text, *(f"{key}={value}" for key, value in told.items() if key not in ("time", "pipeline"))])


def report_in(stdout: bytes) -> Report | None:
    """The report, which is the last line, or None where the program couldn't even begin."""
    lines = stdout.splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Settings:
    """What this machine sets; see the table above."""

    config: str
    binary: str
    deadline: timedelta
    budget: int
    schedule: str | None
    backfill_schedule: str | None
    metrics: str | None
    retry_delay: timedelta

    @classmethod
    def from_environment(cls) -> Settings:
        """Reads the environment; what isn't set has its default."""
        env = os.environ.get
        return cls(
            config=env("ROISTAT_ETL_CONFIG", "/etc/roistat-etl/pipelines.yaml"),
            binary=env("ROISTAT_ETL_BIN", "roistat-etl"),
            deadline=timedelta(seconds=float(env("ROISTAT_ETL_DEADLINE", "18000"))),
            budget=int(env("ROISTAT_ETL_BUDGET", "20000")),
            schedule=env("ROISTAT_ETL_SCHEDULE", "0 1 * * *") or None,
            backfill_schedule=env("ROISTAT_ETL_BACKFILL_SCHEDULE", "0 9 * * *") or None,
            metrics=env("ROISTAT_ETL_METRICS") or None,
            retry_delay=timedelta(seconds=float(env("ROISTAT_ETL_RETRY_DELAY", "600"))),
        )


@dataclass(frozen=True)
class Pipelines:
    """What the program tells of the configuration: names by project, in the order of the file, and what it can't tell."""

    by_project: dict[str, list[str]]
    problem: str = ""


def read_pipelines(settings: Settings) -> Pipelines:
    """Asks the program, which reads the file as it will when it runs: to other readers of YAML `no` is false and 010 is 8."""
    if not Path(settings.config).exists():
        return Pipelines({}, f"there is no {settings.config}: put it there, or let ROISTAT_ETL_CONFIG name it, there and for the workers")
    line = [settings.binary, "pipelines", "--config", settings.config]
    try:
        told = subprocess.run(
            line, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LISTING.total_seconds()
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        return Pipelines({}, f"{' '.join(line)}: {e}: let ROISTAT_ETL_BIN name the program, there and for the workers")
    projects: dict[str, list[str]] = {}
    problems: list[str] = []
    for pipeline in map(json.loads, told.stdout.splitlines()):
        if pipeline["error"]:
            problems.append(pipeline["error"])
        else:
            projects.setdefault(pipeline["project"], []).append(pipeline["pipeline"])
    if told.returncode and not problems:
        problems.append(told.stderr.strip() or f"{' '.join(line)}: exit code {told.returncode}")
    return Pipelines(projects, "; ".join(problems))


def pool_of(project: str) -> str:
    """The pool that guards a project's quota; it may serve as part of a task's id, too."""
    return "roistat_" + re.sub(r"[^A-Za-z0-9_.-]", "_", project)


def pools(settings: Settings) -> dict[str, dict[str, Any]]:
    """The pools, as `airflow pools import` reads them."""
    found = read_pipelines(settings)
    if found.problem:
        sys.exit(found.problem)
    return {
        pool_of(project): {"slots": 1, "description": f"The quota of Roistat project {project}", "include_deferred": False}
        for project in found.by_project
    }


def add_projects(settings: Settings, found: Pipelines, *, outlets: bool, **kwargs: Any) -> None:
    """Adds to the DAG at hand a task a project, mapped over its pipelines."""
    if found.problem:
        MissingConfigurationOperator(task_id="missing_configuration", problem=found.problem)
    for project, names in found.by_project.items():
        RoistatEtlOperator.partial(
            task_id=pool_of(project),
            pool=pool_of(project),
            config=settings.config,
            binary=settings.binary,
            deadline=settings.deadline,
            metrics=settings.metrics,
            execution_timeout=settings.deadline + PUBLISHING,
            connections=["roistat", pool_of(project)],
            map_index_template="{{ task.pipeline }}",
            outlets=[Asset(pool_of(project))] if outlets else [],
            **kwargs,
        ).expand(pipeline=names)


def make_dags(settings: Settings) -> tuple[DAG, DAG]:
    """The nightly DAG and the one of the backfill."""
    found = read_pipelines(settings)
    common: dict[str, Any] = {
        "start_date": datetime(2026, 1, 1),
        "catchup": False,
        "max_active_runs": 1,
        "max_active_tasks": 4,  # each takes some 300 MB at most
        "default_args": {"retries": 3, "retry_delay": settings.retry_delay},
        "tags": ["roistat"],
        "doc_md": __doc__,
    }
    with DAG("roistat_etl", schedule=settings.schedule, description="Roistat, every night", **common) as nightly:
        add_projects(settings, found, outlets=True)
    with DAG(
        "roistat_etl_backfill", schedule=settings.backfill_schedule, is_paused_upon_creation=True,
        description="Roistat's history, a budget of calls a day", **common,
    ) as backfill:
        add_projects(settings, found, outlets=False, budget=settings.budget, backfill=True, verify=False)
    return nightly, backfill


if __name__ == "__main__":
    json.dump(pools(Settings.from_environment()), sys.stdout, indent=2)
else:
    nightly, backfill = make_dags(Settings.from_environment())
