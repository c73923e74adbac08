"""Large bodies, which are read past the HTTP parser: on one connection after another, in odd pieces, refused, cut off."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from lakewarden.bodies import LARGE
from lakewarden.storage.etags import LONGEST_MD5
from tests.e2e.conftest import Lake

MIB = 1 << 20


@pytest.fixture(scope="module")
def s3(lake: Lake) -> Any:
    found = lake.client("admin", "s3")
    found.create_bucket(Bucket="bodies")
    return found


@pytest.fixture
def line(lake: Lake) -> Iterator[socket.socket]:
    url = urlsplit(lake.server.endpoint)
    with closing(socket.create_connection((url.hostname, url.port), timeout=60)) as connection:
        yield connection


def put(s3: Any, key: str, length: int, *more: bytes, bucket: str = "bodies") -> bytes:
    """The head of a presigned PUT."""
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))
    fields = [b"Host: " + url.netloc.encode(), b"Content-Length: %d" % length, *more]
    return f"PUT {url.path}?{url.query} HTTP/1.1\r\n".encode() + b"\r\n".join(fields) + b"\r\n\r\n"


@pytest.fixture(scope="module")
def signer(lake: Lake) -> Any:
    import boto3
    from botocore.config import Config

    keys = lake.server.administrator
    return boto3.client(
        "s3", endpoint_url=lake.server.endpoint, region_name=keys["Region"], aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip


def answer(line: socket.socket) -> tuple[int, bytes]:
    """One whole answer: status and head."""
    head = b""
    while b"\r\n\r\n" not in head:
        got = line.recv(65536)
        assert got, head
        head += got
    head, _, rest = head.partition(b"\r\n\r\n")
    lengths = [one for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:")]
    left = int(lengths[0].split(b":")[1]) - len(rest) if lengths else 0
    while left > 0:
        left -= len(line.recv(65536))
    return int(head.split()[1]), head


def test_one_connection_carries_one_large_body_after_another(s3: Any, signer: Any, line: socket.socket) -> None:
    for number, size in enumerate((LARGE, LARGE + 1, 3 * MIB + 7, LARGE - 1, 0, 2 * MIB)):
        body = os.urandom(size)
        line.sendall(put(signer, f"k{number}", size))
        for at in range(0, size, 99_991):
            line.sendall(body[at : at + 99_991])
        status, head = answer(line)
        assert status == 200, head
        assert f'etag: "{hashlib.md5(body).hexdigest()}"'.encode() in head.lower()
        assert s3.get_object(Bucket="bodies", Key=f"k{number}")["Body"].read() == body


def test_requests_that_are_sent_without_waiting_are_taken_apart(s3: Any, signer: Any, line: socket.socket) -> None:
    bodies = [os.urandom(size) for size in (MIB, 10, 2 * MIB, LARGE)]
    line.sendall(b"".join(put(signer, f"p{n}", len(body)) + body for n, body in enumerate(bodies)))
    assert [answer(line)[0] for _ in bodies] == [200] * len(bodies)
    for number, body in enumerate(bodies):
        assert s3.get_object(Bucket="bodies", Key=f"p{number}")["Body"].read() == body


def test_a_client_that_waits_to_be_asked_is_asked(s3: Any, signer: Any, line: socket.socket) -> None:
    body = os.urandom(MIB)
    line.sendall(put(signer, "asked", len(body), b"Expect: 100-continue"))
    assert answer(line)[0] == 100
    line.sendall(body)
    assert answer(line)[0] == 200
    line.sendall(put(signer, "asked", len(body), b"Expect: 100-continue", bucket="no-such-bucket"))
    status, head = answer(line)
    assert (status, b"connection: close" in head.lower()) == (404, True)
    assert s3.get_object(Bucket="bodies", Key="asked")["Body"].read() == body


def test_a_refused_body_is_read_and_forgotten(signer: Any, line: socket.socket) -> None:
    line.sendall(put(signer, "k", MIB, bucket="no-such-bucket") + bytes(MIB))
    assert answer(line)[0] == 404
    line.sendall(put(signer, "k", 5) + b"again")
    assert answer(line)[0] == 200


def test_a_page_that_reads_no_body_leaves_the_connection_usable(lake: Lake, line: socket.socket) -> None:
    host = lake.server.endpoint.removeprefix("http://").encode()
    for _ in range(2):
        line.sendall(b"POST /_health HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n" % (host, 5 * MIB))
        line.sendall(bytes(5 * MIB))
        assert answer(line)[0] == 405
    line.sendall(b"GET /_health HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert answer(line)[0] == 200


def test_a_body_that_breaks_off_stores_nothing(s3: Any, signer: Any, line: socket.socket) -> None:
    s3.put_object(Bucket="bodies", Key="cut", Body=b"before")
    line.sendall(put(signer, "cut", 4 * MIB) + bytes(3 * MIB))
    line.close()
    assert s3.get_object(Bucket="bodies", Key="cut")["Body"].read() == b"before"


def test_a_changed_body_stores_nothing(s3: Any, line: socket.socket) -> None:
    """The hash that was signed is of all the bytes, wherever they were read."""
    body = bytearray(os.urandom(2 * MIB))
    taken: list[Any] = []

    def take(request: Any, **_: Any) -> None:
        taken.append(request)

    s3.meta.events.register("before-send.s3.PutObject", take)
    s3.put_object(Bucket="bodies", Key="changed", Body=bytes(body))
    s3.meta.events.unregister("before-send.s3.PutObject", take)
    request = taken[0]
    url = urlsplit(request.url)
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    head = f"PUT {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in text.items() if name.lower() not in {"expect", "host"})
    for at in (0, len(body) // 2, len(body) - 1):
        changed = bytearray(body)
        changed[at] ^= 1
        line.sendall(head.encode() + b"\r\n" + changed)
        status, got = answer(line)
        assert status == 400, got
    assert s3.get_object(Bucket="bodies", Key="changed")["Body"].read() == bytes(body)


def test_the_etag_of_what_is_put_whole_and_large_is_no_md5(s3: Any) -> None:
    """docs/adr/0015-etags-of-large-objects.md"""
    body = os.urandom(MIB) * (LONGEST_MD5 // MIB)
    assert s3.put_object(Bucket="bodies", Key="large", Body=body)["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    body += b"!"
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}-1"'
    assert s3.put_object(Bucket="bodies", Key="large", Body=body)["ETag"] == etag
    assert s3.head_object(Bucket="bodies", Key="large", IfMatch=etag)["ETag"] == etag
    with pytest.raises(ClientError, match="304"):
        s3.get_object(Bucket="bodies", Key="large", IfNoneMatch=etag)
    s3.delete_object(Bucket="bodies", Key="large")
