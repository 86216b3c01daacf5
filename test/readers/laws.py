"""What must hold within a snapshot, whatever the truth was."""

import hashlib
from collections import Counter

import contract
from contract import BY_NAME, EVENTS, ID_DIGITS, SEPARATOR
from snapshot import Snapshot
from values import rows


def event_id(event: str, client: int, key: list, n: int) -> str:
    parts = [event, str(client), *("" if k is None else str(k) for k in key), str(n)]
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()[:ID_DIGITS]


def id_problems(table: contract.Table, found: list[dict]):
    """Every event_id must be the digest of its key and of a number among equal
    keys of its client that counts from 0. Which of several equal events got
    which number is not looked into."""
    count = Counter(r["event_id"] for r in found)
    for i, n in count.items():
        if n > 1:
            yield f"{table.name}: event_id {i} stands on {n} rows"
    seen = Counter()
    expected, names = set(), {}
    for r in found:
        key = (table.event or r["type"], r["client_id"], *(r[c] for c in table.id_columns))
        expected.add(event_id(key[0], key[1], list(key[2:]), seen[key]))
        names[r["event_id"]] = key
        seen[key] += 1
    for i in sorted(names.keys() - expected):
        yield f"{table.name}: event_id {i} is not the digest of {names[i]!r}"


def conservation(tables: dict[str, list[dict]], items: int):
    """No item of a feed is lost or counted twice."""
    events = sum(len(tables[t.name]) for t in EVENTS)
    rejected = sum(r["source"] == "feed" and r["field"] is None for r in tables["rejects"])
    if events + rejected != items:
        yield f"law of conservation: {events} events + {rejected} rejected items are not {items} items"


def view_problems(snap: Snapshot, tables: dict[str, list[dict]]):
    """The views of views.sql must count what the tables hold."""
    con = snap.duckdb()

    def ask(sql):
        return con.execute(sql).fetchone()[0]

    total = sum(len(tables[t.name]) for t in EVENTS)
    checks = [
        ("client_journey has every event", "SELECT count(*) FROM client_journey", total),
        ("orders_attributed has every order", "SELECT count(*) FROM orders_attributed", len(tables["orders"])),
        ("daily_funnel counts every visit", "SELECT coalesce(sum(visits), 0) FROM daily_funnel", len(tables["visits"])),
        ("daily_funnel counts every order", "SELECT coalesce(sum(orders), 0) FROM daily_funnel", len(tables["orders"])),
        ("daily_funnel sums the revenue", "SELECT coalesce(sum(revenue), 0) FROM daily_funnel",
         ask("SELECT coalesce(sum(revenue), 0) FROM orders")),
    ]
    for what, sql, want in checks:
        got = ask(sql)
        if got != want:
            yield f"views: {what}: {got} instead of {want}"


def reader_problems(snap: Snapshot, tables: dict[str, list[dict]]):
    """A folder opened as a dataset must have the same rows, and the month as a text."""
    for table in EVENTS:
        data = snap.dataset(table.name)
        if data.count_rows() != len(tables[table.name]):
            yield f"{table.name}: the folder has {data.count_rows()} rows, the manifest's files {len(tables[table.name])}"
        month = data.schema.field("month").type
        if str(month) not in ("string", "dictionary<values=string, indices=int32, ordered=0>"):
            yield f"{table.name}: pyarrow reads the month as {month}"


def ids(tables: dict[str, list[dict]]):
    for table in EVENTS:
        yield from id_problems(table, tables[table.name])


def read(snap: Snapshot) -> dict[str, list[dict]]:
    """All tables through pyarrow."""
    return {name: rows(table, snap.arrow(name)) for name, table in BY_NAME.items()}


def read_duckdb(snap: Snapshot) -> dict[str, list[dict]]:
    """All tables through DuckDB."""
    con = snap.duckdb()
    return {name: rows(table, con.sql(f"SELECT * FROM {name}").to_arrow_table()) for name, table in BY_NAME.items()}
