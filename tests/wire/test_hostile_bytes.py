"""Whatever bytes come in, an AWS-shaped 4xx comes out: no other exception, no 5xx, no hang."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakewarden.kernel.errors import AwsError
from lakewarden.wire import Headers, RawRequest, Refused, Wire
from lakewarden.wire.models import operation_model, service_model
from tests.wire.shapes import members
from tests.wire.signing import Keys, once, raw, sign
from tests.wire.test_every_operation import collect, request_of

WIRE = Wire(Keys(), "us-east-1", ("localhost",))
CORPUS = Path(__file__).parents[1] / "golden" / "wire" / "hostile.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
PATHS = {"s3:DeleteObjects": "/bucket?delete", "lakeformation:GrantPermissions": "/GrantPermissions"}
FUZZERS: dict[str, tuple[Callable[..., None], int, dict[str, st.SearchStrategy[Any]]]] = {}


def fuzz(examples: int, **strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the function on so many random inputs in the default tests, and on forty times as many in the long form."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        FUZZERS[function.__name__] = (function, examples, strategies)
        return function

    return register


def run(name: str, factor: int) -> None:
    function, examples, strategies = FUZZERS[name]
    chosen = settings(
        max_examples=examples * factor,
        deadline=None,
        database=None,
        derandomize=factor == 1,
        suppress_health_check=list(HealthCheck),
    )
    chosen(given(**strategies)(function))()


def signed(call: str, body: bytes) -> RawRequest:
    service, _, operation = call.partition(":")
    metadata = service_model(service).metadata
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if "targetPrefix" in metadata:
        headers = {"X-Amz-Target": f"{metadata['targetPrefix']}.{operation}"}
    url = f"http://localhost{PATHS.get(call, '/')}"
    return sign(AWSRequest("POST", url, headers, body), service_model(service).signing_name)


def outcome(request: RawRequest) -> AwsError | None:
    """The error that ``request`` ends with, from the body too; anything that is no AwsError goes through."""

    async def run() -> AwsError | None:
        try:
            received = await WIRE.receive(request)
            if received.call.body is not None:
                await collect(received.call.body)
        except Refused as refused:
            return refused.error
        except AwsError as error:
            return error
        return None

    error = asyncio.run(run())
    if error is not None:
        assert 400 <= error.status < 500
        assert WIRE.respond_error(request, "", "", error).status == error.status
    return error


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_corpus(case: dict[str, Any]) -> None:
    body = case["latin1"].encode("latin-1") if "latin1" in case else case["body"].encode()
    piece, times = case.get("repeat", ("", 0))
    body += piece.encode() * times + case.get("end", "").encode()
    request = signed(case["call"], body)
    started = time.process_time()
    error = outcome(request)
    assert error is not None
    assert error.code == case["error"], error.message
    # Not a measure of speed: parsing that grows faster than its input would take minutes here.
    assert time.process_time() - started < 30
    # The same bytes from nobody are no better off.
    stripped = Headers(tuple(pair for pair in request.headers.pairs if pair[0] != "authorization"))
    outcome(replace(request, headers=stripped, body=once(body)))


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("arn:aws:iam::1:role/r"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
JSON_CALLS = [
    "athena:StartQueryExecution", "glue:CreateTable", "glue:GetPartitions", "cloudtrail:LookupEvents",
    "secretsmanager:CreateSecret", "sagemaker:CreateDomain", "lakeformation:GrantPermissions",
]  # fmt: skip


@fuzz(150, call=st.sampled_from(JSON_CALLS), data=st.data())
def documents_of_the_wrong_shape(call: str, data: st.DataObject) -> None:
    service, operation = call.split(":")
    names = sorted(operation_model(service, operation).input_shape.members)
    document = data.draw(st.dictionaries(st.sampled_from(names), documents, max_size=4))
    outcome(signed(call, json.dumps(document).encode()))


@fuzz(100, call=st.sampled_from(sorted({case["call"] for case in CASES})), body=st.binary(max_size=300))
def random_bodies(call: str, body: bytes) -> None:
    outcome(signed(call, body))


@fuzz(
    100,
    fields=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Action",
                    "Tags.member.1.Key",
                    "Tags.member",
                    "Tags",
                    "Tags.member.1",
                    "UserName.x",
                    "UserName",
                    ".",
                    "",
                ]
            ),
            st.sampled_from(["TagUser", "x", "", "%", "&", "="]),
        ),
        max_size=6,
    ),
)
def forms_of_the_wrong_shape(fields: list[tuple[str, str]]) -> None:
    outcome(signed("iam:", b"Action=TagUser&" + "&".join(f"{name}={value}" for name, value in fields).encode()))


_TAG = st.sampled_from(["Delete", "Object", "Key", "Quiet", "VersionId", "a:b", "Size"])


def element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(_TAG, st.lists(inner, max_size=3)).map(lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>")


@fuzz(
    100, body=element(st.recursive(st.sampled_from(["", "k", "true", "1", "&amp;", "<!--x-->"]), element, max_leaves=8))
)
def xml_of_the_wrong_shape(body: str) -> None:
    outcome(signed("s3:DeleteObjects", body.encode()))


_LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
_NAMES = st.sampled_from(
    [
        "authorization", "x-amz-date", "date", "host", "x-amz-target", "x-amz-content-sha256", "content-encoding",
        "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-checksum-crc32", "content-md5", "content-length",
        "x-amz-security-token", "x-amz-copy-source", "if-modified-since", "range", "x-amz-meta-a", "content-type",
        "x-amz-object-attributes", "x-amz-sso_bearer_token",
    ]
)  # fmt: skip
_VALUES = _LATIN | st.sampled_from(
    [
        "AmazonAthena.StartQueryExecution", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD", "aws-chunked",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-checksum-crc32", "x-amz-checksum-none", "20260101T000000Z",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=é",
        "Mon, 99 Foo 2026", "application/json", "bucket.localhost", ".localhost", "[::1]:80",
    ]
)  # fmt: skip


@fuzz(
    300,
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "X"]),
    path=_LATIN
    | st.sampled_from(["/", "/bucket", "/bucket/key", "/GrantPermissions", "/token", "", "//", "/%", "/%00"]),
    query=_LATIN
    | st.sampled_from(["uploads", "X-Amz-Signature=é&X-Amz-Credential=a", "Action=GetUser", "list-type=2&max-keys=x"]),
    headers=st.lists(st.tuples(_NAMES, _VALUES), max_size=6),
    body=st.binary(max_size=50),
)
def requests_of_any_kind(method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes) -> None:
    plain = raw(AWSRequest("GET", "http://localhost/", {"Host": "localhost"}))
    request = replace(
        plain, method=method, raw_path=path, query_string=query, headers=Headers(tuple(headers)), body=once(body)
    )
    outcome(request)


@fuzz(150, data=st.data())
def good_requests_gone_bad_on_the_way(data: st.DataObject) -> None:
    """A signed request whose bytes change anywhere is refused, or (outside what is signed) means the same."""
    service, operation = data.draw(st.sampled_from([("s3", "PutObject"), ("iam", "CreateUser"), ("glue", "GetTable")]))
    params = data.draw(members(operation_model(service, operation).input_shape))
    params = {name: value for name, value in params.items() if not name.startswith(("Checksum", "Content"))}
    if service == "s3":
        params["Bucket"] = "bucket"
    request = request_of(service, operation, params)
    field = data.draw(st.sampled_from(["method", "raw_path", "query_string", "headers"]))
    if field == "headers":
        at = data.draw(st.integers(0, len(request.headers.pairs) - 1))
        name, value = request.headers.pairs[at]
        pairs = (*request.headers.pairs[:at], (name, value + data.draw(_VALUES)), *request.headers.pairs[at + 1 :])
        outcome(replace(request, headers=Headers(pairs)))
    else:
        outcome(replace(request, **{field: getattr(request, field) + data.draw(_LATIN)}))


@pytest.mark.parametrize("name", FUZZERS)
def test_hostile_bytes_end_in_aws_errors(name: str) -> None:
    run(name, 1)


@pytest.mark.long
@pytest.mark.parametrize("name", FUZZERS)
def test_hostile_bytes_end_in_aws_errors_at_length(name: str) -> None:
    run(name, 40)
