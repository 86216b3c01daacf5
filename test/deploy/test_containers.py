"""The Dockerfile and the Kubernetes manifests, by their linters, and that they say what the program expects.

`make test-image` builds and runs the image, where the machine allows that.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from stand import ETL, ROOT

SCRIPTS = Path(sys.executable).parent
CRONJOB = ROOT / "deploy/kubernetes/cronjob.yaml"


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([SCRIPTS / "hadolint", ROOT / "deploy/Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_kubernetes_knows_every_key() -> None:
    done = subprocess.run([SCRIPTS / "kubernetes-validate", "--strict", CRONJOB], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed for resource ") == 4


def test_the_job_fits_the_program(tmp_path: Path) -> None:
    documents: dict[str, Any] = {d["metadata"]["name"] if d["kind"] == "CronJob" else d["kind"]: d for d in yaml.safe_load_all(CRONJOB.read_text())}
    job = documents["roistat-etl"]["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert [rule["onExitCodes"]["values"] for rule in job["podFailurePolicy"]["rules"]] == [[3], [2, 4, 5]]
    assert job["template"]["spec"]["terminationGracePeriodSeconds"] > 10, "SIGTERM is answered within 10 s"
    assert container["securityContext"]["readOnlyRootFilesystem"] and job["template"]["spec"]["securityContext"]["runAsNonRoot"]
    config = tmp_path / "pipelines.yaml"
    config.write_text(documents["ConfigMap"]["data"]["pipelines.yaml"])
    arguments = [str(config) if a == "/etc/roistat-etl/pipelines.yaml" else a for a in container["args"]]
    tried = subprocess.run([ETL, *arguments], capture_output=True, text=True, check=False, env={})
    assert (tried.returncode, "ROISTAT_API_KEY, which is not set" in tried.stderr) == (2, True), tried.stderr
    audit = documents["roistat-etl-verify"]["spec"]["jobTemplate"]["spec"]
    (container,) = audit["template"]["spec"].pop("containers")
    assert container.pop("args") == ["verify", "--config", "/etc/roistat-etl/pipelines.yaml", "--json"] and audit["backoffLimit"] == 0
    (run,) = job["template"]["spec"].pop("containers")
    assert {k: v for k, v in run.items() if k != "args"} == container and job["template"] == audit["template"], "it works inside the same walls"
