"""Every query that the documents print is asked, and its answer compared with one computed here.

The queries of docs/analysts.md and of the demo in ClickHouse go to a real server, those of README.md and of the demo
in DuckDB to the snapshot. The truth is computed in plain Python from the Parquet files of the same run, row by row.
"""

import re
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from realserver import ROOT
from test_clickhouse import published  # noqa: F401  (the fixture)

ZONE = ZoneInfo("Europe/Moscow")


def questions(text):
    return dict(re.findall(r"^### (.*?)\n.*?```sql\n(.*?)```", text, re.S | re.M))


ASKED = questions((ROOT / "docs/analysts.md").read_text())
DEMO = {name: dict(re.findall(r"`-- (.*?)\n(.*?)`", (ROOT / f"test/demo/{name}.go").read_text(), re.S)) for name in ("clickhouse", "texts")}
README = re.search(r'duckdb\.sql\("""(SELECT .*?)"""\)', (ROOT / "README.md").read_text(), re.S)[1]


class Rows:
    """The rows of a snapshot's tables, as Python has them."""

    def __init__(self, snapshot):
        self.snapshot = snapshot

    def __getattr__(self, table):
        return self.snapshot.arrow(table).to_pylist()


def plain(rows):
    """Rows with numbers that can be compared: amounts as decimals, shares with the digits that were asked for."""
    return [tuple(Decimal(str(v)) if isinstance(v, (int, float, Decimal)) and not isinstance(v, bool)
                  else Decimal(v) if isinstance(v, str) and re.fullmatch(r"-?\d+\.\d\d", v) else v for v in row) for row in rows]


def ratio(a, b, digits):
    return round(a / b, digits) if b else None


def exact(values, level):
    """quantileExact of ClickHouse."""
    return sorted(values)[int(level * len(values)) if level < 1 else -1]


def total(amounts):
    found = [a for a in amounts if a is not None]
    return sum(found) if found else None


def by_source(r, which):
    found = defaultdict(list)
    for o in r.orders:
        if o["status_type"] == "paid":
            found[o[f"{which}_source_title"] or o[f"{which}_source_id"]].append(o["revenue"])
    return {(source, len(amounts), total(amounts)) for source, amounts in found.items()}


def months(r):
    found = defaultdict(Counter)
    def count(rows, what, take=lambda _: True):
        for x in rows:
            month = found[x["occurred_at"].astimezone(ZONE).strftime("%Y-%m")]
            if take(x):
                month[what] += 1
    for name in ("site_events", "lead_hunter_appearances", "order_status_changes", "order_cost_changes", "order_price_changes", "calls", "other_events"):
        count(getattr(r, name), "")
    count(r.visits, "visits")
    count(r.lead_hunter_leads, "leads")
    count(r.orders, "orders")
    count(r.orders, "paid", lambda o: o["status_type"] == "paid")
    return found


def funnel(r):
    return {(month, n["visits"], n["leads"], n["orders"], n["paid"], ratio(100 * n["paid"], n["visits"], 2)) for month, n in months(r).items()}


def lead_times(r):
    found = defaultdict(list)
    for o in r.orders:
        if o["first_visit_at"]:
            found[o["first_source_title"] or o["first_source_id"]].append(seconds(o["first_visit_at"], o["occurred_at"]))
    return found


def seconds(a, b):
    """dateDiff of ClickHouse: the seconds that begin between two moments."""
    return (b.replace(microsecond=0) - a.replace(microsecond=0)) // timedelta(seconds=1)


def first_visit_to_order(r):
    return {(s, len(v), round(exact(v, 0.5) / 86400, 1), round(exact(v, 0.9) / 86400, 1)) for s, v in lead_times(r).items()}


def stays(r):
    orders, found = defaultdict(list), defaultdict(list)
    for c in r.order_status_changes:
        if c["order_id"] is not None:
            orders[c["order_id"]].append(c)
    for changes in orders.values():
        changes.sort(key=lambda c: (c["occurred_at"], c["event_id"]))
        for a, b in zip(changes, changes[1:]):
            found[a["status_title"]].append(seconds(a["occurred_at"], b["occurred_at"]) / 3600)
    return {(s, len(v), round(sum(v) / len(v), 1), round(exact(v, 0.9), 1)) for s, v in found.items()}


def calls(r):
    hours = defaultdict(list)
    for c in r.calls:
        hours[c["occurred_at"].astimezone(ZONE).hour].append(c)
    found = set()
    for hour, list_ in hours.items():
        answered = [c["duration_seconds"] for c in list_ if c["status"] == "ANSWER"]
        told = [d for d in answered if d is not None]
        found.add((hour, len(list_), len(answered), ratio(100 * len(answered), len(list_), 1), ratio(sum(told), len(told), 0)))
    return found


def buyers(r):
    clients, found = defaultdict(list), defaultdict(list)
    for o in r.orders:
        if o["status_type"] == "paid":
            clients[o["client_id"]].append(o["revenue"])
    for amounts in clients.values():
        found[min(len(amounts), 5)].append(total(amounts))
    return {(n, len(v), total(v)) for n, v in found.items()}


def reach(r):
    found = defaultdict(lambda: [Counter(), set()])
    for k in r.campaign_contacts:
        sums, people = found[k["campaign_id"]]
        sums[k["metric"]] += k["emails"] or 0
        if k["metric"] == "click" and (k["emails"] or 0) > 0:
            people.add(k["contact"])
    return {(c, n["sent"], n["opened"], n["click"], len(people)) for c, (n, people) in found.items()}


def clicked_and_bought(r):
    addresses = defaultdict(set)
    for c in r.clients:
        if c["email"]:
            addresses[c["email"].lower()].add(c["client_id"])
    clicked = defaultdict(set)
    for k in r.campaign_contacts:
        if k["metric"] == "click" and (k["emails"] or 0) > 0:
            clicked[k["campaign_id"]] |= addresses[k["contact"].lower()]
    paid = [o for o in r.orders if o["status_type"] == "paid"]
    found = set()
    for campaign, people in clicked.items():
        theirs = [o for o in paid if o["client_id"] in people]
        found.add((campaign, len(people), len({o["client_id"] for o in theirs}), len(theirs), total(o["revenue"] for o in theirs)))
    return found


def journey(r):
    client = min(r.orders, key=lambda o: (-o["visits_before"], o["client_id"]))["client_id"]
    found = []

    def add(table, kind, title, status=None, amount=None):
        for x in getattr(r, table):
            if x["client_id"] == client:
                value = title(x) if callable(title) else title and x[title]
                found.append((x["occurred_at"], x["event_id"], kind, value, status and x[status], amount and x[amount]))

    add("visits", "visit", lambda v: v["source_title"] if v["source_title"] is not None else v["source_id"], "source_id")
    add("orders", "order", "name", "status_type", "revenue")
    add("site_events", "site_event", "name")
    add("lead_hunter_appearances", "lead_hunter_appearance", "page")
    add("lead_hunter_leads", "lead_hunter_lead", "page", "status")
    add("order_status_changes", "order_status_change", "status_title", "status_type")
    add("order_cost_changes", "order_cost_change", "order_title", None, "cost")
    add("order_price_changes", "order_price_change", "order_title", None, "price")
    add("calls", "call", "callee", "status")
    add("other_events", "other", None)
    found.sort(key=lambda x: x[:2])
    return [(at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03d}", *rest) for at, _, *rest in found]


TRUTH = {
    "1.": lambda r: by_source(r, "first"), "2.": lambda r: by_source(r, "last"), "3.": funnel, "4.": first_visit_to_order, "5.": stays,
    "6.": calls, "7.": buyers, "8.": reach, "9.": clicked_and_bought, "10.": journey,
}


@pytest.mark.parametrize("settings", ["", " SETTINGS join_use_nulls = 1"], ids=["default", "join_use_nulls"])
@pytest.mark.parametrize("question", [q for q in ASKED if not q.startswith("And")])
def test_question(published, question, settings):  # noqa: F811
    _, server, snapshot = published
    answer, truth = plain(server.ask(ASKED[question] + settings)), TRUTH[question.split()[0]](Rows(snapshot))
    assert answer
    if isinstance(truth, list):
        assert answer == plain(truth)
    else:
        assert len(answer) == len(truth) and set(answer) == set(plain(truth))


def test_all_questions_are_asked():
    assert [q.split()[0] for q in ASKED] == [*TRUTH, "And:"]


def test_how_fresh(published):  # noqa: F811
    _, server, snapshot = published
    ((run, _, outcome, clients, never, left, oldest),) = server.ask(ASKED["And: how fresh is all this?"])
    rows = Rows(snapshot).clients
    live = [c for c in rows if c["gone_at"] is None]
    assert (run, outcome, clients) == (snapshot.manifest["run"], "ok", len(live))
    assert (never, left) == (sum(c["feed_fetched_at"] is None for c in live), 0)
    first = min(c["feed_fetched_at"] for c in live)
    assert oldest == first.strftime("%Y-%m-%d %H:%M:%S.") + f"{first.microsecond // 1000:03d}"


def test_the_demo_in_clickhouse(published):  # noqa: F811
    _, server, snapshot = published
    r = Rows(snapshot)
    asked = DEMO["clickhouse"]
    paid = defaultdict(list)
    for o in r.orders:
        if o["status_type"] == "paid":
            paid[o["occurred_at"].astimezone(ZONE).strftime("%Y-%m")].append(o["revenue"])
    last = sorted((m for m in funnel(r) if m[1]), reverse=True)[:6]
    assert plain(server.ask(asked["What did the last months bring?"])) == plain((*m[:5], total(paid[m[0]]) or 0) for m in last)
    answer = plain(server.ask(asked["How long does it take from the first visit to the order?"]))
    truth = {x[:3] for x in first_visit_to_order(r)}
    assert len(answer) == min(5, len(truth)) and set(answer) <= set(plain(truth))
    assert [x[1] for x in answer] == sorted((x[1] for x in plain(truth)), reverse=True)[:5]
    assert server.ask(asked["What was published, and when?"])[0][0] == snapshot.manifest["run"]
    assert len(asked) == 3


def test_the_demo_and_the_readme_in_duckdb(published):  # noqa: F811
    con, _, snapshot = published
    r = Rows(snapshot)
    asked = DEMO["texts"]
    paid = defaultdict(list)
    for o in r.orders:
        if o["status_type"] == "paid":
            paid[o["occurred_at"].astimezone(ZONE).strftime("%Y-%m")].append(o["revenue"])
    last = sorted((m for m in funnel(r) if m[1]), reverse=True)[:6]
    answer = con.execute(asked["What did the last months bring?"]).fetchall()
    assert plain(answer) == plain((*m[:5], total(paid[m[0]]) or 0) for m in last)
    answer = plain(con.execute(asked["Which source did the buyers first come from?"]).fetchall())
    truth = {(s or "unknown" if s != "" else "", n, a) for s, n, a in by_source(r, "first")}
    assert len(answer) == min(5, len(truth)) and set(answer) <= set(plain(truth))
    best = min((o for o in r.orders if o["status_type"] == "paid" and o["visits_before"] > 2), key=lambda o: (o["revenue"] is None, -(o["revenue"] or 0), o["event_id"]))
    answer = con.execute(asked["What led to the largest order that several visits came before?"]).fetchall()
    assert answer[0][0] == best["occurred_at"].strftime("%Y-%m-%d %H:%M") and len(answer) == 8
    assert [row[0] for row in answer] == sorted((row[0] for row in answer), reverse=True)
    assert len(asked) == 3

    days = defaultdict(Counter)
    for table, what in (("visits", "visits"), ("lead_hunter_leads", "leads"), ("orders", "orders")):
        for x in getattr(r, table):
            day = days[x["occurred_at"].astimezone(ZONE).date()]
            day[what] += 1
            if what == "orders":
                day["revenue"] += x["revenue"] or 0
    truth = [(day, n["visits"], n["leads"], n["orders"], n["revenue"]) for day, n in sorted(days.items(), reverse=True)[:7]]
    assert plain(con.execute(README).fetchall()) == plain(truth)
