"""Short queries by many clients, the fixed cost of one, and a large result as one file beside the same page by page."""

import statistics
import threading
import time
from typing import Any

import boto3
from botocore.config import Config

from bench._server import running

CLIENTS = 32
SECONDS = 8.0
ROUNDS = 40
ROWS, COLUMNS = 1_000_000, 16
MIX = (
    "SELECT 1 AS a",
    "SELECT n, n * 2 AS m FROM UNNEST(sequence(1, 10)) AS s(n)",
    "SHOW DATABASES",
    "SELECT k, count(*) AS c FROM bench.small GROUP BY k ORDER BY k",
)


def run() -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    with running() as (server, session):
        session.client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="bench-results")
        config = Config(max_pool_connections=CLIENTS * 2)
        athena = session.client("athena", endpoint_url=server.endpoint, config=config)
        wait(athena, "CREATE DATABASE bench LOCATION 's3://bench-results/lake/'")
        wait(athena, "CREATE TABLE bench.small AS SELECT n AS a, n % 7 AS k FROM UNNEST(sequence(1, 10000)) AS s(n)")
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            execution = wait(athena, "SELECT 1 AS a")
            athena.get_query_results(QueryExecutionId=execution)
            times.append((time.perf_counter() - started) * 1000)
        rows.append(("SELECT 1, start to rows in hand, boto3, median", statistics.median(times), "ms"))
        rows.append((f"{CLIENTS} clients, short queries", rate(athena), "queries/s"))
        rows += large(session, server.endpoint, athena)
    return rows


def wait(athena: Any, sql: str) -> str:
    started: str = athena.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": "s3://bench-results/r/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            assert status["State"] == "SUCCEEDED", status
            return started


def rate(athena: Any) -> float:
    """Queries a second, each started, awaited and fetched. One principal, so that two run at once by default."""
    done, ended = [0] * CLIENTS, time.perf_counter() + SECONDS

    def client(number: int) -> None:
        while time.perf_counter() < ended:
            athena.get_query_results(QueryExecutionId=wait(athena, MIX[(number + done[number]) % len(MIX)]))
            done[number] += 1

    started = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def large(session: boto3.Session, endpoint: str, athena: Any) -> list[tuple[str, float, str]]:
    items = ", ".join(f"n + {number} AS c{number}" for number in range(COLUMNS))
    sql = (
        f"SELECT {items} FROM UNNEST(sequence(1, 1000)) AS a(m) CROSS JOIN UNNEST(sequence(1, {ROWS // 1000})) AS b(n)"
    )
    started = time.perf_counter()
    execution = wait(athena, sql)
    made = time.perf_counter() - started
    s3 = session.client("s3", endpoint_url=endpoint)
    started = time.perf_counter()
    body = s3.get_object(Bucket="bench-results", Key=f"r/{execution}.csv")["Body"]
    size = sum(len(piece) for piece in body.iter_chunks(1 << 20))
    file = time.perf_counter() - started
    started = time.perf_counter()
    paged, token, pages = 0, {}, 0
    while pages < 50:
        answer = athena.get_query_results(QueryExecutionId=execution, **token)
        paged += len(answer["ResultSet"]["Rows"])
        token = {"NextToken": answer["NextToken"]}
        pages += 1
    by_page = (time.perf_counter() - started) * ROWS / paged
    return [
        (f"{ROWS} x {COLUMNS} to CSV, query", made, "s"),
        (f"{ROWS} x {COLUMNS}, the file ({size >> 20} MiB) fetched", file, "s"),
        (f"{ROWS} x {COLUMNS}, page by page (from {pages} pages)", by_page, "s"),
        ("page by page / (query and file)", by_page / (made + file), "x"),
    ]
