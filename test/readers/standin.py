"""The two programs, run as a user runs them: roistat-sim serves a world, and
roistat-etl brings it into tables."""

import json
import subprocess
import time
import urllib.request
from decimal import Decimal, InvalidOperation
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT, KEY = "12345", "test-key"
METRICS = ["sent", "delivered", "opened", "click", "unsubscribe", "spam"]
CAMPAIGNS = [1, 2, 3]
STARTS_WITHIN = 30  # seconds


def program(name: str) -> str:
    path = ROOT / "bin" / name
    assert path.exists(), f"{path} is not built: make build"
    return str(path)


class StandIn:
    """A world served on a free port, and a pipeline that reads it."""

    def __init__(self, folder: Path, *world: str):
        self.folder, self.world, self.nights = folder, world, 0
        self.tables = folder / "tables"
        self.config = folder / "pipelines.yaml"

    def __enter__(self):
        addr = self.folder / "addr"
        args = ["--addr", "127.0.0.1:0", "--addr-file", addr, "--key", KEY, "--project", PROJECT, *self.world]
        with open(self.folder / "sim.log", "w") as log:
            self.process = subprocess.Popen([program("roistat-sim"), "serve", *map(str, args)], stdout=log, stderr=log)
        until = time.monotonic() + STARTS_WITHIN
        while not addr.exists():
            assert self.process.poll() is None, (self.folder / "sim.log").read_text()
            assert time.monotonic() < until, "roistat-sim does not listen"
            time.sleep(0.02)
        self.url = f"http://{addr.read_text().strip()}"
        self.config.write_text(json.dumps(self.pipelines()))  # JSON is YAML
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=STARTS_WITHIN)

    def pipelines(self) -> dict:
        api = {"base_url": self.url + "/api/v1", "key": KEY, "concurrency": 16}
        pipeline = {
            "name": "readers",
            "project": PROJECT,
            "api": api | {"per_second": 100_000, "per_hour": 10_000_000},
            "extract": {"campaigns": [{"id": c, "metrics": METRICS} for c in CAMPAIGNS]},
            "mirror": "mirror.db",
            "load": [{"parquet": {"path": "tables"}}],
        }
        return {"version": 1, "pipelines": [pipeline]}

    def run(self, *args: str) -> dict:
        """Runs the pipeline, which must end well, and returns its report."""
        cmd = [program("roistat-etl"), "run", "-c", str(self.config), "--progress", "none", "--json", *args]
        done = subprocess.run(cmd, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def night(self):
        """Moves the world on by a night."""
        self.nights += 1
        self.call("/_sim/night?n=1", data=b"")

    def truth(self) -> Path:
        """What correct tables hold now, a file a table."""
        out = self.folder / f"truth-{self.nights}"
        args = [*self.world, "--project", PROJECT, "--nights", str(self.nights), "--out", str(out)]
        subprocess.run([program("roistat-sim"), "truth", *args], check=True)
        return out

    def items(self) -> int:
        """How many items the feeds of all listed clients have, counted by asking for each."""
        return sum(len(self.feed(c)) for c in self.clients())

    def clients(self) -> set[int]:
        ids, offset = set(), 0
        while True:
            ask = json.dumps({"limit": 1000, "offset": offset}).encode()
            page = self.call(f"/api/v1/project/clients?project={PROJECT}", data=ask)["clients"]
            if not page:
                return ids
            offset += len(page)
            ids |= {client_id(r.get("id")) for r in page if isinstance(r, dict)} - {None}

    def feed(self, client: int) -> list:
        return self.call(f"/api/v1/project/clients/detail/feed?project={PROJECT}&client={client}")["feed"]

    def call(self, path: str, data: bytes | None = None):
        headers = {"Api-key": KEY, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body.strip() else None


def client_id(value) -> int | None:
    """A client's id, however a whole number is spelt; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and number == number.to_integral_value() else None
