"""Bodies of uploads: every checksum that botocore can send is verified, and a wrong one discards the upload."""

import asyncio
import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.httpchecksum import _CHECKSUM_CLS as BOTOCORE_CHECKSUMS

from lakewarden.kernel.errors import AwsError
from lakewarden.wire import Headers, RawRequest, checksums, payload
from lakewarden.wire.errors import BadDigest, ContentSha256Mismatch, IncompleteBody, InvalidDigest, InvalidRequest
from lakewarden.wire.signature import UNSIGNED_PAYLOAD, Signature
from tests.unit.wire.test_chunked import split

CONTENT = b"the quick brown fox " * 500
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = sorted(BOTOCORE_CHECKSUMS)


def claim(kind: str, content: bytes = CONTENT) -> str:
    checksum = BOTOCORE_CHECKSUMS[kind]()
    checksum.update(content)
    return str(checksum.b64digest())


def signature(kind: str) -> Signature:
    return Signature("AK", "20260101", "us-east-1", "s3", ("host",), "0" * 64, NOW, None, kind, expires=timedelta(0))


def read(headers: dict[str, str], body: bytes = CONTENT, kind: str = UNSIGNED_PAYLOAD, *, summed: bool = True) -> bytes:
    request = RawRequest(
        "PUT", "http", "/b/k", "", Headers(tuple(headers.items())), "127.0.0.1", NOW, "id", split(body, 777)
    )

    async def collect() -> bytes:
        return b"".join([piece async for piece in payload.stream(request, signature(kind), b"", summed=summed)])

    return asyncio.run(collect())


@pytest.mark.parametrize("kind", KINDS)
def test_every_checksum_that_botocore_knows(kind: str) -> None:
    assert read({f"x-amz-checksum-{kind}": claim(kind)}) == CONTENT
    with pytest.raises(BadDigest):
        read({f"x-amz-checksum-{kind}": claim(kind, b"else")})


@pytest.mark.parametrize("kind", [*KINDS, "sha512", "md5", "xxhash64", "xxhash3", "xxhash128"])
def test_a_checksum_of_our_own_making_is_taken_back(kind: str) -> None:
    running = checksums.start(kind)
    for at in range(0, len(CONTENT), 333):
        running.update(CONTENT[at : at + 333])
    assert read({f"x-amz-checksum-{kind}": checksums.text(running)}) == CONTENT


@pytest.mark.parametrize("kind", KINDS)
def test_trailing_checksums(kind: str) -> None:
    headers = {"x-amz-trailer": f"x-amz-checksum-{kind}", "x-amz-decoded-content-length": str(len(CONTENT))}
    body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-%s:%s\r\n\r\n"
    good = body % (len(CONTENT), CONTENT, kind.encode(), claim(kind).encode())
    bad = body % (len(CONTENT), CONTENT, kind.encode(), claim(kind, b"else").encode())
    missing = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
    assert read(headers, good, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") == CONTENT
    with pytest.raises(BadDigest):
        read(headers, bad, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    with pytest.raises(InvalidRequest):
        read(headers, missing, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"content-md5": md5(b"else")}, BadDigest),
        ({"content-md5": "x"}, InvalidDigest),
        ({"content-md5": "é"}, InvalidDigest),
        ({"x-amz-checksum-crc32": "AAAA"}, InvalidRequest),
        ({"x-amz-checksum-crc32": "not base64"}, InvalidRequest),
        ({"x-amz-checksum-crc16": "AAAA"}, InvalidRequest),
        ({"content-length": str(len(CONTENT) + 1)}, IncompleteBody),
        ({"content-encoding": "aws-chunked"}, InvalidRequest),
        ({"x-amz-checksum-crc32": claim("crc32"), "x-amz-checksum-sha1": claim("sha1", b"")}, BadDigest),
    ],
)
def test_claims_that_are_not_true(headers: dict[str, str], error: type[AwsError]) -> None:
    with pytest.raises(error):
        read(headers)


def test_the_signed_hash_is_the_bodys() -> None:
    assert read({"content-md5": md5(CONTENT)}, kind=hashlib.sha256(CONTENT).hexdigest()) == CONTENT
    with pytest.raises(ContentSha256Mismatch):
        read({}, kind=hashlib.sha256(b"else").hexdigest())


@pytest.mark.parametrize("length", ["", "1", "99999"])
def test_a_chunked_body_has_the_length_that_it_announces(length: str) -> None:
    with pytest.raises((IncompleteBody, InvalidRequest)):
        read(
            {"x-amz-decoded-content-length": length},
            b"3\r\nabc\r\n0\r\n\r\n",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        )


def test_checksums_of_the_object_are_not_of_the_request() -> None:
    """CompleteMultipartUpload states the sum of the object that it makes."""
    assert read({"x-amz-checksum-crc32": claim("crc32", b"else")}, summed=False) == CONTENT


def test_an_upload_without_a_signature_is_read_as_it_is() -> None:
    request = RawRequest("PUT", "http", "/b/k", "", Headers(()), "127.0.0.1", NOW, "id", split(CONTENT, 100))

    async def collect() -> bytes:
        return b"".join([piece async for piece in payload.stream(replace(request), None, b"")])

    assert asyncio.run(collect()) == CONTENT
