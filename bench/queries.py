"""Short queries by many clients, beside a long one too, the fixed cost of one, and a large result as one file beside
the same page by page.

Client and server share the machine's processors: the processor time that a query costs is the figure that other load, and
boto3's own share (a third of all), hardly touch.
"""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench._server import running
from bench.calls import cpu_seconds
from lakewarden.demo.server import RunningServer

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
LONG = (
    "SELECT count(*) AS c FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) b(y) "
    "CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE x * y + z = 7"
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
        rows += many(server, "short queries", athena, lambda number: MIX[number % len(MIX)])
        fresh = itertools.count()
        rows += many(server, "no text twice", athena, lambda number: f"{MIX[number % 2]} -- {next(fresh)}")
        with long_query(session, server):
            rows += many(server, "short queries beside another's long one", athena, lambda number: MIX[number % 4])
        rows += large(session, server.endpoint, athena)
    return rows


def many(server: RunningServer, name: str, athena: Any, text: Callable[[int], str]) -> list[tuple[str, float, str]]:
    """Rate, slowest hundredth and processor time of queries of one principal, two of which run at once by default."""
    workers = [
        int(child)
        for task in Path(f"/proc/{server.pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    own, theirs = cpu_seconds(server.pid), {worker: cpu_seconds(worker) for worker in workers}
    times, seconds = rate(athena, text)
    cost = (cpu_seconds(server.pid) - own) / len(times) * 1000
    # The worker of a long query that runs all the while is not counted: it is none of these queries'.
    spent = sum(used for worker in workers if (used := cpu_seconds(worker) - theirs[worker]) < 0.9 * seconds)
    name = f"{CLIENTS} clients, {name}"
    return [
        (name, len(times) / seconds, "queries/s"),
        (f"{name}, slowest hundredth", statistics.quantiles(times, n=100)[-1] * 1000, "ms"),
        (f"{name}, server's processor time a query", cost, "ms"),
        (f"{name}, workers' processor time a query", spent / len(times) * 1000, "ms"),
    ]


@contextmanager
def long_query(session: boto3.Session, server: RunningServer) -> Iterator[None]:
    """Another principal's query that runs for longer than the block."""
    iam = session.client("iam", endpoint_url=server.endpoint)
    iam.create_user(UserName="long")
    iam.attach_user_policy(UserName="long", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="long")["AccessKey"]
    athena = session.client(
        "athena", endpoint_url=server.endpoint, aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )  # fmt: skip
    output = {"OutputLocation": "s3://bench-results/long/"}
    started = athena.start_query_execution(QueryString=LONG, ResultConfiguration=output)["QueryExecutionId"]
    yield
    state = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"]
    assert state == "RUNNING", state
    athena.stop_query_execution(QueryExecutionId=started)


def wait(athena: Any, sql: str) -> str:
    started: str = athena.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": "s3://bench-results/r/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            assert status["State"] == "SUCCEEDED", status
            return started


def rate(athena: Any, text: Callable[[int], str]) -> tuple[list[float], float]:
    """The seconds that each query took, started, awaited and fetched, and those of them all together."""
    times: list[float] = []
    started = time.perf_counter()
    ended = started + SECONDS

    def client(number: int) -> None:
        for turn in itertools.count(number):
            begun = time.perf_counter()
            if begun >= ended:
                return
            athena.get_query_results(QueryExecutionId=wait(athena, text(turn)))
            times.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, time.perf_counter() - started


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
