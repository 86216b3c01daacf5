"""Compares the rows of a table with the truth, and says in words what differs."""

from collections import defaultdict

import contract
from values import canonical

SHOWN = 20  # differences told of one table; the rest is counted


def compare(table: contract.Table, truth: list[dict], found: list[dict]) -> list[str]:
    """The differences in the columns that the truth has; none: []."""
    names = list(dict.fromkeys(n for r in truth for n in r))
    unknown = [n for n in names if n not in table.kinds()]
    if unknown:
        return [f"{table.name}: the truth has columns that the table has not: {', '.join(unknown)}"]
    ragged = [i for i, r in enumerate(truth) if len(r) != len(names)]
    if ragged:
        return [f"{table.name}: line {ragged[0] + 1} of the truth lacks columns that other lines have"]
    if not truth:
        return [f"{table.name}: {len(found)} rows where the truth has none"] if found else []
    absent = [n for n in names if found and n not in found[0]]
    if absent:
        return [f"{table.name}: the table lacks the columns {', '.join(absent)}"]
    return shorten(table, list(differences(table, names, truth, found)))


def differences(table, names, truth, found):
    key = [k for k in table.key if k in names]
    want, have = group(key, names, truth), group(key, names, found)
    for k in sorted(want.keys() | have.keys(), key=repr):
        label = f"{table.name}[{', '.join(f'{n}={v!r}' for n, v in zip(key, k))}]"
        yield from pair(label, want.get(k, []), have.get(k, []))


def group(key, names, rows) -> dict[tuple, list[dict]]:
    """The rows by key, cut to names; those of one key in an order of their own."""
    out = defaultdict(list)
    for r in rows:
        out[tuple(r[n] for n in key)].append({n: r[n] for n in names})
    for same in out.values():
        same.sort(key=canonical)
    return out


def pair(label, want, have):
    """Differences among the rows of one key: equal rows meet first, the rest in order."""
    left, right = unmatched(want, have), unmatched(have, want)
    for w, h in zip(left, right):
        fields = [f"{n}: truth {w[n]!r}, table {h[n]!r}" for n in w if differ(w[n], h[n])]
        yield f"{label}: " + "; ".join(fields)
    for w in left[len(right):]:
        yield f"{label}: missing from the table: {canonical(w)}"
    for h in right[len(left):]:
        yield f"{label}: not in the truth: {canonical(h)}"


def differ(a, b) -> bool:
    """Whether two values differ; True is not 1, and 1 is not "1"."""
    return type(a) is not type(b) or a != b


def unmatched(rows, others) -> list[dict]:
    spare = defaultdict(int)
    for r in others:
        spare[canonical(r)] += 1
    out = []
    for r in rows:
        c = canonical(r)
        if spare[c]:
            spare[c] -= 1
        else:
            out.append(r)
    return out


def shorten(table, found: list[str]) -> list[str]:
    if len(found) <= SHOWN:
        return found
    return found[:SHOWN] + [f"{table.name}: and {len(found) - SHOWN} more differences"]
