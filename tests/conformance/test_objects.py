"""``storage.ports.Blobs``: one suite for the local directory and for an S3-compatible store."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from lakewarden.storage.errors import BlobMissing
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.ports import Blob, Blobs
from lakewarden.storage.remote import RemoteBlobs, RemotePlace, Secret
from tests.conformance.seaweed import Seaweed, seaweed

MIB = 1 << 20
Open = Callable[[], Blobs]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        client = boto3.client(
            "s3", endpoint_url=running.endpoint, region_name="us-east-1", aws_access_key_id=running.access_key,
            aws_secret_access_key=running.secret_key, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        client.create_bucket(Bucket="blobs")
        yield running


@pytest.fixture(params=["local", "remote"])
def open_blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "local":
        return lambda: LocalBlobs(tmp_path / "blobs")
    peer: Seaweed = request.getfixturevalue("peer")
    place = RemotePlace(
        peer.endpoint, "blobs", f"here/{secrets.token_hex(4)}", "us-east-1", peer.access_key, Secret(peer.secret_key)
    )
    return lambda: RemoteBlobs(place.store(), tmp_path / "cache", 30 * MIB)


def put(blobs: Blobs, *pieces: bytes) -> Blob:
    writer = blobs.writer()
    for piece in pieces:
        writer.write(piece)
    return writer.finish()


def body(blobs: Blobs, name: str, start: int, length: int) -> bytes:
    async def collect() -> bytes:
        return b"".join([piece async for piece in blobs.body(name, start, length)])

    return asyncio.run(collect())


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 3, 21 * MIB])
def test_what_was_written_is_read(open_blobs: Open, size: int) -> None:
    blobs = open_blobs()
    content = secrets.token_bytes(size)
    blob = put(blobs, *(content[at : at + MIB] for at in range(0, size, MIB)))
    assert (blob.size, blob.etag) == (size, hashlib.md5(content).hexdigest())
    again = open_blobs()
    assert again.read(blob.name, 0, size) == content
    assert again.read(blob.name, size // 2, 10) == content[size // 2 : size // 2 + 10]
    assert again.read(blob.name, size, 10) == b""
    assert body(again, blob.name, 0, size) == content
    assert body(again, blob.name, size // 3, size // 3) == content[size // 3 : size // 3 * 2]
    assert again.path(blob.name).read_bytes() == content
    assert again.path(blob.name).read_bytes() == content


def test_an_unfinished_blob_is_not_there(open_blobs: Open) -> None:
    blobs = open_blobs()
    writer = blobs.writer()
    writer.write(b"x" * (9 * MIB))
    assert list(blobs.names()) == []
    writer.discard()
    writer.discard()
    assert list(open_blobs().names()) == []


def test_names_and_removal(open_blobs: Open) -> None:
    blobs = open_blobs()
    kept, gone = put(blobs, b"a"), put(blobs, b"b")
    assert {name for name, _ in blobs.names()} == {kept.name, gone.name}
    assert all(abs(at - time.time()) < 600 for _, at in blobs.names())
    blobs.path(gone.name)
    blobs.remove([gone.name, gone.name, "0" * 32])
    assert [name for name, _ in blobs.names()] == [kept.name]
    with pytest.raises(BlobMissing):
        blobs.read(gone.name, 0, 1)


def test_joining_leaves_the_parts(open_blobs: Open) -> None:
    blobs = open_blobs()
    contents = [secrets.token_bytes(size) for size in (6 * MIB, 5 * MIB + 1, 0, 7)]
    parts = [put(blobs, content) for content in contents]
    whole = blobs.join([part.name for part in parts], [part.size for part in parts])
    assert blobs.read(whole.name, 0, whole.size + 1 if whole.size else 0)[: whole.size] == b"".join(contents)
    assert whole.size == sum(len(content) for content in contents)
    assert {name for name, _ in blobs.names()} == {whole.name, *(part.name for part in parts)}


def test_a_body_outlives_its_blob(open_blobs: Open, tmp_path: Path) -> None:
    blobs = open_blobs()
    if isinstance(blobs, RemoteBlobs):
        return  # there, time protects a reader: nothing is removed before its grace is over
    blob = put(blobs, b"still here")
    stream = blobs.body(blob.name, 0, 10)
    blobs.remove([blob.name])

    async def collect() -> bytes:
        return b"".join([piece async for piece in stream])

    assert asyncio.run(collect()) == b"still here"


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a" * 31, "A" * 32, "/" * 32, "a" * 32 + "\n"])
def test_no_other_name_becomes_a_path(open_blobs: Open, name: str) -> None:
    with pytest.raises(ValueError, match="not a blob name"):
        open_blobs().path(name)


def test_secrets_do_not_print_themselves() -> None:
    place = RemotePlace("http://localhost", "b", "", "us-east-1", "id", Secret("hush"))
    assert "hush" not in repr(place)
