"""Stock boto3 clients, their whole pipeline included, whose requests end in our hands instead of on a socket."""

import asyncio
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.httpchecksum import _CHECKSUM_CLS as BOTOCORE_CHECKSUMS

from lakewarden.kernel.call import Call
from lakewarden.wire import Headers, RawRequest, Wire
from tests.wire.signing import ALICE, KEYS, Keys, once, text
from tests.wire.test_every_operation import collect

CONTENT = b"some content " * 10_000
HTTP, HTTPS = "http://localhost:7070", "https://localhost:7070"


@dataclass
class Server:
    """Receives what a client sends, and answers with nothing."""

    wire: Wire = field(default_factory=lambda: Wire(Keys(), "us-east-1", ("localhost",)))
    calls: list[Call] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    sent: list[RawRequest] = field(default_factory=list)

    def client(self, service: str, endpoint: str = HTTP, **config: Any) -> Any:
        client = boto3.client(
            service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEYS.access_key,
            aws_secret_access_key=KEYS.secret_key, config=Config(retries={"max_attempts": 0}, **config),
        )  # fmt: skip
        client.meta.events.register("before-send", self.answer)
        return client

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        pairs = [(name, text(value)) for name, value in request.headers.items()]
        if "host" not in {name.lower() for name, _ in pairs}:
            pairs.append(("Host", url.netloc))
        body: Any = request.body or b""
        content = body.read() if hasattr(body, "read") else body
        content = content.encode() if isinstance(content, str) else bytes(content)
        raw = RawRequest(
            request.method, url.scheme, url.path or "/", url.query, Headers(tuple(pairs)), "127.0.0.1",
            datetime.now(UTC), "id", once(content),
        )  # fmt: skip
        return self.take(raw, request.url)

    def take(self, raw: RawRequest, url: str = HTTP) -> AWSResponse:
        call, body = asyncio.run(self.receive(raw))
        assert call.principal == ALICE
        self.calls.append(call)
        self.bodies.append(body)
        self.sent.append(raw)
        response = self.wire.respond(raw, call.service, call.operation, {})
        http = AWSResponse(url, response.status, HeadersDict(dict(response.headers)), io.BytesIO())
        http._content = response.body
        return http

    async def receive(self, raw: RawRequest) -> tuple[Call, bytes]:
        call = (await self.wire.receive(raw)).call
        return call, (b"" if call.body is None else await collect(call.body))


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
@pytest.mark.parametrize("kind", [None, *sorted(BOTOCORE_CHECKSUMS)])
def test_uploads_with_every_checksum(endpoint: str, kind: str | None) -> None:
    server = Server()
    extra = {"ChecksumAlgorithm": kind.upper()} if kind else {}
    server.client("s3", endpoint).put_object(Bucket="bucket", Key="a/ü b", Body=CONTENT, Metadata={"m": "v"}, **extra)
    assert server.bodies == [CONTENT]
    params = server.calls[0].params
    assert (params["Key"], params["Metadata"]) == ("a/ü b", {"m": "v"})
    chunked = "aws-chunked" in server.sent[0].headers.get("content-encoding")
    assert chunked == (endpoint == HTTPS)


@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
def test_a_part_of_a_multipart_upload(endpoint: str) -> None:
    server = Server()
    server.client("s3", endpoint).upload_part(
        Bucket="bucket", Key="k", UploadId="u", PartNumber=3, Body=io.BytesIO(CONTENT)
    )
    assert server.bodies == [CONTENT]
    assert (server.calls[0].operation, server.calls[0].params["PartNumber"]) == ("UploadPart", 3)


def test_virtual_host_style() -> None:
    server = Server()
    server.client("s3", s3={"addressing_style": "virtual"}).get_object(Bucket="bucket", Key="k")
    assert server.sent[0].headers.get("host").startswith("bucket.localhost")
    assert server.calls[0].params["Bucket"] == "bucket"


CALLS: list[tuple[str, str, Callable[[Any], Any], dict[str, Any]]] = [
    ("s3", "ListBuckets", lambda c: c.list_buckets(), {}),
    ("s3", "CopyObject", lambda c: c.copy_object(Bucket="bucket", Key="k", CopySource="from/a b"), {"CopySource": "from/a%20b"}),
    ("s3", "DeleteObjects", lambda c: c.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a&b"}]}), {}),
    ("s3", "PutBucketPolicy", lambda c: c.put_bucket_policy(Bucket="bucket", Policy="{}"), {"Policy": "{}"}),
    ("s3", "PutObjectTagging", lambda c: c.put_object_tagging(
        Bucket="bucket", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    ("iam", "ListUsers", lambda c: c.list_users(MaxItems=10), {"MaxItems": 10}),
    ("sts", "AssumeRole", lambda c: c.assume_role(
        RoleArn="arn:aws:iam::1:role/role-name", RoleSessionName="me", Tags=[{"Key": "k", "Value": ""}]),
        {"Tags": [{"Key": "k", "Value": ""}]}),
    ("athena", "StartQueryExecution", lambda c: c.start_query_execution(QueryString="SELECT '☃'"), {"QueryString": "SELECT '☃'"}),
    ("lakeformation", "GetDataLakeSettings", lambda c: c.get_data_lake_settings(), {}),
    ("cloudtrail", "LookupEvents", lambda c: c.lookup_events(StartTime=datetime(2026, 1, 2, tzinfo=UTC)),
        {"StartTime": datetime(2026, 1, 2, tzinfo=UTC)}),
    ("sso-admin", "ListInstances", lambda c: c.list_instances(), {}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "call", "expected"), CALLS, ids=[case[1] for case in CALLS])
def test_calls(service: str, operation: str, call: Callable[[Any], Any], expected: dict[str, Any]) -> None:
    server = Server()
    call(server.client(service))
    assert (server.calls[0].service, server.calls[0].operation) == (service, operation)
    assert server.calls[0].params.items() >= expected.items()


def presigned(method: str, url: str, body: bytes = b"", **headers: str) -> RawRequest:
    parts = urlsplit(url)
    pairs = (("Host", parts.netloc), *headers.items())
    return RawRequest(
        method, parts.scheme, parts.path, parts.query, Headers(pairs), "127.0.0.1", datetime.now(UTC), "id", once(body)
    )


def test_presigned_urls() -> None:
    server = Server()
    client = server.client("s3", signature_version="s3v4")
    params = {"Bucket": "bucket", "Key": "a b/ü+c"}
    server.take(presigned("GET", client.generate_presigned_url("get_object", params)))
    server.take(presigned("PUT", client.generate_presigned_url("put_object", params), CONTENT))
    listing = client.generate_presigned_url("list_objects_v2", {"Bucket": "bucket", "Prefix": "a b/"})
    server.take(presigned("GET", listing))
    assert [call.operation for call in server.calls] == ["GetObject", "PutObject", "ListObjectsV2"]
    assert server.bodies[1] == CONTENT
    assert server.calls[1].params["Key"] == "a b/ü+c"
    assert server.calls[2].params["Prefix"] == "a b/"


def test_a_presigned_call_of_another_service() -> None:
    server = Server()
    server.take(presigned("POST", server.client("sts").generate_presigned_url("get_caller_identity")))
    assert server.calls[0].operation == "GetCallerIdentity"


def test_a_body_that_is_a_hash_of_itself_is_still_read() -> None:
    server = Server()
    body = hashlib.sha256(CONTENT).hexdigest().encode()
    server.client("s3").put_object(Bucket="bucket", Key="k", Body=body)
    assert server.bodies == [body]
