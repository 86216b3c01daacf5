"""Small snapshots made by hand, right in everything, for tests to spoil."""

import hashlib
import json
import os
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

import contract
import laws

PROJECT = "12345"
FUNNEL = """
CREATE VIEW client_journey AS SELECT client_id FROM visits{union};
CREATE VIEW orders_attributed AS SELECT * FROM orders;
CREATE VIEW daily_funnel AS SELECT (SELECT count(*) FROM visits) AS visits,
  (SELECT count(*) FROM orders) AS orders, (SELECT sum(revenue) FROM orders) AS revenue;
"""
UNSPELL = {
    "money": Decimal,
    "time": lambda v: datetime.fromisoformat(v.replace("Z", "+00:00")),
    "date": date.fromisoformat,
    "map": lambda v: sorted(v.items()),
}


def event(table: str, client: int, at: str, n: int = 0, **own) -> dict:
    """A row of an event table with its event_id; columns not given are null."""
    t = contract.BY_NAME[table]
    row = {c.name: {} if c.kind == "map" else None for c in t.columns}
    row |= {"project": PROJECT, "client_id": client, "occurred_at": at} | own
    key = [row[c] for c in t.id_columns]
    row["event_id"] = laws.event_id(t.event or row["type"], client, key, n)
    return row


def world() -> dict[str, list[dict]]:
    """A few rows of each kind of value."""
    noon, later = "2025-01-31T12:00:00.000Z", "2025-02-01T00:00:00.001Z"
    tables = {t.name: [] for t in contract.TABLES}
    tables["visits"] = [
        event("visits", 7, noon, visit_id="1", source_id="ad", is_mobile=True),
        event("visits", 8, noon, visit_id="1", source_id="", is_mobile=False),
        event("visits", 8, later, visit_id="2"),
    ]
    tables["orders"] = [
        event("orders", 7, later, order_id="o1", revenue="12.50", cost="0.00", fields={"Менеджер": "Яна", "a": "1"},
              visits_before=1, first_visit_id="1", first_visit_at=noon),
    ]
    tables["order_status_changes"] = [
        event("order_status_changes", 7, later, n, order_id="o1", status="2") for n in (0, 1)
    ]
    tables["order_cost_changes"] = [event("order_cost_changes", 7, later, order_id="o1", cost=None)]
    tables["calls"] = [event("calls", 7, noon, duration_seconds=61, status="ANSWER")]
    tables["other_events"] = [event("other_events", 8, noon, type="новое", raw="{}")]
    tables["clients"] = [client(7, birth_date="1990-02-28", revenue="12.50"), client(8, name="")]
    tables["campaign_contacts"] = [
        {"project": PROJECT, "campaign_id": 2, "contact": "a@b.c", "metric": "sent", "emails": 3}
    ]
    tables["rejects"] = [reject("campaign", None, 4, None, "not_object"), reject("feed", 8, 1, "device", "bad_value")]
    return tables


def client(number: int, **own) -> dict:
    row = {c.name: None for c in contract.BY_NAME["clients"].columns}
    return row | {"project": PROJECT, "client_id": number, "first_seen_at": "2025-03-01T00:00:00.000Z"} | own


def reject(source, number, ordinal, field, reason) -> dict:
    row = {"project": PROJECT, "source": source, "client_id": number, "ordinal": ordinal}
    return row | {"type": "visit", "field": field, "reason": reason, "raw": "x"}


def publish(root, tables: dict[str, list[dict]], **writer):
    """Writes a snapshot with the rows and returns the folder that holds `current`."""
    run = "20250301T010203Z-1a2b3c"
    snap = root / "snapshots" / run
    entries = {}
    for t in contract.TABLES:
        files = [write(snap, t, month, rows, writer) for month, rows in parts(t, tables[t.name])]
        entries[t.name] = {"version": 1, "rows": len(tables[t.name]), "files": files}
    manifest = {"schema": 1, "run": run, "pipeline": "p", "project": PROJECT, "mirror": "m", "tables": entries}
    (snap / "_manifest.json").write_text(json.dumps(manifest))
    (snap / "views.sql").write_text(views(snap, entries))
    (root / "current").symlink_to(f"snapshots/{run}")
    return root


def parts(table, rows):
    """The rows by month, in order; a table of events without any has month none."""
    if not table.is_events:
        return [("", rows)]
    months = sorted({r["occurred_at"][:7] for r in rows}) or ["none"]
    return [(m, sorted((r for r in rows if r["occurred_at"].startswith(m)), key=place)) for m in months]


def place(row):
    return row["client_id"], row["occurred_at"], row["event_id"]


def write(snap, table, month, rows, writer) -> dict:
    folder = f"{table.name}/month={month}" if month else table.name
    (snap / folder).mkdir(parents=True)
    path = f"{folder}/part-0000.parquet"
    options = {"compression": "zstd", "store_schema": False, "data_page_version": "1.0"}
    options["use_dictionary"] = [c.name for c in table.columns if c.kind == "enum"]
    pq.write_table(arrow(table, rows), snap / path, **(options | writer))
    data = (snap / path).read_bytes()
    sums = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "digest": "0" * 32}
    return {"path": path, "partition": month, "rows": len(rows)} | sums


def arrow(table, rows) -> pa.Table:
    schema = pa.schema([pa.field(c.name, contract.ARROW[c.kind], c.nullable) for c in table.columns])
    kinds = table.kinds()
    keep = {k: UNSPELL.get(kinds[k], lambda v: v) for k in schema.names}
    return pa.Table.from_pylist(
        [{k: None if r[k] is None else keep[k](r[k]) for k in keep} for r in rows], schema=schema
    )


def views(snap, entries) -> str:
    out = []
    for name, entry in entries.items():
        paths = ", ".join(f"'{os.path.join(snap, f['path'])}'" for f in entry["files"])
        out.append(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{paths}], hive_partitioning = false);")
    union = "".join(f" UNION ALL SELECT client_id FROM {t.name}" for t in contract.EVENTS[1:])
    return "\n".join(out) + FUNNEL.format(union=union)


def truth(root, tables: dict[str, list[dict]], leave_out=("extra", "raw", "first_seen_at")):
    """Writes the truth as roistat-sim does: NDJSON, a file a table."""
    root.mkdir(exist_ok=True)
    for name, rows in tables.items():
        lines = (json.dumps({k: v for k, v in r.items() if k not in leave_out}, ensure_ascii=False) for r in rows)
        (root / f"{name}.ndjson").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return root
