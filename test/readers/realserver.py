"""The real ClickHouse of the tests, read over HTTP as somebody else's client reads it."""

import base64
import json
import subprocess
import time
import urllib.request
from pathlib import Path

import contract

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".clickhouse" / "server"
PASSWORD = "secret"  # of the server's users


def wait_for(path, process):
    """The words of a file that a program writes once it listens."""
    for _ in range(3000):
        if path.exists():
            return path.read_text().split()
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


class ClickHouse:
    """A server with one database of ours."""

    def __init__(self, folder: Path, database: str):
        self.folder, self.database = folder, database

    def __enter__(self):
        self.process = subprocess.Popen([SERVER, "--dir", self.folder / "clickhouse", "--addr-file", self.folder / "clickhouse.addr"])
        try:
            self.native, self.web = wait_for(self.folder / "clickhouse.addr", self.process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def load(self) -> dict:
        """The destination as a pipeline's configuration has it."""
        return {"clickhouse": {"url": f"clickhouse://etl@{self.native}/{self.database}", "password": PASSWORD}}

    def ask(self, query: str) -> list[tuple]:
        """The rows of a question: integers as they are, decimals as they are written."""
        settings = "output_format_json_quote_64bit_integers=0&output_format_json_quote_decimals=1&output_format_decimal_trailing_zeros=1"
        request = urllib.request.Request(
            f"http://{self.web}/?database={self.database}&{settings}", data=(query + " FORMAT JSONCompactEachRow").encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(f"bi:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request) as answer:
            return [tuple(json.loads(line)) for line in answer.read().decode().splitlines()]

    def rows(self, table: contract.Table) -> list[dict]:
        """The rows of a table, spelt as the truth spells them."""
        spell = {"time": lambda v: v.replace(" ", "T") + "Z"}
        names = [c.name for c in table.columns]
        kinds = table.kinds()
        found = self.ask("SELECT " + ", ".join(f"`{n}`" for n in names) + f" FROM {table.name}")
        return [{n: v if v is None else spell.get(kinds[n], lambda v: v)(v) for n, v in zip(names, row)} for row in found]
