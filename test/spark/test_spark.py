"""A snapshot read by Spark, for those whose questions outgrow one machine."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A published world; the link is resolved once, as every reader should."""
    place = tmp_path_factory.mktemp("spark")
    sim = subprocess.Popen([
        ROOT / "bin/roistat-sim", "serve", "--addr", "127.0.0.1:0", "--addr-file", place / "sim", "--key", "k",
        "--clients", "300", "--months", "6", "--seed", "5",
    ], stderr=subprocess.DEVNULL)
    try:
        for _ in range(1500):
            if (place / "sim").exists():
                break
            time.sleep(0.02)
        (place / "pipelines.yaml").write_text(f"""
version: 1
pipelines:
  - name: spark
    project: "12345"
    api: {{base_url: "http://{(place / 'sim').read_text().strip()}/api/v1", key: k, per_second: 2000, per_hour: 1000000}}
    extract: {{campaigns: [{{id: 2}}]}}
    load: [{{parquet: {{path: tables}}}}]
""")
        done = subprocess.run([ROOT / "bin/roistat-etl", "run", "-c", place / "pipelines.yaml", "--progress", "none"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        sim.terminate()
        sim.wait(timeout=30)
    return Path(os.path.realpath(place / "tables/current"))


@pytest.fixture(scope="module")
def spark(snapshot):
    session = (SparkSession.builder.master("local[2]").appName("snapshot")
               .config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
               .config("spark.sql.shuffle.partitions", "2").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate())
    for table in json.loads((snapshot / "_manifest.json").read_text())["tables"]:
        session.read.parquet(str(snapshot / table)).createOrReplaceTempView(table)
    yield session
    session.stop()


def test_every_table_has_its_rows(spark, snapshot):
    manifest = json.loads((snapshot / "_manifest.json").read_text())
    for table, entry in manifest["tables"].items():
        assert spark.table(table).count() == entry["rows"], table
    assert manifest["tables"]["visits"]["rows"] > 500


def test_months_are_the_manifest_s(spark, snapshot):
    files = json.loads((snapshot / "_manifest.json").read_text())["tables"]["visits"]["files"]
    months = {str(r["month"]): r["count"] for r in spark.table("visits").groupBy("month").count().collect()}
    assert months == {f["partition"]: f["rows"] for f in files}


def test_types(spark):
    kinds = dict(spark.table("orders").dtypes)
    assert kinds["revenue"] == "decimal(18,2)" and kinds["fields"] == "map<string,string>"
    assert kinds["client_id"] == "bigint" and kinds["occurred_at"] == "timestamp" and kinds["month"] == "string"


def test_a_question(spark):
    rows = spark.sql("""
        SELECT v.source_title, count(DISTINCT o.client_id) AS buyers, sum(o.revenue) AS revenue
        FROM orders o JOIN visits v ON v.client_id = o.client_id AND v.occurred_at <= o.occurred_at
        WHERE o.month >= '2000-01' GROUP BY 1 ORDER BY revenue DESC NULLS LAST
    """).collect()
    assert len(rows) > 1 and rows[0]["buyers"] > 0 and rows[0]["revenue"].as_tuple().exponent == -2
