"""Values at their limits, from the API's JSON into a real ClickHouse, read back
by another client and compared one by one with what was put in.

The API here is made of the rows below; what the tables must hold is written
beside them, not computed by the product.
"""

import json
import re
import subprocess
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from contract import BY_NAME
from laws import event_id
from realserver import ROOT, ClickHouse
from snapshot import Snapshot

FIRST, LAST = "1970-01-01T00:00:00.000Z", "2099-12-31T23:59:59.999Z"
MOST, LEAST = 2**63 - 1, -(2**63)
RICHEST, POOREST = "9999999999999999.99", "-9999999999999999.99"
NULS = "\0a\0\0b\0"
# The first, some and the last of each plane, also those that stand for no character.
PLANES = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0x0001, 0x00E9, 0x2028, 0xFFFE, 0xFFFF))
LARGE = "Большой текст \U0001f600 " * 33_000  # 1 MB, of which an item of a feed holds four at most
TEXTS = {"empty": "", "NUL bytes": NULS, "every plane": PLANES, "a large text": LARGE, "spaces": " \t\r\n ", "escapes": "\\N\\'\"`\x1f\x7f\x1b"}


class Number:
    """A number that stands in the JSON as it is written here."""

    def __init__(self, text):
        self.text = text


def to_json(value) -> bytes:
    text = json.dumps(value, ensure_ascii=False, default=lambda n: f"@@{n.text}@@")
    return re.sub(r'"@@(.*?)@@"', r"\1", text).encode()


def clients():
    """The API's rows and what the table must hold of them."""
    texts = list(TEXTS.values())
    pairs = [
        ({"birth_date": "1900-01-01", "order_count": MOST, "revenue": Number(RICHEST), "profit": Number(POOREST), "first_visit_date": FIRST, "last_order_date": LAST},
         {"birth_date": "1900-01-01", "order_count": MOST, "revenue": RICHEST, "profit": POOREST, "first_visit_date": FIRST, "last_order_date": LAST}),
        ({"birth_date": "2299-12-31", "order_count": str(LEAST), "revenue": POOREST, "profit": "0.01"},
         {"birth_date": "2299-12-31", "order_count": LEAST, "revenue": POOREST, "profit": "0.01"}),
        ({"birth_date": "1969-12-31", "order_count": 0, "revenue": 0, "profit": Number("-0.01")},
         {"birth_date": "1969-12-31", "order_count": 0, "revenue": "0.00", "profit": "-0.01"}),
        ({"birth_date": "1970-01-01"}, {"birth_date": "1970-01-01"}),
        ({"birth_date": "2000-02-29", "revenue": Number("1e2")}, {"birth_date": "2000-02-29", "revenue": "100.00"}),
        ({"birth_date": ""}, {"birth_date": None}),
    ]
    ids = [MOST, LEAST, 0, -1, 1, 2]
    for n, (given, want) in zip(ids, pairs):
        text = texts[ids.index(n)]
        names = ["name", "first_visit_marker_alias", "phone", "email", "company", "comment"]
        both = dict.fromkeys(names[:4 if text is LARGE else 6], text)  # so does a row of the list
        yield {"id": n} | both | given, {"client_id": n} | both | want


def feed():
    """Items of one client's feed and, table by table, what must become of them."""
    items, want = [], {"visits": [], "orders": [], "order_cost_changes": [], "calls": [], "lead_hunter_leads": [], "other_events": []}
    for i, text in enumerate(TEXTS.values()):
        at = FIRST if i % 2 else LAST
        number = str(i) if text in ("", LARGE) else text  # an empty id is none
        items += [
            {"type": "visit", "visitId": number, "creationDate": at, "sourceTitle": text, "device": {"os": text, "is_mobile": i % 2}},
            {"type": "order", "id": number, "creationDate": at, "name": text, "revenue": Number([RICHEST, POOREST][i % 2]), "cost": "0.10", "fields": {text: text, f"{text} 2": ""}},
            {"type": "lead_hunter_caught", "creationDate": at, "name": text, "page": text, "field": text},
            {"type": f"new {text}", "creationDate": at},
        ]
        want["visits"].append({"occurred_at": at, "visit_id": number, "source_title": text, "device_os": text, "is_mobile": bool(i % 2),
                               "event_id": event_id("visit", MOST, [number], 0)})
        want["orders"].append({"occurred_at": at, "order_id": number, "name": text, "revenue": [RICHEST, POOREST][i % 2], "cost": "0.10",
                               "fields": {text: text, f"{text} 2": ""}, "event_id": event_id("order", MOST, [number], 0)})
        want["lead_hunter_leads"].append({"occurred_at": at, "name": text, "page": text, "phone": text})
        want["other_events"].append({"occurred_at": at, "type": f"new {text}", "event_id": event_id(f"new {text}", MOST, [at], 0)})
    for i, (amount, duration) in enumerate([(RICHEST, MOST), (POOREST, LEAST), ("0.00", 0)]):
        at = f"2000-02-29T23:59:59.{i:03d}Z"
        items += [
            {"type": "orderCostChange", "order_id": "o", "creationDate": at, "cost": Number(amount)},
            {"type": "call", "creationDate": at, "duration": duration, "callee": "", "status": ""},
        ]
        want["order_cost_changes"].append({"occurred_at": at, "order_id": "o", "cost": amount,
                                           "event_id": event_id("orderCostChange", MOST, [at, "o", amount], 0)})
        want["calls"].append({"occurred_at": at, "duration_seconds": duration, "callee": "", "status": "",
                              "event_id": event_id("call", MOST, [at], 0)})
    return items, want


class Api(BaseHTTPRequestHandler):
    """Lists the clients, and serves the feed of one of them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        offset, found = body.get("offset", 0), [c for c, _ in clients()]
        self.answer({"clients": found[offset:offset + body["limit"]], "total": len(found), "status": "success"})

    def do_GET(self):
        client = int(parse_qs(urlsplit(self.path).query)["client"][0])
        self.answer({"feed": feed()[0] if client == MOST else [], "status": "success"})

    def answer(self, value):
        text = to_json(value)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("edges")
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    serving = threading.Thread(target=api.serve_forever)
    serving.start()
    try:
        with ClickHouse(place, "roistat_edges") as clickhouse:
            pipeline = {
                "name": "edges", "project": "12345", "mirror": "mirror.db", "load": [clickhouse.load(), {"parquet": {"path": "tables"}}],
                "api": {"base_url": f"http://127.0.0.1:{api.server_port}/api/v1", "key": "k", "per_second": 1000, "per_hour": 100000},
            }
            config = place / "pipelines.yaml"
            config.write_text(json.dumps({"version": 1, "pipelines": [pipeline]}))
            for command in (["run", "--progress", "none"], ["verify"]):
                done = subprocess.run([ROOT / "bin/roistat-etl", *command, "-c", config], capture_output=True, text=True)
                assert done.returncode == 0, done.stdout + done.stderr
            yield clickhouse
    finally:
        api.shutdown()
        serving.join()
        api.server_close()


def compare(server, table, want, key):
    """Each row that was wanted is there, with its values, and no other."""
    found = {key(r): r for r in server.rows(BY_NAME[table])}
    assert len(found) == len(want) == server.ask(f"SELECT count() FROM {table}")[0][0]
    for w in want:
        r = found[key(w)]
        wrong = {name: (r[name], v) for name, v in w.items() if r[name] != v}
        assert not wrong, {name: tuple(str(v)[:200] for v in pair) for name, pair in wrong.items()}


def test_nothing_was_rejected(server):
    assert server.ask("SELECT source, client_id, field, reason FROM rejects") == []


def test_clients(server):
    compare(server, "clients", [w for _, w in clients()], lambda r: r["client_id"])


@pytest.mark.parametrize("table", feed()[1])
def test_events(server, table):
    want = feed()[1][table]
    assert want
    key = "event_id" if "event_id" in want[0] else "name"
    compare(server, table, want, lambda r: r[key])


def test_bytes_on_the_server(server):
    """The server holds the bytes, not what a format makes of them."""
    for name, text in TEXTS.items():
        asked = "SELECT hex(page) FROM lead_hunter_leads WHERE length(page) = " + str(len(text.encode()))
        assert [bytes.fromhex(row[0]).decode() for row in server.ask(asked)] == [text], name


def test_a_large_text_with_many_others(server):
    """Filters and the sort key work on what was stored."""
    assert server.ask("SELECT toYYYYMM(min(occurred_at)), toYYYYMM(max(occurred_at)) FROM visits") == [(197001, 209912)]
    assert server.ask("SELECT count() FROM visits WHERE occurred_at = '2099-12-31 23:59:59.999'")[0][0] == 3
    assert server.ask(f"SELECT count() FROM clients WHERE client_id IN ({MOST}, {LEAST})")[0][0] == 2


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo", "Pacific/Kiritimati"])
def test_days_of_the_first_and_the_last_moment(server, zone):
    """The first and the last moment there can be, in zones west and east of UTC: both engines know their days."""
    config = server.folder / "pipelines.yaml"
    text = json.loads(config.read_text())
    text["pipelines"][0]["transform"] = {"report_timezone": zone}
    config.write_text(json.dumps(text))
    done = subprocess.run([ROOT / "bin/roistat-etl", "run", "--no-extract", "-c", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    days = {datetime.fromisoformat(at).astimezone(ZoneInfo(zone)).date().isoformat() for at in (FIRST, LAST)}
    question = "SELECT {}, visits, visitors, orders, buyers, leads FROM daily_funnel WHERE visits > 0 ORDER BY 1"
    theirs = server.ask(question.format("toString(day)"))
    ours = Snapshot(server.folder / "tables").duckdb().execute(question.format("CAST(day AS VARCHAR)")).fetchall()
    assert {row[0] for row in theirs} == days and theirs == ours
