"""Deciding and listing with 1,000,000 grants, 10,000 principals and 100,000 tables."""

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from lakewarden.catalog import store as catalog_tables
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.lake import Column, Table
from lakewarden.permissions import store as permission_tables
from lakewarden.permissions.model import Grant, Registration, TableResource
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.state import Database

PRINCIPALS, DATABASES, TABLES, GRANTS = 10_000, 100, 1_000, 1_000_000
ACCOUNT = "123456789012"


class Everybody:
    """Every principal exists."""

    def exists(self, arn: str) -> bool:
        return bool(arn)


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{Path(scratch) / 'state.db'}")
        database.create_schema()
        fill(database)
        try:
            return [*deciding(database), *listing(database)]
        finally:
            database.close()


def fill(database: Database) -> None:
    columns = [{"Name": name, "Type": "string"} for name in ("id", "name", "ssn")]
    with database.write() as connection:
        for start in range(0, GRANTS, 50_000):
            connection.execute(sa.insert(permission_tables._grants), list(rows(start, start + 50_000)))
        permission_tables.Records(connection).put_location(Registration("arn:aws:s3:::lake", "r", False, "2026"))
        connection.execute(
            sa.insert(catalog_tables._databases),
            [
                {
                    "name": "wide",
                    "id": "0",
                    "created": "2026-01-01T00:00:00+00:00",
                    "document": json.dumps({"Name": "wide"}),
                }
            ],
        )
        connection.execute(
            sa.insert(catalog_tables._tables),
            [
                {
                    "database": "wide",
                    "name": f"t{n:05}",
                    "id": str(n),
                    "version": 0,
                    "created_by": "",
                    "created": "2026-01-01T00:00:00+00:00",
                    "updated": "2026-01-01T00:00:00+00:00",
                    "document": json.dumps({"Name": f"t{n:05}", "StorageDescriptor": {"Columns": columns}}),
                }
                for n in range(10_000)
            ],
        )


def rows(start: int, end: int) -> Iterator[dict[str, object]]:
    """Each principal holds 100 grants; one in four on columns only."""
    for number in range(start, end):
        principal, step = number % PRINCIPALS, number // PRINCIPALS
        table = (principal * 37 + step * 1009) % (DATABASES * TABLES)
        place = {"database": f"db{table % DATABASES}", "table_name": f"t{table // DATABASES}"}
        kind = "columns" if step % 4 == 0 else "table"
        body: dict[str, object] = {"_": kind, "database": place["database"], "table": place["table_name"]}
        if kind == "columns":
            body |= {"include": ["id", "name"], "wildcard": False, "exclude": []}
        yield {
            "principal": arn(principal),
            "kind": kind,
            **place,
            "resource": json.dumps(body, sort_keys=True),
            "permissions": '["SELECT"]',
            "grantable": "[]",
        }


def arn(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/r{number}"


def who(number: int) -> Principal:
    return Principal(PrincipalType.ASSUMED_ROLE, ACCOUNT, arn(number), "x", f"r{number}")


def deciding(database: Database) -> Iterator[tuple[str, float, str]]:
    store = PermissionStore(database)
    service = PermissionService(store, CatalogStore(database), Everybody(), ACCOUNT, lambda: datetime.now(UTC))
    tables = [
        Table(
            f"db{n % DATABASES}",
            f"t{n // DATABASES}",
            (Column("id", "string"), Column("name", "string"), Column("ssn", "string")),
            location=f"s3://lake/{n}",
        )
        for n in range(0, DATABASES * TABLES, 97)
    ]
    started = time.perf_counter()
    service.table_access(who(0), tables[0])
    yield "first decision of a cold server", (time.perf_counter() - started) * 1000, "ms"
    before = memory()
    started, used = time.perf_counter(), time.process_time()
    for number in range(PRINCIPALS):
        service.facts(who(number))
    yield "snapshot load, every principal asked about", time.perf_counter() - started, "s"
    yield "the same, processor time", time.process_time() - used, "s"
    yield "snapshot memory, every principal asked about", memory() - before, "MB"
    first, again = (passes(service, tables) for _ in range(2))
    yield "resolve, version checked, a principal's first in a database, median", statistics.median(first), "us"
    yield "resolve, version checked, median", statistics.median(again), "us"
    yield "resolve, version checked, p99", sorted(again)[int(PRINCIPALS * 0.99)], "us"
    grant = Grant(arn(1), TableResource("db0", "t0"), frozenset({"SELECT"}), frozenset())
    with store.write() as records:
        records.put_grant(grant)
    assert service.table_access(who(1), tables[0]).columns
    with store.write() as records:
        records.put_grant(Grant(grant.principal, grant.resource, frozenset(), frozenset()))
    started = time.perf_counter()
    assert not service.table_access(who(1), tables[0]).columns, "a revoke is in force on the next call"
    yield "the decision after a revoke", (time.perf_counter() - started) * 1000, "ms"


def passes(service: PermissionService, tables: list[Table]) -> list[float]:
    """One decision a principal, in microseconds each."""
    times = []
    for number in range(PRINCIPALS):
        principal, table = who(number * 7919 % PRINCIPALS), tables[number % len(tables)]
        started = time.perf_counter()
        service.table_access(principal, table)
        times.append((time.perf_counter() - started) * 1e6)
    return times


def listing(database: Database) -> Iterator[tuple[str, float, str]]:
    store, catalog = PermissionStore(database), CatalogStore(database)
    permissions = PermissionService(store, catalog, Everybody(), ACCOUNT, lambda: datetime.now(UTC))
    service = CatalogService(catalog, permissions, lambda: datetime.now(UTC))
    with store.write() as records:
        records.put_grant(Grant(arn(5), TableResource("wide", "t07777"), frozenset({"SELECT"}), frozenset()))
    times = []
    for _ in range(20):
        started = time.perf_counter()
        assert len(service.tables(who(5), "wide")) == 1
        times.append((time.perf_counter() - started) * 1000)
    yield "GetTables of 10,000, one permitted, first", times[0], "ms"
    yield "GetTables of 10,000, one permitted, median", statistics.median(times), "ms"


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
