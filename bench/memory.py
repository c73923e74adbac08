"""Resident memory of an idle server and of its engine's workers, before and after a little work."""

from pathlib import Path

import pyathena

from bench._server import running


def run() -> list[tuple[str, float, str]]:
    with running() as (server, session):
        rows = _rows(server.pid, "just started")
        session.client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="bench-results")
        keys = session.get_credentials()
        connection = pyathena.connect(
            s3_staging_dir="s3://bench-results/", region_name="us-east-1", endpoint_url=server.endpoint,
            aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
        )  # fmt: skip
        for service in ("iam", "glue", "lakeformation", "cloudtrail", "sts"):
            client = session.client(service, endpoint_url=server.endpoint)
            for call in ("list_users", "get_databases", "list_resources", "lookup_events", "get_caller_identity"):
                if hasattr(client, call):
                    getattr(client, call)()
        for _ in range(20):
            connection.cursor().execute("SELECT 1").fetchall()
        return rows + _rows(server.pid, "idle after calls of every service")


def _rows(pid: int, when: str) -> list[tuple[str, float, str]]:
    """RSS counts pages that processes share once for each; PSS counts them once."""
    workers = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [
        (f"server, {when} (RSS)", _mebibytes(pid, "Rss"), "MiB"),
        (f"{len(workers)} workers, {when} (RSS)", sum(_mebibytes(one, "Rss") for one in workers), "MiB"),
        (f"all together, {when} (PSS)", sum(_mebibytes(one, "Pss") for one in (pid, *workers)), "MiB"),
    ]


def _mebibytes(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024
