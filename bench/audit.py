"""The audit log: durable appends a second, and LookupEvents' pages on many records (LAKEWARDEN_BENCH_RECORDS of them)."""

import os
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import duckdb
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lakewarden.audit.anchors import AnchorFile, Anchors
from lakewarden.audit.index import EventIndex, index_rows
from lakewarden.audit.log import AuditLog, text_of
from lakewarden.audit.queries import Execution
from lakewarden.audit.service import EventHistory
from lakewarden.audit.store import AuditStore
from lakewarden.audit.tables import AuditTables
from lakewarden.state import Database
from lakewarden.state.migrate import migrate

APPENDS = 60_000
RECORDS = int(os.environ.get("LAKEWARDEN_BENCH_RECORDS", "1000000"))
ACCOUNT = "111122223333"
NAMES = (
    "GetObject",
    "GetTable",
    "GetDataAccess",
    "StartQueryExecution",
    "GetQueryExecution",
    "CreateUser",
    "PutObject",
)
START = 1_700_000_000


def record(number: int) -> dict[str, object]:
    """A record of ordinary size; every attribute has frequent and rare values."""
    name = NAMES[number % 5] if number % 1000 else NAMES[5]
    person = f"person{number % 97}"
    bucket = f"arn:aws:s3:::bucket{number % 50}"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": f"AIDA{number % 97:016d}", "arn": f"arn:aws:iam::{ACCOUNT}:user/{person}",
            "accountId": ACCOUNT, "accessKeyId": f"AKIA{number % 97:016d}", "userName": person,
        },
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + number // 20)),
        "eventSource": ("s3", "glue", "lakeformation", "athena")[number % 4] + ".amazonaws.com",
        "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "10.0.0.7", "userAgent": "aws-cli/2.0 " + "x" * 60,
        "requestParameters": {"bucketName": bucket, "key": f"part/{number}.parquet"}, "responseElements": None,
        "requestID": f"{number:036d}", "eventID": f"{random.getrandbits(128):032x}"[:36], "readOnly": bool(number % 1000),
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"{bucket}/part/{number}.parquet", "accountId": ACCOUNT},
            {"type": "AWS::S3::Bucket", "ARN": bucket, "accountId": ACCOUNT},
        ],
        "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    }  # fmt: skip


def run() -> list[tuple[str, float, str]]:
    rows = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("LAKEWARDEN_BENCH_DIR")) as scratch:
        rows += _appends(Path(scratch))
        rows += _pages(Path(scratch))
    return rows


def _appends(root: Path) -> list[tuple[str, float, str]]:
    database = _database(root / "append.db")
    key = Ed25519PrivateKey.generate()
    log = AuditLog(AuditStore(database, b"k" * 32), Anchors(AnchorFile(root / "heads"), (), root / "head", key))
    made = [record(number) for number in range(APPENDS)]
    rates = []
    for part in range(3):
        mine = made[part::3]
        pending: list[Future[None]] = []
        started = time.perf_counter()

        def write(own: list[dict[str, object]], waiting: list[Future[None]] = pending) -> None:
            waiting.extend(map(log.append, own))

        writers = [threading.Thread(target=write, args=(mine[n::4],)) for n in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        for waiting in pending:
            waiting.result()
        rates.append(len(mine) / (time.perf_counter() - started))
    log.close()
    index = EventIndex(AuditStore(database, b"k" * 32), _database(root / "append-index.db"))
    started = time.perf_counter()
    index.catch_up()
    indexed = APPENDS / (time.perf_counter() - started)
    database.close()
    plain = _plain_sqlite(root, [text_of(one) for one in made[: APPENDS // 3]])
    return [
        ("durable records by group commit, chained, sealed, heads signed", statistics.median(rates), "records/s"),
        ("the index behind them", indexed, "records/s"),
        ("the same texts into a bare SQLite table, batches of 2000 (no chain, no index)", plain, "records/s"),
    ]


def _plain_sqlite(root: Path, texts: list[str]) -> float:
    connection = sqlite3.connect(root / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, record TEXT)")
    started = time.perf_counter()
    for first in range(0, len(texts), 2000):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t (record) VALUES (?)", [(text,) for text in texts[first : first + 2000]])
        connection.execute("COMMIT")
    rate = len(texts) / (time.perf_counter() - started)
    connection.close()
    return rate


def _database(path: Path) -> Database:
    database = Database(f"sqlite:///{path}")
    migrate(database)
    return database


def _pages(root: Path) -> list[tuple[str, float, str]]:
    database = _database(root / "many.db")
    known = _fill(root / "many.db")
    store = AuditStore(database, b"k" * 32)
    history = EventHistory(store, EventIndex(store, database))
    wanted = {
        "EventId": [known["event_id"]],
        "EventName": ["GetTable", "CreateUser", "NoSuchEvent"],
        "EventSource": ["s3.amazonaws.com", "glue.amazonaws.com"],
        "Username": ["person5", "nobody"],
        "AccessKeyId": ["AKIA0000000000000007"],
        "ReadOnly": ["true", "false"],
        "ResourceType": ["AWS::S3::Bucket"],
        "ResourceName": ["bucket7", known["object"]],
    }
    rows = []
    middle = START + RECORDS // 40
    for name, values in wanted.items():
        times = []
        for value in values:
            asked = {"LookupAttributes": [{"AttributeKey": name, "AttributeValue": value}]}
            for window in (
                {},
                {"StartTime": _at(middle - 60), "EndTime": _at(middle + 3600)},
                {"EndTime": _at(START + 900)},
            ):
                for _ in range(5):
                    started = time.perf_counter()
                    history.look_up({**asked, **window})
                    times.append((time.perf_counter() - started) * 1000)
        rows.append((f"LookupEvents page by {name}, {RECORDS:,} records, median", statistics.median(times), "ms"))
        rows.append((f"LookupEvents page by {name}, {RECORDS:,} records, slowest of {len(times)}", max(times), "ms"))
        cold = [_cold(root / "many.db", name, value) for value in values]
        rows.append((f"LookupEvents page by {name}, {RECORDS:,} records, nothing cached, slowest", max(cold), "ms"))
    rows += _tables(root, store)
    database.close()
    return rows


def _cold(path: Path, name: str, value: str) -> float:
    """One page by a server that has just started, of a log of which the kernel caches nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    database = Database(f"sqlite:///{path}")
    store = AuditStore(database, b"k" * 32)
    history = EventHistory(store, EventIndex(store, database))
    started = time.perf_counter()
    history.look_up({"LookupAttributes": [{"AttributeKey": name, "AttributeValue": value}]})
    spent = (time.perf_counter() - started) * 1000
    database.close()
    return spent


class _NoExecutions:
    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:  # noqa: ARG002 - the port's signature
        return {}


def _tables(root: Path, store: AuditStore) -> list[tuple[str, float, str]]:
    """The events table, made from the log, then repeated until it has ten million rows, and scanned by SQL."""
    tables = AuditTables(root / "tables", store, _NoExecutions(), b"k" * 32)
    started = time.perf_counter()
    files = tables.files("events")
    rate = RECORDS / (time.perf_counter() - started)
    copies = max(1, 10_000_000 // RECORDS)
    listed = ", ".join(f"'{path}'" for _ in range(copies) for path in files)
    connection = duckdb.connect()
    times = []
    for statement in (
        "SELECT event_name, count(*) FROM e GROUP BY 1 ORDER BY 2 DESC",
        "SELECT person, count(*) FILTER (WHERE error_code <> '') FROM e WHERE event_time >= TIMESTAMP '2023-11-15' GROUP BY 1",
    ):
        connection.execute(f"CREATE OR REPLACE VIEW e AS SELECT * FROM read_parquet([{listed}])")
        started = time.perf_counter()
        connection.execute(statement).fetchall()
        times.append(time.perf_counter() - started)
    count = f"{RECORDS * copies:,}"
    return [
        ("records of the log into the audit tables", rate, "records/s"),
        (f"the audit table events by SQL, {count} rows, count by event_name", times[0], "s"),
        (f"the audit table events by SQL, {count} rows, errors by person in a range", times[1], "s"),
    ]


def _at(seconds: int):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _fill(path: Path) -> dict[str, str]:
    """Rows straight into the tables, indexes last: the chain does not matter here, the sizes do."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-400000")
    connection.execute("CREATE TABLE loose (attribute INTEGER, value TEXT, event_time INTEGER, sequence INTEGER)")
    for first in range(1, RECORDS + 1, 20_000):
        numbers = range(first, min(first + 20_000, RECORDS + 1))
        texts = {number: text_of(record(number)) for number in numbers}
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO audit_events VALUES (?, ?, ?, ?, ?)",
            ((number, text, "0" * 64, "0" * 64, "0" * 64) for number, text in texts.items()),
        )
        connection.executemany(
            "INSERT INTO loose VALUES (?, ?, ?, ?)",
            (row for number, text in texts.items() for row in index_rows(number, text)),
        )
        connection.execute("COMMIT")
    connection.execute("INSERT INTO audit_index SELECT DISTINCT * FROM loose ORDER BY 1, 2, 3, 4")
    connection.execute("DROP TABLE loose")
    connection.execute("INSERT INTO audit_indexed VALUES (1, ?)", (RECORDS,))
    third = RECORDS // 3
    event_id = connection.execute("SELECT value FROM audit_index WHERE attribute = 1 LIMIT 1").fetchone()[0]
    known = {"event_id": event_id, "object": f"bucket{third % 50}/part/{third}.parquet"}
    connection.close()
    return known
