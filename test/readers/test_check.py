"""The checker must pass a right snapshot and name each thing that is wrong."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contract
import madeup
import snapshot
from check import check
from layout import page_problems

ITEMS = 9  # rows in the event tables of the made-up world; none of its rejects is an item


def test_a_right_snapshot_has_no_problem(tmp_path, tables, truth):
    assert check(madeup.publish(tmp_path, tables), truth, items=ITEMS) == []


def test_no_row_at_all_has_no_problem(tmp_path):
    none = {t.name: [] for t in contract.TABLES}
    assert check(madeup.publish(tmp_path, none), madeup.truth(tmp_path / "none", none), items=0) == []


WRONG_ROWS = {
    "a changed text": ("visits", 0, {"source_id": "at"}, "source_id: truth 'ad', table 'at'"),
    "null for an empty text": ("visits", 1, {"source_id": None}, "source_id: truth '', table None"),
    "an amount a hundredth off": ("orders", 0, {"revenue": "12.51"}, "revenue: truth '12.50', table '12.51'"),
    "null for nought": ("orders", 0, {"cost": None}, "cost: truth '0.00', table None"),
    "a lost key of a map": ("orders", 0, {"fields": {"a": "1"}}, "fields: truth {"),
    "a bool turned round": ("visits", 0, {"is_mobile": False}, "is_mobile: truth True, table False"),
    "a date a day off": ("clients", 0, {"birth_date": "1990-03-01"}, "birth_date: truth '1990-02-28'"),
    "another reason": ("rejects", 1, {"reason": "bad_money"}, "reason: truth 'bad_value', table 'bad_money'"),
    "a count one off": ("campaign_contacts", 0, {"emails": 4}, "emails: truth 3, table 4"),
    "a millisecond lost": ("orders", 0, {"first_visit_at": "2025-01-31T12:00:00.001Z"}, "first_visit_at: truth"),
}


@pytest.mark.parametrize("table, row, change, says", WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_a_wrong_row_is_found_by_both_readers(tmp_path, tables, truth, table, row, change, says):
    tables[table][row] |= change
    problems = check(madeup.publish(tmp_path, tables), truth, items=ITEMS)
    assert len(problems) == 2
    for problem, reader in zip(problems, ("pyarrow: ", "DuckDB: ")):
        assert problem.startswith(reader + table + "[")
        assert says in problem


def test_a_lost_row_is_found(tmp_path, tables, truth):
    del tables["visits"][2]
    problems = check(madeup.publish(tmp_path, tables), truth, items=ITEMS)
    assert "law of conservation: 8 events + 0 rejected items are not 9 items" in problems
    assert sum("missing from the table" in p for p in problems) == 2


def test_a_row_too_many_is_found(tmp_path, tables, truth):
    tables["order_status_changes"].append(madeup.event(
        "order_status_changes", 7, "2025-02-01T00:00:00.001Z", 2, order_id="o1", status="2"))
    problems = check(madeup.publish(tmp_path, tables), truth, items=ITEMS + 1)
    assert len(problems) == 2 and all("not in the truth" in p for p in problems)


def test_a_repeated_row_is_found(tmp_path, tables, truth):
    tables["visits"].append(dict(tables["visits"][2]))
    problems = check(madeup.publish(tmp_path, tables), truth)
    assert any("stands on 2 rows" in p for p in problems)


def test_a_wrong_event_id_is_found_without_the_truth_having_one(tmp_path, tables):
    truth = madeup.truth(tmp_path / "truth", madeup.world(), leave_out=("event_id", "raw", "extra"))
    tables["calls"][0]["event_id"] = "0" * 24
    problems = check(madeup.publish(tmp_path, tables), truth)
    assert len(problems) == 1 and "calls: event_id 000000000000000000000000 is not the digest of" in problems[0]


def test_the_contract_s_own_example_of_an_event_id():
    assert madeup.event("visits", 123, "2021-11-10T14:05:12.000Z", visit_id="41028")["event_id"] == "b8daa24e634a8145c8279b91"


WRONG_FILES = {
    "pages of version 2": ({"data_page_version": "2.0"}, "has a page of type 3"),
    "a stored Arrow schema": ({"store_schema": True}, "it stores an Arrow schema"),
    "no statistics": ({"write_statistics": False}, "no statistics"),
    "no dictionaries": ({"use_dictionary": False}, "no dictionary page"),
    "times of another unit": ({"coerce_timestamps": "us"}, "occurred_at is timestamp[us, tz=UTC], by the contract"),
}


@pytest.mark.parametrize("writer, says", WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_file_of_another_shape_is_found(tmp_path, tables, truth, writer, says):
    problems = check(madeup.publish(tmp_path, tables, **writer), truth)
    assert problems and all("part-0000.parquet: " in p for p in problems)
    assert any(says in p for p in problems)


def test_a_row_group_too_large_is_found(tmp_path, tables, truth):
    tables["rejects"] = [madeup.reject("feed", 8, n, "device", "bad_value") for n in range(contract.ROW_GROUP + 1)]
    problems = check(madeup.publish(tmp_path, tables), truth)
    assert any("row group 0 has 65537 rows" in p for p in problems)


def rewrite(root, table: str, change, **writer):
    """Writes a file of the snapshot anew, and the manifest so that only the file is wrong."""
    snap = snapshot.Snapshot(root)
    entry = snap.manifest["tables"][table]["files"][0]
    path = snap.dir / entry["path"]
    data = change(pq.read_table(path, partitioning=None))
    kinds = contract.BY_NAME[table].kinds()
    pq.write_table(data, path, store_schema=False, use_dictionary=[n for n in data.column_names if kinds[n] == "enum"], **writer)
    entry |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (snap.dir / "_manifest.json").write_text(json.dumps(snap.manifest))


def nullable(data: pa.Table) -> pa.Table:
    return data.cast(pa.schema([f.with_nullable(True) for f in data.schema]))


WRONG_TABLES = {
    "rows out of order": ("visits", lambda t: t.take([1, 0]), "stands before its place"),
    "columns in another order": ("calls", lambda t: t.select(t.column_names[::-1]), "columns ["),
    "nullable where it must not be": ("visits", nullable, "client_id is nullable, by the contract required"),
    "an int for an amount": (
        "orders",
        lambda t: t.set_column(t.schema.get_field_index("cost"), "cost", t["cost"].cast(pa.int64())),
        "cost is int64, by the contract decimal128(18, 2)",
    ),
}


@pytest.mark.parametrize("table, change, says", WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_table_of_another_shape_is_found(tmp_path, tables, truth, table, change, says):
    root = madeup.publish(tmp_path, tables)
    rewrite(root, table, change)
    assert any(says in p for p in check(root, truth))


def test_a_root_that_is_repeated_is_found(tmp_path, tables):
    root = madeup.publish(tmp_path, tables)
    snap = snapshot.Snapshot(root)
    data = snap.bytes_of(snap.files("calls")[0])
    repeated = data.replace(b"\x35\x00\x18\x06schema", b"\x35\x04\x18\x06schema")
    assert list(page_problems(data, 1)) == []
    assert list(page_problems(repeated, 1)) == ["the root of the schema is not required"]


def test_a_row_in_the_wrong_month_is_found(tmp_path, tables, truth):
    root = madeup.publish(tmp_path, tables)
    snap = snapshot.Snapshot(root)
    january = next(f for f in snap.files("visits") if f.month == "2025-01")
    (snap.dir / "visits/month=2024-12").mkdir()
    (snap.dir / january.path).rename(snap.dir / "visits/month=2024-12/part-0000.parquet")
    for name in ("_manifest.json", "views.sql"):
        text = (snap.dir / name).read_text().replace("visits/month=2025-01", "visits/month=2024-12")
        (snap.dir / name).write_text(text)
    assert check(root, truth) == ["visits/month=2024-12/part-0000.parquet: its rows are of 2025-01"]


def spoil_manifest(root, change):
    snap = snapshot.Snapshot(root)
    change(snap.manifest["tables"])
    (snap.dir / "_manifest.json").write_text(json.dumps(snap.manifest))


WRONG_MANIFESTS = {
    "a table missing": (lambda t: t.pop("calls"), "manifest: no table calls"),
    "a wrong sum of rows": (lambda t: t["visits"].update(rows=4), "manifest: visits has 4 rows, its files 3"),
    "a wrong count of a file": (lambda t: t["calls"]["files"][0].update(rows=2), "1 rows, by the manifest 2"),
    "a wrong size": (lambda t: t["calls"]["files"][0].update(bytes=1), "bytes, by the manifest 1"),
    "a wrong sha256": (lambda t: t["calls"]["files"][0].update(sha256="0"), "sha256 differs"),
    "a file that is not there": (lambda t: t["calls"]["files"][0].update(path="calls/x.parquet"), "no file below"),
    "a file not listed": (lambda t: t["calls"]["files"].clear(), "not in the manifest"),
}


@pytest.mark.parametrize("change, says", WRONG_MANIFESTS.values(), ids=WRONG_MANIFESTS)
def test_a_wrong_manifest_is_found(tmp_path, tables, truth, change, says):
    root = madeup.publish(tmp_path, tables)
    spoil_manifest(root, change)
    assert any(says in p for p in check(root, truth))


def test_a_view_that_forgets_a_table_is_found(tmp_path, tables, truth):
    root = madeup.publish(tmp_path, tables)
    views = snapshot.Snapshot(root).dir / "views.sql"
    views.write_text(views.read_text().replace(" UNION ALL SELECT client_id FROM calls", ""))
    assert check(root, truth) == ["views: client_journey has every event: 8 instead of 9"]


def test_a_client_that_has_gone_stays_without_being_in_the_truth(tmp_path, tables, truth):
    tables["clients"].append(madeup.client(9, gone_at="2025-02-28T00:00:00.000Z"))
    tables["rejects"].append(madeup.reject("clients", 9, 3, "revenue", "bad_money"))
    assert check(madeup.publish(tmp_path, tables), truth, items=ITEMS) == []


def test_the_place_in_an_earlier_list_is_left_out_only_when_asked(tmp_path, tables, truth):
    tables["rejects"].append(madeup.reject("clients", 8, 3, "revenue", "bad_money"))
    truth = madeup.truth(truth, tables)
    tables["rejects"][-1]["ordinal"] = 5
    tables["rejects"].sort(key=lambda r: (r["client_id"] or 0, r["source"]))
    root = madeup.publish(tmp_path, tables)
    assert len(check(root, truth, items=ITEMS)) == 4
    assert check(root, truth, items=ITEMS, later=True) == []


def test_a_truth_with_a_column_of_its_own_is_refused(tmp_path, tables, truth):
    tables["calls"][0]["length"] = 61
    other = madeup.truth(tmp_path / "other", tables)
    problems = check(madeup.publish(tmp_path, madeup.world()), other)
    assert problems and all("the truth has columns that the table has not: length" in p for p in problems)


def run(*args):
    script = Path(__file__).with_name("check.py")
    return subprocess.run([sys.executable, script, *map(str, args)], capture_output=True, text=True)


def test_the_script_s_exit_code_and_words(tmp_path, tables, truth):
    right = run(madeup.publish(tmp_path, tables), truth, "--items", ITEMS)
    assert (right.returncode, right.stdout) == (0, "14 rows in 13 tables: as the truth has them\n")
    tables["visits"][0]["source_id"] = "at"
    wrong = run(madeup.publish(tmp_path / "wrong", tables), truth)
    assert wrong.returncode == 1
    assert wrong.stdout.endswith("14 rows in 13 tables: 2 differences\n")
