"""Privacy rules, judged from outside: Python's hmac computes the hashes anew from
the tables as they were without rules, and no byte of what is published holds a
phone or an address."""

import hashlib
import hmac
import json
import re

import pytest

import contract
from snapshot import Snapshot
from standin import StandIn

SALT = "0123456789abcdef of the readers"
WORLD = ("--clients", "150", "--months", "4", "--seed", "11")
PHONES = {"clients.phone", "calls.caller", "calls.callee", "lead_hunter_leads.phone"}
EMAILS = {"clients.email", "campaign_contacts.contact"}
RULES = {
    "clients.phone": "hash", "clients.email": "hash", "clients.name": "hash", "clients.comment": "mask", "clients.company": "drop",
    "calls.caller": "hash", "calls.callee": "mask", "lead_hunter_leads.phone": "hash", "lead_hunter_leads.name": "mask",
    "campaign_contacts.contact": "hash", "orders.name": "drop", "orders.fields.Менеджер": "hash", "orders.fields.Город": "drop",
}


def digits(value: str) -> str:
    return "".join(c for c in value if c in "0123456789")


def hashed(rule: str, value: str) -> str:
    if rule in PHONES and digits(value):
        value = digits(value)
        if len(value) == 11 and value[0] == "8":
            value = "7" + value[1:]
    elif rule in EMAILS:
        value = value.strip().lower()
    return hmac.new(SALT.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]


def masked(rule: str, value: str) -> str:
    if rule in PHONES and digits(value):
        number = digits(value)
        return "*" * (len(number) - 2) + number[-2:] if len(number) > 2 else "*" * len(number)
    value = value.strip()
    return value and value[0] + "***"


def shown(table: str, column: str, value):
    """What the rules make of a value."""
    rule = f"{table}.{column}"
    action = RULES.get(rule)
    if column in ("extra", "raw") or value is None or action == "drop":
        return value if value is None or action == "keep" else None
    if column == "fields":
        return sorted((k, shown(rule, k, v)) for k, v in value if RULES.get(f"{rule}.{k}") != "drop")
    return {"hash": hashed, "mask": masked}.get(action, lambda _, v: v)(rule, value)


def comparable(rows):
    return sorted((sorted((k, repr(v)) for k, v in r.items()) for r in rows))


class Hidden(StandIn):
    """The stand-in's pipeline, with rules once they are set."""

    rules: dict = {}

    def pipelines(self) -> dict:
        p = super().pipelines()
        p["pipelines"][0]["transform"] = {"privacy": self.rules, "salt": SALT}
        p["pipelines"][0]["load"] = [{"parquet": {"path": "tables", "compression": "none"}}]
        return p

    def protect(self, rules: dict):
        self.rules = rules
        self.config.write_text(json.dumps(self.pipelines()))
        return self.run("--no-extract")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The rows before and after the rules came, and the snapshot after."""
    with Hidden(tmp_path_factory.mktemp("privacy"), *WORLD) as standin:
        standin.run()
        before = {t.name: Snapshot(standin.tables).arrow(t.name).to_pylist() for t in contract.TABLES}
        report = standin.protect(RULES)
        assert report["calls"] == {"list": 0, "feed": 0, "campaign": 0, "retried": 0, "refused": 0}
        yield before, Snapshot(standin.tables)


@pytest.mark.parametrize("table", [t.name for t in contract.TABLES])
def test_the_rules_make_of_the_rows_what_they_say_and_nothing_else(published, table):
    before, after = published
    want = [{c: shown(table, c, v) for c, v in row.items()} for row in before[table]]
    assert comparable(after.arrow(table).to_pylist()) == comparable(want)


def test_a_person_joins_across_the_tables(published):
    before, after = published
    con = after.duckdb()
    join = """SELECT count(*) FROM clients c SEMI JOIN {0} o ON c.{1} = o.{2}"""
    for table, mine, its in (("calls", "phone", "caller"), ("lead_hunter_leads", "phone", "phone"), ("campaign_contacts", "email", "contact")):
        known = {r[its] for r in before[table]}
        want = sum(1 for r in before["clients"] if r[mine] in known and r[mine] is not None)
        assert want > 20
        assert con.execute(join.format(table, mine, its)).fetchone()[0] == want


def test_no_byte_of_what_is_published_holds_a_phone_or_an_address(published):
    before, after = published
    people = {r[c] for r in before["clients"] for c in ("phone", "email")} | {r["contact"] for r in before["campaign_contacts"]}
    people |= {r["caller"] for r in before["calls"]} | {r["phone"] for r in before["lead_hunter_leads"]}
    people = sorted(p for p in people if p)
    assert len(people) > 200
    one = re.compile(b"|".join(re.escape(p.encode()) for p in people))
    files = [p for p in after.dir.rglob("*") if p.is_file()]
    assert len(files) > 30
    for path in files:
        assert not one.search(path.read_bytes()), path
        assert SALT.encode() not in path.read_bytes()
    # The search finds what was there before: the snapshot before is kept.
    older = [p for p in after.dir.parent.rglob("clients/*.parquet") if after.dir not in p.parents]
    assert one.search(older[0].read_bytes())
