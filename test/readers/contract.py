"""The thirteen tables as the public contract has them, written down a second time.

Nothing here is derived from the product's own declarations: what it publishes
is judged by this list.
"""

from dataclasses import dataclass

import pyarrow as pa

ARROW = {
    "text": pa.string(),
    "enum": pa.string(),
    "int": pa.int64(),
    "money": pa.decimal128(18, 2),
    "time": pa.timestamp("ms", tz="UTC"),
    "date": pa.date32(),
    "bool": pa.bool_(),
    "map": pa.map_(pa.string(), pa.string()),
}

ROW_GROUP = 65_536
ID_DIGITS = 24
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    nullable: bool


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]  # of the rows in a file, nulls first
    key: tuple[str, ...]  # what names a row
    event: str = ""  # the API's type; "" where the column `type` holds it
    id_columns: tuple[str, ...] = ()  # what goes into event_id after type and client_id

    @property
    def is_events(self) -> bool:
        return "event_id" in self.key

    def kinds(self) -> dict[str, str]:
        return {c.name: c.kind for c in self.columns}


def columns(text: str) -> tuple[Column, ...]:
    """Reads "kind name …" lines; a kind with ? is nullable."""
    out = []
    for line in text.strip().splitlines():
        kind, *names = line.split()
        out += [Column(n, kind.rstrip("?"), kind.endswith("?")) for n in names]
    return tuple(out)


def events(name: str, own: str, event: str, *id_columns: str, extra: str = "text? extra") -> Table:
    common = "enum project\nint client_id\ntext event_id\ntime occurred_at\n"
    return Table(
        name,
        columns(common + own.strip() + "\n" + extra),
        ("client_id", "occurred_at", "event_id"),
        ("client_id", "event_id"),
        event,
        id_columns,
    )


TABLES = (
    events(
        "visits",
        """
        text visit_id
        enum? source_id source_title source_icon
        enum? device_os device_os_icon device_agent device_agent_icon
        bool? is_mobile""",
        "visit", "visit_id",
    ),
    events(
        "orders",
        """
        text order_id
        text? name
        enum? status status_type status_title
        money? revenue cost
        text? formatted_revenue formatted_cost
        time? updated_at
        map fields
        int visits_before
        text? first_visit_id last_visit_id
        time? first_visit_at last_visit_at
        enum? first_source_id first_source_title last_source_id last_source_title""",
        "order", "order_id",
    ),
    events("site_events", "enum? meta_id name", "event", "occurred_at", "meta_id"),
    events("lead_hunter_appearances", "text? page", "lead_hunter_appearance", "occurred_at"),
    events(
        "lead_hunter_leads",
        """
        text? page name
        text? phone
        enum? status
        bool? is_sent""",
        "lead_hunter_caught", "occurred_at",
    ),
    events(
        "order_status_changes",
        """
        text? order_id order_title
        enum? status status_type status_title""",
        "orderStatusChange", "occurred_at", "order_id", "status",
    ),
    events(
        "order_cost_changes",
        """
        text? order_id order_title
        money? cost
        text? formatted_cost""",
        "orderCostChange", "occurred_at", "order_id", "cost",
    ),
    events(
        "order_price_changes",
        """
        text? order_id order_title
        money? price
        text? formatted_price""",
        "orderPriceChange", "occurred_at", "order_id", "price",
    ),
    events(
        "calls",
        """
        enum? callee
        text? caller
        int? duration_seconds
        enum? status
        text? file_url""",
        "call", "occurred_at",
    ),
    events("other_events", "enum type\ntext? raw", "", "occurred_at", extra=""),
    Table(
        "clients",
        columns(
            """
            enum project
            int client_id
            text? external_id
            text? name phone email company
            date? birth_date
            text? comment
            text? client_url
            time? first_visit_date first_order_date last_order_date
            int? order_count
            money? revenue profit
            enum? first_visit_marker
            enum? first_visit_marker_alias first_visit_marker_icon first_visit_marker_alias_level_1
            time first_seen_at
            time? gone_at
            time? feed_fetched_at
            text? extra"""
        ),
        ("client_id",),
        ("client_id",),
    ),
    Table(
        "campaign_contacts",
        columns(
            """
            enum project
            int campaign_id
            text contact
            enum metric
            int emails"""
        ),
        ("campaign_id", "metric", "contact"),
        ("campaign_id", "metric", "contact"),
    ),
    Table(
        "rejects",
        columns(
            """
            enum project
            enum source
            int? client_id
            int ordinal
            enum? type
            enum? field
            enum reason
            text? raw"""
        ),
        ("client_id", "source", "ordinal", "field"),
        ("source", "client_id", "ordinal", "field"),
    ),
)

BY_NAME = {t.name: t for t in TABLES}
EVENTS = tuple(t for t in TABLES if t.is_events)
