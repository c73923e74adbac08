"""All 22 TPC-H queries through PyAthena with column and row restrictions in force, beside plain DuckDB.

The peer reads the same files with the same predicates, written by hand as views, in the same run. ``python -m
bench.tpch_full --sf 10`` runs the larger scale.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from bench._server import running
from bench._tpch import generate, governed, medians

ROUNDS = {"1": 3, "10": 1}
QUERIES = [
    line
    for line in (Path(__file__).parents[1] / "tests" / "golden" / "tpch.sql").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("--")
]
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]
HIDDEN = {"lineitem": "l_comment", "nation": "n_comment", "orders": "o_clerk", "part": "p_comment",
          "partsupp": "ps_comment", "region": "r_comment"}  # fmt: skip
"""A column that no query reads; of customer and supplier the queries read every one."""
ROWS = {
    "customer": "c_mktsegment <> 'MACHINERY'",
    "lineitem": "l_shipmode <> 'TRUCK' OR l_linenumber = 1",
    "orders": "o_orderpriority <> '5-LOW'",
    "partsupp": "ps_availqty > 100",
}
"""The rows that the role may read: most of four tables, as a tenant's or a region's would be."""


def run(scale: str = "1") -> list[tuple[str, float, str]]:
    rounds = ROUNDS.get(scale, 1)
    with tempfile.TemporaryDirectory() as scratch, running() as (server, session):
        files = generate(Path(scratch), scale, TABLES)
        connection = governed(server, session, files, HIDDEN, ROWS)
        plain = _plain(files)
        rows: list[tuple[str, float, str]] = []
        ours_all = peer_all = engine_all = 0.0
        ratios = []
        for number, text in enumerate(QUERIES, 1):
            engine: list[float] = []
            assert len(_ours(connection, text, [])) == len(plain.execute(text).fetchall()), number
            ours, peer = medians(
                [
                    lambda text=text, engine=engine: _ours(connection, text, engine),
                    lambda text=text: plain.execute(text).fetchall(),
                ],
                rounds,
            )
            alone = statistics.median(engine)
            rows.append((f"SF{scale} Q{number}, ratio ({ours:.0f} / {peer:.0f} ms)", ours / peer, "x"))
            rows.append((f"SF{scale} Q{number}, ratio of the engine's time alone ({alone:.0f} ms)", alone / peer, "x"))
            ours_all, peer_all, engine_all = ours_all + ours, peer_all + peer, engine_all + alone
            ratios.append(ours / peer)
        one, nothing = medians([lambda: _ours(connection, "SELECT 1 AS a", []), lambda: None], 20)
        return [
            *rows,
            (f"SF{scale} all 22, Lakewarden", ours_all, "ms"),
            (f"SF{scale} all 22, DuckDB", peer_all, "ms"),
            (f"SF{scale} all 22, ratio of the totals", ours_all / peer_all, "x"),
            (f"SF{scale} all 22, ratio of the engine's time alone", engine_all / peer_all, "x"),
            (f"SF{scale} geometric mean of the ratios", statistics.geometric_mean(ratios), "x"),
            ("SELECT 1, start to rows in hand, PyAthena, median", one - nothing, "ms"),
        ]


def _ours(connection: Any, text: str, engine: list[float]) -> list[Any]:
    cursor = connection.cursor()
    rows: list[Any] = cursor.execute(text).fetchall()
    engine.append(float(cursor.engine_execution_time_in_millis or 0))
    return rows


def _plain(files: Any) -> duckdb.DuckDBPyConnection:
    plain = duckdb.connect()
    plain.execute("SET threads = 2")
    for table, file in files.items():
        rows = f" WHERE {ROWS[table]}" if table in ROWS else ""
        plain.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}'){rows}")
    return plain


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sf", default="1")
    for row, value, unit in run(parser.parse_args().sf):
        sys.stdout.write(f"{row:72} {value:12.3f} {unit}\n")
