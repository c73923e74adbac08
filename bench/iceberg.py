"""Iceberg tables through Athena SQL, beside pyiceberg on the local disk: the same rows put in, taken out and counted."""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from bench._server import running
from bench.queries import wait

ROWS, SMALL = 1_000_000, 10


def run() -> list[tuple[str, float, str]]:
    warnings.simplefilter("ignore")
    rows: list[tuple[str, float, str]] = []
    with running() as (server, session):
        session.client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="bench-results")
        athena = session.client("athena", endpoint_url=server.endpoint)
        wait(athena, "CREATE DATABASE ice LOCATION 's3://bench-results/lake/'")
        wait(
            athena,
            "CREATE TABLE ice.t (id bigint, k bigint, s string) LOCATION 's3://bench-results/ice/t/' "
            "TBLPROPERTIES ('table_type' = 'ICEBERG')",
        )
        # The scribe starts with the first commit; its start is not what is measured.
        wait(athena, "INSERT INTO ice.t VALUES (0, 0, 'x')")
        values = (
            "SELECT n, n % 97, 's' || CAST(n AS varchar) FROM UNNEST(sequence(1, 1000)) AS a(m) "
            "CROSS JOIN UNNEST(sequence(m * 1000 - 999, m * 1000)) AS b(n)"
        )
        rows.append((f"INSERT of {ROWS} rows", timed(lambda: wait(athena, f"INSERT INTO ice.t {values}")), "ms"))
        rows.append(("DELETE of every 97th row", timed(lambda: wait(athena, "DELETE FROM ice.t WHERE k = 5")), "ms"))
        rows.append(("count(*) over it", timed(lambda: wait(athena, "SELECT count(*) FROM ice.t")), "ms"))
        small = [timed(lambda: wait(athena, "INSERT INTO ice.t VALUES (1, 1, 'y')")) for _ in range(SMALL)]
        rows.append(("INSERT of one row, median", statistics.median(small), "ms"))
    return rows + peer()


def peer() -> list[tuple[str, float, str]]:
    numbers = list(range(1, ROWS + 1))
    data = pa.table({"id": numbers, "k": [one % 97 for one in numbers], "s": [f"s{one}" for one in numbers]})
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as place:
        catalog = SqlCatalog("local", uri=f"sqlite:///{place}/c.db", warehouse=f"file://{place}")
        catalog.create_namespace("n")
        table: Any = catalog.create_table("n.t", schema=data.schema)
        rows.append((f"pyiceberg, local: append of {ROWS} rows", timed(lambda: table.append(data)), "ms"))
        rows.append(
            ("pyiceberg, local: delete of every 97th row (copy-on-write)", timed(lambda: table.delete("k = 5")), "ms")
        )
        rows.append(("pyiceberg, local: count of its scan", timed(lambda: table.scan().count()), "ms"))
        one = data.slice(0, 1)
        small = [timed(lambda: table.append(one)) for _ in range(SMALL)]
        rows.append(("pyiceberg, local: append of one row, median", statistics.median(small), "ms"))
        catalog.engine.dispose()
    return rows


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
