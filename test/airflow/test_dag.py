"""deploy/airflow in a real Airflow: scheduler, DAG processor and API server, against the real program.

One night holds every exit code, and tasks that are killed. Airflow is started once; the tests look at what came.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stand import ETL, ROOT, Airflow, DagRun, Sim, await_, parent, processes

DAG_FILE = ROOT / "deploy/airflow/roistat_etl.py"
KEY = "a-key-that-nobody-may-see"
CLIENTS = 80

CONFIG = """
version: 1
defaults:
  project: "12345"
  api: {{key: "${{ROISTAT_API_KEY}}", per_second: 100000, per_hour: 10000000, concurrency: 1, max_attempts: 1}}
pipelines:
  - {{name: ok, api: {{base_url: "{good}"}}, load: [{{parquet: {{path: ok}}}}]}}
  - {{name: ok2, api: {{base_url: "{good}"}}, load: [{{parquet: {{path: ok2}}}}]}}
  - {{name: partial, project: "777", api: {{base_url: "{good}"}}, extract: {{refresh: {{budget: 10}}}}, load: [{{parquet: {{path: partial}}}}]}}
  - {{name: unset, project: "2", api: {{base_url: "{good}", key: "${{NOBODY_SETS_THIS}}"}}, load: [{{parquet: {{path: unset}}}}]}}
  - {{name: refused, project: "99999", api: {{base_url: "{good}"}}, load: [{{parquet: {{path: refused}}}}]}}
  - {{name: gated, project: "5", api: {{base_url: "{bad}"}}, load: [{{parquet: {{path: gated}}}}]}}
  - {{name: away, project: "1", api: {{base_url: "{away}"}}, load: [{{parquet: {{path: away}}}}]}}
  - {{name: killed, project: "137", api: {{base_url: "{killed}", per_second: 10}}, load: [{{parquet: {{path: killed}}}}]}}
  - {{name: stopped, project: "143", api: {{base_url: "{stopped}", per_second: 10}}, load: [{{parquet: {{path: stopped}}}}]}}
"""

# A DAG of one's own, as a reader of the operator's documentation would write it.
LATE = """
from datetime import timedelta
from airflow.sdk import DAG
from roistat_etl import RoistatEtlOperator

with DAG("late", schedule=None):
    RoistatEtlOperator(task_id="late", pipeline="late", config="{config}", binary="{binary}",
                       execution_timeout=timedelta(seconds=4), connections=["roistat", "roistat_12345"])
"""


@dataclass
class Night:
    """What a night left: the DAG run, its tasks by pipeline, and the command lines and environments seen."""

    airflow: Airflow
    run: DagRun
    tasks: dict[str, dict[str, Any]]
    sims: dict[str, Sim]
    data: Path
    late: DagRun
    lines: set[str] = field(default_factory=set)
    environments: list[bytes] = field(default_factory=list)


def child_of(pipeline: str, data: Path) -> int | None:
    """The pid of the program that runs a pipeline of this test."""
    config = str(data / "pipelines.yaml")
    return next((pid for pid, line in processes().items() if line[:1] == [str(ETL)] and line[-1] == pipeline and config in line), None)


def strike(sim: Sim, pipeline: str, data: Path, sig: signal.Signals) -> None:
    """Signals the task's own process when half of the feeds are read, and sees the program end with it."""
    await_(f"half of {pipeline}", lambda: sim.stats()["feeds"]["distinct"] >= CLIENTS / 2)
    pid = child_of(pipeline, data)
    assert pid, f"{pipeline} is not running"
    os.kill(parent(pid), sig)
    await_(f"the end of {pipeline}'s program", lambda: not Path(f"/proc/{pid}").exists(), within=15)
    assert sim.stats()["feeds"]["distinct"] < CLIENTS, "it was left to run to its end"


def watch(night: Night, done: threading.Event) -> None:
    """Collects what other users of the machine can see, and the environment of the program."""
    while not done.wait(0.05):
        for pid, line in processes().items():
            if line[:1] == [str(ETL)] and str(night.data / "pipelines.yaml") in line:
                night.lines.add(" ".join(line))
                try:
                    night.environments.append(Path(f"/proc/{pid}/environ").read_bytes())
                except OSError:
                    pass  # it ended meanwhile


@pytest.fixture(scope="module")
def sims() -> Iterator[dict[str, Sim]]:
    world = ("--clients", str(CLIENTS), "--months", "1", "--whale=false", "--key", KEY)
    found = {
        "good": Sim(*world, "--project", "12345,777,2"),
        "bad": Sim(*world, "--project", "5", "--fault", "kind=gateway,method=feed"),
        "away": Sim(*world, "--project", "1", "--fault", "kind=gateway,method=list,times=1"),
        "killed": Sim(*world, "--project", "137"),
        "stopped": Sim(*world, "--project", "143"),
        "late": Sim(*world, "--project", "12345", "--fault", "kind=delay,method=feed,n=2000"),
    }
    yield found
    for sim in found.values():
        sim.stop()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, sims: dict[str, Sim]) -> Iterator[Night]:
    home, data = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("data")
    urls = {name: sim.base_url for name, sim in sims.items()}
    (data / "pipelines.yaml").write_text(CONFIG.format(**urls))
    (data / "late").mkdir()
    (data / "late/pipelines.yaml").write_text(json.dumps({"version": 1, "pipelines": [{
        "name": "late", "project": "12345", "api": {"base_url": urls["late"], "key": "${ROISTAT_API_KEY}"},
        "load": [{"parquet": {"path": "tables"}}],
    }]}))
    (home / "dags").mkdir()
    shutil.copy(DAG_FILE, home / "dags")
    (home / "dags/late.py").write_text(LATE.format(config=data / "late/pipelines.yaml", binary=ETL))

    # roistat-etl must not need the shell's variables, and the key is in the connection alone.
    secret = {"conn_type": "generic", "password": KEY, "extra": {"CH_PASSWORD": "another-secret"}}
    airflow = Airflow(
        home, ROISTAT_ETL_CONFIG=str(data / "pipelines.yaml"), ROISTAT_ETL_BIN=str(ETL), ROISTAT_ETL_BUDGET="15",
        ROISTAT_ETL_SCHEDULE="", ROISTAT_ETL_BACKFILL_SCHEDULE="", ROISTAT_ETL_RETRY_DELAY="1",
        ROISTAT_ETL_METRICS=str(data),
        AIRFLOW_CONN_ROISTAT=json.dumps({**secret, "password": "not-this-one"}),
        **{f"AIRFLOW_CONN_ROISTAT_{project}": json.dumps(secret) for project in ("12345", "777", "99999", "5", "1", "137", "143")},
    )
    airflow.run("db", "migrate")
    try:
        airflow.start()
        made = subprocess.run([sys.executable, DAG_FILE], env=airflow.env, capture_output=True, check=True).stdout
        (home / "pools.json").write_bytes(made)
        airflow.run("pools", "import", str(home / "pools.json"))
        airflow.log_in()
        yield spend(airflow, sims, data)
    finally:
        airflow.stop()


def spend(airflow: Airflow, sims: dict[str, Sim], data: Path) -> Night:
    """The night itself: all pipelines at once, two of them struck."""
    run, late = airflow.trigger("roistat_etl"), airflow.trigger("late")
    night, done = Night(airflow, run, {}, sims, data, late), threading.Event()
    watcher = threading.Thread(target=watch, args=(night, done))
    watcher.start()
    try:
        strike(sims["killed"], "killed", data, signal.SIGKILL)
        strike(sims["stopped"], "stopped", data, signal.SIGTERM)
        await_("the end of the night", run.ended)
        await_("the end of late", late.ended)
        night.tasks = run.tasks()
    finally:
        done.set()
        watcher.join()
    return night


EXPECTED = {
    "ok": ("success", 1, 0, "ok"),
    "ok2": ("success", 1, 0, "ok"),
    "partial": ("success", 1, 3, "partial"),
    "unset": ("failed", 1, None, None),
    "refused": ("failed", 1, 4, "refused"),
    "gated": ("failed", 1, 5, "gated"),
    "away": ("success", 2, 0, "ok"),
    "killed": ("success", 2, 0, "ok"),
    "stopped": ("success", 2, 0, "ok"),
}


def test_a_task_a_pipeline(night: Night) -> None:
    assert set(night.tasks) == set(EXPECTED)
    assert {name: task["pool"] for name, task in night.tasks.items()} == {
        "ok": "roistat_12345", "ok2": "roistat_12345", "partial": "roistat_777", "unset": "roistat_2", "refused": "roistat_99999", "gated": "roistat_5",
        "away": "roistat_1", "killed": "roistat_137", "stopped": "roistat_143",
    }


def test_one_run_a_project_at_a_time(night: Night) -> None:
    first, second = sorted((night.tasks["ok"], night.tasks["ok2"]), key=lambda task: task["start_date"])
    assert first["end_date"] <= second["start_date"], "their pool has one slot"


@pytest.mark.parametrize("pipeline", EXPECTED)
def test_exit_codes_become_states(night: Night, pipeline: str) -> None:
    state, attempts, code, outcome = EXPECTED[pipeline]
    task = night.tasks[pipeline]
    assert (task["state"], task["try_number"]) == (state, attempts), night.run.log(task, task["try_number"])
    report = night.run.report(task)
    assert (report and report["exit_code"], report and report["outcome"]) == (code, outcome)


def test_logs_say_what_to_know(night: Night) -> None:
    def last(pipeline: str, attempt: int = 1) -> str:
        return night.run.log(night.tasks[pipeline], attempt)

    assert "gate max_failed_clients: 100.00% is above 1.00%" in last("gated") and "--accept max_failed_clients" in last("gated")
    assert "NOBODY_SETS_THIS" in last("unset")
    assert "exit code 4: refused by the API for good" in last("refused")
    assert "exit code 3: published, but not everything that was due" in last("partial") and '"warning"' in last("partial")
    assert "exit code 1: failed" in last("away")
    assert "exit code 130: interrupted" in last("stopped")
    assert f"exit code 0: done; {CLIENTS} of {CLIENTS} feeds fetched, " in last("ok")


@pytest.mark.parametrize("pipeline", ["killed", "stopped"])
def test_a_retry_goes_on_where_the_run_stopped(night: Night, pipeline: str) -> None:
    feeds = night.sims[pipeline].stats()["feeds"]
    assert feeds["distinct"] == CLIENTS
    assert feeds["repeated"] <= 1, "only the call in flight may be asked again, and concurrency is 1"
    report = night.run.report(night.tasks[pipeline])
    assert report and report["feeds"]["fetched"] <= CLIENTS / 2, "the retry read what was left"
    assert report["feeds"]["never_fetched"] == 0


def test_each_pipeline_leaves_its_metrics(night: Night) -> None:
    metrics = (night.data / "roistat_etl_gated.prom").read_text()
    assert 'roistat_etl_exit_code{pipeline="gated"} 5' in metrics and 'pipeline="ok"' not in metrics


def test_time_out_leaves_nobody_behind(night: Night) -> None:
    task = night.late.tasks()["late[-1]"]
    assert task["state"] == "failed"
    assert "interrupting roistat-etl" in night.late.log(task, 1)
    assert child_of("late", night.data / "late") is None


def test_secrets_stay_secret(night: Night) -> None:
    assert night.lines and not any(KEY in line for line in night.lines)
    with_key = [e for e in night.environments if f"ROISTAT_API_KEY={KEY}\0".encode() in e]
    assert with_key and all(b"CH_PASSWORD=another-secret\0" in e and b"AIRFLOW_" not in e for e in with_key)
    told = [path for path in night.airflow.home.rglob("*.log") if KEY in path.read_text(errors="replace")]
    assert not told
    assert not any(sim.stats()["key_in_url"] for sim in night.sims.values())


def test_without_a_configuration_the_dags_stand_and_say_so(tmp_path: Path) -> None:
    code = """
from datetime import timedelta
import roistat_etl
from airflow.sdk.exceptions import AirflowFailException
for dag in (roistat_etl.nightly, roistat_etl.backfill):
    (task,) = dag.tasks
    try:
        task.execute.__wrapped__(task, {})
    except AirflowFailException as e:
        print(e)
try:
    roistat_etl.RoistatEtlOperator(task_id="t", pipeline="p", config="c", deadline=timedelta(hours=2), execution_timeout=timedelta(hours=1))
except ValueError as e:
    print(e)
"""
    env = {**os.environ, "PYTHONPATH": str(DAG_FILE.parent), "ROISTAT_ETL_CONFIG": "/nonexistent.yaml", "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.count("there is no /nonexistent.yaml") == 2, done.stdout + done.stderr
    assert "execution_timeout 1:00:00 must be above the deadline 2:00:00" in done.stdout


NORWAY = """
version: 1
defaults:
  project: 12345
  api: {per_hour: 100, key: "${ROISTAT_API_KEY}"}
pipelines:
  - {name: no, load: [{parquet: {path: a}}]}
  - {name: 010, load: [{parquet: {path: b}}]}
  - {name: 8, project: "010", load: [{parquet: {path: c}}]}
  - {name: 1_000, project: "${P:-444}", load: [{parquet: {path: d}}]}
  - {name: on, project: "${Q}", load: [{parquet: {path: e}}]}
"""


def ask_dag(tmp_path: Path, code: str, **env: str) -> str:
    """What a piece of code prints that has the DAGs before it."""
    (tmp_path / "pipelines.yaml").write_text(NORWAY)
    env = {
        **{k: v for k, v in os.environ.items() if k not in ("P", "Q")}, "PYTHONPATH": str(DAG_FILE.parent), "AIRFLOW_HOME": str(tmp_path),
        "ROISTAT_ETL_CONFIG": str(tmp_path / "pipelines.yaml"), "ROISTAT_ETL_BIN": str(ETL), **env,
    }
    done = subprocess.run([sys.executable, "-c", "import roistat_etl\n" + code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


TASKS = """
print({t.task_id: [k["pipeline"] for k in [{"pipeline": p} for p in t.expand_input.value["pipeline"]]] for t in roistat_etl.nightly.tasks if t.task_id != "missing_configuration"},
      [t.problem for t in roistat_etl.nightly.tasks if t.task_id == "missing_configuration"])
"""


def test_names_and_projects_are_as_the_program_reads_them(tmp_path: Path) -> None:
    told = ask_dag(tmp_path, TASKS, Q="777")
    assert told == "{'roistat_12345': ['no', '010'], 'roistat_010': ['8'], 'roistat_444': ['1_000'], 'roistat_777': ['on']} []"
    assert list(json.loads(ask_dag(tmp_path, "import json; print(json.dumps(roistat_etl.pools(roistat_etl.Settings.from_environment())))", Q="777"))) == [
        "roistat_12345", "roistat_010", "roistat_444", "roistat_777",
    ]


def test_what_cannot_be_told_fails_and_the_rest_runs(tmp_path: Path) -> None:
    told = ask_dag(tmp_path, TASKS)
    assert "'roistat_444': ['1_000']}" in told and "pipelines.yaml:11:" in told and "Q" in told
    told = ask_dag(tmp_path, TASKS, ROISTAT_ETL_BIN="/nonexistent/roistat-etl")
    assert told.startswith("{} [") and "ROISTAT_ETL_BIN" in told
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    told = ask_dag(tmp_path, "import datetime; roistat_etl.LISTING = datetime.timedelta(milliseconds=100)\n"
                   f"import dataclasses; print(roistat_etl.read_pipelines(dataclasses.replace(roistat_etl.Settings.from_environment(), binary='{silent}')))")
    assert "timed out" in told


def test_the_backfill_reads_its_budget_and_skips_what_is_whole(night: Night) -> None:
    run = night.airflow.trigger("roistat_etl_backfill")
    await_("the end of the backfill", run.ended)
    tasks = run.tasks()
    assert {name for name, task in tasks.items() if task["state"] == "skipped"} == {"ok", "ok2", "away", "killed", "stopped"}
    report = run.report(tasks["partial"])
    assert report and (report["feeds"]["fetched"], report["feeds"]["never_fetched"]) == (15, CLIENTS - 25)


def test_damage_fails_the_task(night: Night) -> None:
    file = next((night.data / "ok/current/visits").resolve().rglob("*.parquet"))
    spoilt = bytearray(file.read_bytes())
    spoilt[40] ^= 1
    file.write_bytes(spoilt)
    run = night.airflow.trigger("roistat_etl")
    await_("the end of the next night", run.ended)
    task = run.tasks()["ok"]
    assert (task["state"], task["try_number"]) == ("failed", 1)
    said = run.log(task, 1)
    assert str(file) in said and "roistat-etl verify --repair ok" in said and "verify finds damage" in said
    assert run.tasks()["ok2"]["state"] == "success"
