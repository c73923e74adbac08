"""TPC-H SF1 through PyAthena, as a role with column grants, beside plain DuckDB on the same files in the same run."""

import statistics
import tempfile
from pathlib import Path

import duckdb

from bench._server import running
from bench._tpch import generate, governed, medians

ROUNDS = 7
SCALE = "1"

QUERIES = {
    "Q1": (
        "SELECT l_returnflag, l_linestatus, sum(l_quantity) sum_qty, sum(l_extendedprice) sum_base_price, "
        "sum(l_extendedprice * (1 - l_discount)) sum_disc_price, "
        "sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) sum_charge, avg(l_quantity) avg_qty, "
        "avg(l_extendedprice) avg_price, avg(l_discount) avg_disc, count(*) count_order FROM lineitem "
        "WHERE l_shipdate <= DATE '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
    ),
    "Q3": (
        "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) revenue, o_orderdate, o_shippriority "
        "FROM customer, orders, lineitem WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey "
        "AND l_orderkey = o_orderkey AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' "
        "GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10"
    ),
    "Q6": (
        "SELECT sum(l_extendedprice * l_discount) revenue FROM lineitem WHERE l_shipdate >= DATE '1994-01-01' "
        "AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24"
    ),
    "Q9": (
        "SELECT nation, o_year, sum(amount) sum_profit FROM (SELECT n_name nation, year(o_orderdate) o_year, "
        "l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity amount "
        "FROM part, supplier, lineitem, partsupp, orders, nation WHERE s_suppkey = l_suppkey "
        "AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey AND p_partkey = l_partkey "
        "AND o_orderkey = l_orderkey AND s_nationkey = n_nationkey AND p_name LIKE '%green%') profit "
        "GROUP BY nation, o_year ORDER BY nation, o_year DESC"
    ),
}
HIDDEN = {"customer": "c_phone", "orders": "o_clerk", "lineitem": "l_comment", "part": "p_comment",
          "supplier": "s_phone", "partsupp": "ps_comment", "nation": "n_comment"}  # fmt: skip
"""One column of each table is not granted, so that every table of every query is governed to the column."""


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as scratch, running() as (server, session):
        files = generate(Path(scratch), SCALE, list(HIDDEN))
        connection = governed(server, session, files, HIDDEN, {})
        plain = duckdb.connect()
        plain.execute("SET threads = 2")
        for table, file in files.items():
            plain.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")
        rows: list[tuple[str, float, str]] = []
        ratios = []
        for name, text in QUERIES.items():
            assert len(connection.cursor().execute(text).fetchall()) == len(plain.execute(text).fetchall())
            ours, peer = medians(
                [
                    lambda text=text: connection.cursor().execute(text).fetchall(),
                    lambda text=text: plain.execute(text).fetchall(),
                ],
                ROUNDS,
            )
            rows += [(f"{name}, Lakewarden", ours, "ms"), (f"{name}, DuckDB", peer, "ms")]
            rows.append((f"{name}, ratio", ours / peer, "x"))
            ratios.append(ours / peer)
        rows.append(("geometric mean of the ratios", statistics.geometric_mean(ratios), "x"))
        return rows
