"""One spelling for a value, whichever reader or truth it came from."""

import json
from datetime import timezone

import pyarrow as pa

import contract


def time_text(v) -> str:
    v = v.astimezone(timezone.utc)
    return v.strftime("%Y-%m-%dT%H:%M:%S.") + f"{v.microsecond // 1000:03d}Z"


SPELL = {
    "money": lambda v: f"{v:.2f}",
    "time": time_text,
    "date": lambda v: v.isoformat(),
    "map": dict,
}


def rows(table: contract.Table, data: pa.Table) -> list[dict]:
    """The rows of an Arrow table, spelt as the truth spells them."""
    kinds = table.kinds()
    names = [n for n in data.column_names if n in kinds]
    spelt = []
    for name in names:
        spell = SPELL.get(kinds[name])
        values = data.column(name).to_pylist()
        spelt.append([None if v is None else spell(v) for v in values] if spell else values)
    return [dict(zip(names, r)) for r in zip(*spelt)]


def truth(path) -> list[dict]:
    """The rows of a truth file, one JSON object a line."""
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def canonical(row: dict) -> str:
    """A row as text, equal for equal rows."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False)
