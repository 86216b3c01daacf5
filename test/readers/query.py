#!/usr/bin/env python3
"""Asks the published tables: query.py PATH SQL…

PATH is the folder that holds `current`. The text of current/views.sql is read
once, so that all answers come from one snapshot.
"""

import sys

import snapshot


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    con = snapshot.Snapshot(sys.argv[1]).duckdb()
    for sql in sys.argv[2:]:
        print(sql)
        print(con.sql(sql))
    return 0


if __name__ == "__main__":
    sys.exit(main())
