"""What the disk and the store behind the gateway can do to it: kill -9, a full disk, a remote store, a restart."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lakewarden.config import OBJECTS_KEY_ID, OBJECTS_SECRET
from lakewarden.demo.server import RunningServer, free_port, initialise, serving
from tests.conformance.seaweed import seaweed

MIB = 1 << 20


def client(server: RunningServer, **config: Any) -> Any:
    keys = server.administrator
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=keys["Region"], aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], config=Config(retries={"max_attempts": 0}, **config),
    )  # fmt: skip


def signing(server: RunningServer) -> Any:
    return client(server, signature_version="s3v4")


def files(data: Path) -> list[Path]:
    return [file for file in (data / "objects").rglob("*") if file.is_file()]


def test_kill_9_during_a_put_leaves_nothing_half_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    administrator = initialise(data)
    with serving(data, administrator) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="crash")
        s3.put_object(Bucket="crash", Key="k", Body=b"before")
        upload = s3.create_multipart_upload(Bucket="crash", Key="parts")["UploadId"]
        ask = {"Bucket": "crash", "Key": "parts", "UploadId": upload}
        tag = s3.upload_part(**ask, PartNumber=1, Body=b"p" * (5 * MIB))["ETag"]
        url = urlsplit(signing(server).generate_presigned_url("put_object", Params={"Bucket": "crash", "Key": "k"}))
        assert url.hostname is not None
        half = http.client.HTTPConnection(url.hostname, url.port)
        half.putrequest("PUT", f"{url.path}?{url.query}")
        half.putheader("Content-Length", str(100 * MIB))
        half.endheaders()
        for _ in range(20):
            half.send(b"h" * MIB)
        deadline = time.monotonic() + 20
        while not list((data / "objects" / "incoming").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list((data / "objects" / "incoming").iterdir())
        os.kill(server.pid, signal.SIGKILL)
        half.close()
    with serving(data, administrator) as server:
        s3 = client(server)
        assert s3.get_object(Bucket="crash", Key="k")["Body"].read() == b"before"
        assert list((data / "objects" / "incoming").iterdir()) == []
        done = s3.complete_multipart_upload(**ask, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        assert done["ETag"].endswith('-1"')
        assert s3.head_object(Bucket="crash", Key="parts")["ContentLength"] == 5 * MIB


@contextmanager
def on_a_small_disk(data: Path, administrator: Any, size: int) -> Iterator[RunningServer]:
    """The server with its objects on a file system of ``size`` bytes, in a mount namespace of its own."""
    port = free_port()
    command = [
        "bwrap", "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", str(data / "objects"), "--die-with-parent",
        sys.executable, "-m", "lakewarden", "serve", "--data", str(data), "--port", str(port),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield RunningServer(f"http://127.0.0.1:{port}", process.pid, data, administrator)
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    assert shutil.which("bwrap")
    data = tmp_path / "data"
    administrator = initialise(data)
    (data / "objects").mkdir(exist_ok=True)
    with on_a_small_disk(data, administrator, 16 * MIB) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="full")
        s3.put_object(Bucket="full", Key="k", Body=b"before")
        with pytest.raises(ClientError, match="not enough space"):
            s3.put_object(Bucket="full", Key="k", Body=b"x" * (32 * MIB))
        assert s3.get_object(Bucket="full", Key="k")["Body"].read() == b"before"
        s3.put_object(Bucket="full", Key="k", Body=b"y" * (10 * MIB))
        assert s3.head_object(Bucket="full", Key="k")["ContentLength"] == 10 * MIB


def test_objects_in_a_remote_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    administrator = initialise(data)
    (tmp_path / "peer").mkdir()
    with seaweed(tmp_path / "peer") as peer:
        theirs = boto3.client(
            "s3", endpoint_url=peer.endpoint, region_name="us-east-1", aws_access_key_id=peer.access_key,
            aws_secret_access_key=peer.secret_key, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        theirs.create_bucket(Bucket="backend")
        config = json.loads((data / "config.json").read_text())
        config["objects_url"] = peer.endpoint.replace("http://", "s3+http://") + "/backend/lake"
        (data / "config.json").write_text(json.dumps(config))
        monkeypatch.setenv(OBJECTS_KEY_ID, peer.access_key)
        monkeypatch.setenv(OBJECTS_SECRET, peer.secret_key)
        with serving(data, administrator) as server:
            s3 = client(server)
            s3.create_bucket(Bucket="lake")
            s3.put_object(Bucket="lake", Key="t/../a b/1.csv", Body=b"v\n1\n2\n")
            big = os.urandom(11 * MIB)
            upload = s3.create_multipart_upload(Bucket="lake", Key="big")["UploadId"]
            ask = {"Bucket": "lake", "Key": "big", "UploadId": upload}
            parts = [
                {"PartNumber": n, "ETag": s3.upload_part(**ask, PartNumber=n, Body=piece)["ETag"]}
                for n, piece in ((1, big[: 6 * MIB]), (2, big[6 * MIB :]))
            ]
            s3.complete_multipart_upload(**ask, MultipartUpload={"Parts": parts})
            assert s3.get_object(Bucket="lake", Key="big")["Body"].read() == big
            assert s3.get_object(Bucket="lake", Key="big", Range="bytes=5-9")["Body"].read() == big[5:10]
            glue = boto3.client(
                "athena", endpoint_url=server.endpoint, region_name="us-east-1",
                aws_access_key_id=administrator["AccessKeyId"], aws_secret_access_key=administrator["SecretAccessKey"],
            )  # fmt: skip
            assert query(glue, "CREATE DATABASE far", "s3://lake/out/")[0] == "SUCCEEDED"
            table = (
                "CREATE EXTERNAL TABLE far.t (v int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' "
                "LOCATION 's3://lake/t/../a b/' TBLPROPERTIES ('skip.header.line.count'='1')"
            )
            assert query(glue, table, "s3://lake/out/")[0] == "SUCCEEDED"
            state, rows = query(glue, "SELECT sum(v) FROM far.t", "s3://lake/out/")
            assert (state, rows[1:]) == ("SUCCEEDED", [["3"]]), rows
        names = [one["Key"] for one in theirs.list_objects_v2(Bucket="backend")["Contents"]]
        assert all(name.startswith("lake/") and "csv" not in name for name in names)
        os.kill(peer.pid, 0)


def query(athena: Any, sql: str, output: str) -> tuple[str, list[list[str]]]:
    started = athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": output})
    ask = {"QueryExecutionId": started["QueryExecutionId"]}
    while (state := athena.get_query_execution(**ask)["QueryExecution"]["Status"])["State"] in {"QUEUED", "RUNNING"}:
        time.sleep(0.02)
    if state["State"] != "SUCCEEDED":
        return state["State"], [[state.get("StateChangeReason", "")]]
    rows = athena.get_query_results(**ask)["ResultSet"]["Rows"]
    return state["State"], [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def stream(server: RunningServer, size: int) -> None:
    """``size`` bytes in by one presigned PUT and out by one GET, without ever holding them here."""
    ask = {"Bucket": "large", "Key": "one"}
    url = urlsplit(signing(server).generate_presigned_url("put_object", Params=ask))
    assert url.hostname is not None
    piece = os.urandom(MIB)
    with contextlib.closing(http.client.HTTPConnection(url.hostname, url.port)) as line:
        line.putrequest("PUT", f"{url.path}?{url.query}")
        line.putheader("Content-Length", str(size))
        line.endheaders()
        for _ in range(size // MIB):
            line.send(piece)
        assert line.getresponse().read() == b""
    body = client(server).get_object(**ask)["Body"]
    count = 0
    while got := body.read(MIB):
        assert got == piece
        count += len(got)
    assert count == size


@pytest.mark.parametrize("size", [400 * MIB, pytest.param(5 * 1024 * MIB, marks=pytest.mark.long)])
def test_large_objects_go_in_and_out_in_constant_memory(tmp_path: Path, size: int) -> None:
    data = tmp_path / "data"
    with serving(data, initialise(data)) as server:
        client(server).create_bucket(Bucket="large")
        stream(server, 8 * MIB)
        before = resident(server.pid)
        stream(server, size)
        # Sixteen threads keep a few pieces of 1 MiB each in their heaps; what grows with the object would be far more.
        assert resident(server.pid) - before < 64 * MIB


def test_writers_of_one_key_under_a_condition_have_one_winner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, initialise(data)) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="race")
        won: list[int] = []

        def write(number: int) -> None:
            try:
                client(server).put_object(Bucket="race", Key="k", Body=str(number).encode(), IfNoneMatch="*")
                won.append(number)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"  # noqa: PT017 - in a thread

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert s3.get_object(Bucket="race", Key="k")["Body"].read() == str(won[0]).encode()
