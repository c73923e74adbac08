"""What a notebook feels: ``SELECT 1`` through stock PyAthena with its default settings."""

import statistics
import time

import pyathena

from bench._server import running

ROUNDS = 40


def run() -> list[tuple[str, float, str]]:
    with running() as (server, session):
        keys = session.get_credentials()
        session.client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="bench-results")
        connection = pyathena.connect(
            s3_staging_dir="s3://bench-results/",
            region_name="us-east-1",
            endpoint_url=server.endpoint,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
        )
        cursor = connection.cursor()
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            assert cursor.execute("SELECT 1").fetchall() == [(1,)]
            times.append((time.perf_counter() - started) * 1000)
    return [
        ("SELECT 1 through PyAthena, median", statistics.median(times), "ms"),
        ("SELECT 1 through PyAthena, p95", sorted(times)[int(ROUNDS * 0.95)], "ms"),
    ]
