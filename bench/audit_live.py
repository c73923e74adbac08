"""The audit trail of a server under 500 calls a second: how soon a record is seen, and what it adds to a call."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from bench.calls import _signed
from lakewarden.demo.server import free_port, initialise

RATE = 500
SECONDS = 20
CONNECTIONS = 32
STS = b"Action=GetCallerIdentity&Version=2011-06-15"


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as scratch, timed(Path(scratch)) as (endpoint, session, notes):
        load = Load(endpoint, session)
        seen = Seen(endpoint, session)
        load.start()
        synced = [sync(Path(scratch) / "sync", number) for number in range(50)]
        seen.watch(SECONDS)
        load.join()
        calls = [json.loads(line) for line in notes.read_text().splitlines()]
    whole, audit = [one[0] for one in calls], [one[1] for one in calls]
    processor = (calls[-1][3] - calls[0][3]) / (calls[-1][2] - calls[0][2])
    achieved = len(load.latencies) / load.seconds
    return [
        (f"calls a second that were asked for: {RATE}; made", achieved, "calls/s"),
        ("a call under that load, median", statistics.median(whole) * 1000, "ms"),
        ("one fdatasync of this disk meanwhile, median", statistics.median(synced) * 1000, "ms"),
        ("of it the audit trail (wait for the durable record), median", statistics.median(audit) * 1000, "ms"),
        ("the audit trail's share of all calls' time", sum(audit) / sum(whole) * 100, "%"),
        ("the audit trail's share of the server's processor time", processor * 100, "%"),
        ("until LookupEvents shows a record, median", statistics.median(seen.looked) * 1000, "ms"),
        (f"until LookupEvents shows a record, p99 of {len(seen.looked)}", p99(seen.looked) * 1000, "ms"),
        ("until the joined view (CloudTrail Lake) shows a query, median", statistics.median(seen.joined) * 1000, "ms"),
        (f"until the joined view shows a query, p99 of {len(seen.joined)}", p99(seen.joined) * 1000, "ms"),
    ]


def sync(path: Path, number: int) -> float:
    """What no durable record can be faster than."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(descriptor, b"x" * 4096, number * 4096)
        started = time.perf_counter()
        os.fdatasync(descriptor)
        return time.perf_counter() - started
    finally:
        os.close(descriptor)


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


@contextmanager
def timed(root: Path) -> Iterator[tuple[str, boto3.Session, Path]]:
    data, notes, port = root / "data", root / "notes", free_port()
    keys = initialise(data)
    command = [sys.executable, "-m", "bench._timed", str(notes), "serve", "--data", str(data), "--port", str(port)]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{endpoint}/_health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], region_name=keys["Region"])
        yield endpoint, session, notes
    finally:
        process.terminate()
        process.wait()


class Load(threading.Thread):
    """Calls at a fixed rate, whatever the answers do."""

    def __init__(self, endpoint: str, session: boto3.Session) -> None:
        super().__init__()
        keys = session.get_credentials()
        self._url = urlsplit(endpoint)
        self._requests = [_signed(endpoint, "sts", STS, keys) for _ in range(RATE * SECONDS)]
        self.latencies: list[float] = []
        self.seconds = 0.0

    def run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        started = time.perf_counter()
        await asyncio.gather(*(self._one(number, started) for number in range(CONNECTIONS)))
        self.seconds = time.perf_counter() - started

    async def _one(self, first: int, started: float) -> None:
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        for number in range(first, len(self._requests), CONNECTIONS):
            await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
            sent = time.perf_counter()
            writer.write(self._requests[number])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b" 200 " in head.splitlines()[0], head
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            self.latencies.append(time.perf_counter() - sent)
        writer.close()


class Seen:
    """Makes calls and queries of its own meanwhile, and looks for each until it is there."""

    def __init__(self, endpoint: str, session: boto3.Session) -> None:
        clients = {name: session.client(name, endpoint_url=endpoint) for name in ("iam", "cloudtrail", "athena", "s3")}
        self._iam, self._trail, self._athena = clients["iam"], clients["cloudtrail"], clients["athena"]
        clients["s3"].create_bucket(Bucket="bench-results")
        lake = session.client("lakeformation", endpoint_url=endpoint)
        user = session.client("sts", endpoint_url=endpoint).get_caller_identity()["Arn"]
        table = {"DatabaseName": "lakewarden_audit", "Name": "queries"}
        lake.grant_permissions(
            Principal={"DataLakePrincipalIdentifier": user}, Resource={"Table": table}, Permissions=["SELECT"]
        )
        stores = self._trail.list_event_data_stores()["EventDataStores"]
        self._store = next(one["EventDataStoreArn"] for one in stores if one["Name"] == "queries").rpartition("/")[2]
        self.looked: list[float] = []
        self.joined: list[float] = []

    def watch(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(5):
                self._look()
            self._join()

    def _look(self) -> None:
        request = self._iam.get_user(UserName="lakewarden-admin")["ResponseMetadata"]["RequestId"]
        answered = time.perf_counter()
        asked = [{"AttributeKey": "EventName", "AttributeValue": "GetUser"}]
        while True:
            events = self._trail.lookup_events(LookupAttributes=asked, MaxResults=5)["Events"]
            if any(request in one["CloudTrailEvent"] for one in events):
                self.looked.append(time.perf_counter() - answered)
                return

    def _join(self) -> None:
        place = {"OutputLocation": "s3://bench-results/"}
        ran = self._athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration=place)["QueryExecutionId"]
        while True:
            status = self._athena.get_query_execution(QueryExecutionId=ran)["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                break
        ended = time.perf_counter()
        while True:
            text = f"SELECT query_id FROM {self._store} WHERE query_id = '{ran}'"
            query = self._trail.start_query(QueryStatement=text)["QueryId"]
            while (found := self._trail.get_query_results(QueryId=query))["QueryStatus"] in {"QUEUED", "RUNNING"}:
                time.sleep(0.01)
            assert found["QueryStatus"] == "FINISHED", found
            if found["QueryResultRows"]:
                self.joined.append(time.perf_counter() - ended)
                return
