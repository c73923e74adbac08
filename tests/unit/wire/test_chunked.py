"""aws-chunked bodies: AWS's published examples, botocore's own writer, and those who tamper."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.errors import AwsError
from lakewarden.wire import chunked, sigv4
from lakewarden.wire.errors import IncompleteBody, InvalidRequest, SignatureDoesNotMatch

# Amazon S3 API Reference, "Signature calculations ... multiple chunks" and "... including trailing headers".
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
STAMP = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_SIGNATURES = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
CONTENT = b"a" * 66560


def signer(seed: str) -> chunked.ChunkSigner:
    return chunked.ChunkSigner(sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3"), STAMP, SCOPE, seed)


def framed(signatures: tuple[str, ...], end: bytes = b"\r\n") -> bytes:
    parts = (CONTENT[:65536], CONTENT[65536:], b"")
    body = b""
    for part, signature in zip(parts, signatures, strict=True):
        body += f"{len(part):x};chunk-signature={signature}\r\n".encode() + part + (b"\r\n" if part else b"")
    return body + end


TRAILER = f"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n".encode()


async def split(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def decode(
    body: bytes, seed: str | None = None, *, trailer: bool = False, size: int = 1000
) -> tuple[bytes, dict[str, str]]:
    reader = chunked.Reader(split(body, size), signer(seed) if seed else None, trailer=trailer)

    async def collect() -> bytes:
        return b"".join([piece async for piece in reader])

    return asyncio.run(collect()), dict(reader.trailers)


@pytest.mark.parametrize("size", [1, 7, 4096, 65536, 1 << 20])
def test_the_published_example_of_signed_chunks(size: int) -> None:
    assert decode(framed(SIGNATURES), SEED, size=size) == (CONTENT, {})


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_the_published_example_of_a_signed_trailer(size: int) -> None:
    content, trailers = decode(framed(TRAILER_SIGNATURES, TRAILER), TRAILER_SEED, trailer=True, size=size)
    assert (content, trailers) == (CONTENT, {"x-amz-checksum-crc32c": "sOO8/Q=="})


@given(content=st.binary(max_size=3000), chunk=st.integers(1, 999), size=st.integers(1, 999))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_what_botocore_frames_is_read_back(content: bytes, chunk: int, size: int) -> None:
    wrapper = AwsChunkedWrapper(
        io.BytesIO(content), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=chunk
    )
    checksum = Crc32Checksum()
    checksum.update(content)
    assert decode(wrapper.read(), trailer=True, size=size) == (content, {"x-amz-checksum-crc32": checksum.b64digest()})


def swapped(body: bytes) -> bytes:
    return body.replace(b"aaaa", b"aaab", 1)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (swapped(framed(SIGNATURES)), SignatureDoesNotMatch),
        (framed((SIGNATURES[0], SIGNATURES[0], SIGNATURES[2])), SignatureDoesNotMatch),
        (framed((*SIGNATURES[:2], SIGNATURES[1])), SignatureDoesNotMatch),
        (framed(SIGNATURES).replace(b";chunk-signature=" + SIGNATURES[2].encode(), b""), InvalidRequest),
        (framed(SIGNATURES)[:-70000], IncompleteBody),
        (framed(SIGNATURES)[: len(framed(SIGNATURES)) - 90], IncompleteBody),
        (framed(SIGNATURES, b"\r\nmore"), InvalidRequest),
        (b"", IncompleteBody),
        (b"zz;chunk-signature=" + SIGNATURES[0].encode() + b"\r\n", InvalidRequest),
        (b"-1;chunk-signature=" + SIGNATURES[0].encode() + b"\r\n", InvalidRequest),
        (b"ffffffffffffffff;chunk-signature=" + SIGNATURES[0].encode() + b"\r\n", InvalidRequest),
        (b"1" * 5000, InvalidRequest),
    ],
)
def test_signed_chunks_that_were_tampered_with(body: bytes, error: type[AwsError]) -> None:
    with pytest.raises(error):
        decode(body, SEED)


@pytest.mark.parametrize(
    ("trailer", "error"),
    [
        (TRAILER.replace(b"sOO8", b"sOO9"), SignatureDoesNotMatch),
        (b"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", SignatureDoesNotMatch),
        (TRAILER.replace(TRAILER_SIGNATURE.encode(), "é".encode("latin-1")), SignatureDoesNotMatch),
        (b"x-amz-meta-a:b\r\n" + TRAILER, SignatureDoesNotMatch),
        (b"", IncompleteBody),
        (TRAILER[:-2], IncompleteBody),
        (TRAILER + b"x", InvalidRequest),
        (b"".join(b"a%d:b\r\n" % number for number in range(40)) + TRAILER, InvalidRequest),
    ],
)
def test_signed_trailers_that_were_tampered_with(trailer: bytes, error: type[AwsError]) -> None:
    with pytest.raises(error):
        decode(framed(TRAILER_SIGNATURES, trailer), TRAILER_SEED, trailer=True)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"3\r\nabcd\r\n0\r\n\r\n", IncompleteBody),
        (b"5\r\nabc", IncompleteBody),
        (b"3;chunk-signature=" + b"0" * 64 + b"\r\nabc\r\n0\r\n\r\n", InvalidRequest),
        (b"3 \r\nabc\r\n0\r\n\r\n", InvalidRequest),
        (b"0x3\r\nabc\r\n0\r\n\r\n", InvalidRequest),
        (b"0\r\n", IncompleteBody),
        (b"0\r\n\r\n0\r\n\r\n", InvalidRequest),
    ],
)
def test_unsigned_chunks_that_are_not_the_format(body: bytes, error: type[AwsError]) -> None:
    with pytest.raises(error):
        decode(body, trailer=True)


@given(st.binary(max_size=200), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_random_bytes_raise_nothing_but_aws_errors(body: bytes, signed: bool, trailer: bool) -> None:
    for candidate in (body, b"%x\r\n" % len(body) + body + b"\r\n0\r\n" + body):
        with contextlib.suppress(AwsError):
            decode(candidate, SEED if signed else None, trailer=trailer, size=13)


def test_no_byte_of_a_signed_chunk_comes_out_before_its_signature_was_checked() -> None:
    reader = chunked.Reader(split(swapped(framed(SIGNATURES)), 100), signer(SEED), trailer=False)
    seen: list[bytes | memoryview] = []

    async def read() -> None:
        async for piece in reader:
            seen.append(piece)  # noqa: PERF401 - what came out before the error is the point

    with pytest.raises(SignatureDoesNotMatch):
        asyncio.run(read())
    assert seen == []
