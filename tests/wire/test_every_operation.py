"""botocore is the oracle: what it writes we read, and what we write it reads, for every operation of every service."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from botocore import parsers, serialize
from botocore.awsrequest import AWSRequest, HeadersDict, prepare_request_dict
from botocore.model import OperationModel
from hypothesis import HealthCheck, given, settings

from lakewarden.kernel.call import Answer
from lakewarden.wire import Headers, RawRequest, Wire
from lakewarden.wire.models import SERVICES, operation_model, protocol, service_model
from lakewarden.wire.route import route
from tests.wire.shapes import members
from tests.wire.signing import NOW, Keys, sign

WIRE = Wire(Keys(), "us-east-1", ("localhost",))

# Operations that no server can tell apart, because AWS's models write them alike; the successor answers for both.
TWINS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
# S3 Object Lambda's own call, which signs for another service and another host.
ELSEWHERE = {"WriteGetObjectResponse"}
# Two members of one XML name (a deprecated one and its list): botocore itself reads both from either.
AMBIGUOUS_OUTPUT = {"GetBucketNotification"}
CLAIMS = {"ContentMD5", "ContentLength"} | {
    f"Checksum{kind}"
    for kind in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH3", "XXHASH64", "XXHASH128")
}
HTTP_MEMBERS = {"ContentLength", "ContentType"}
EMPTY: tuple[Any, ...] = ({}, [], "")


def quick(examples: int) -> Callable[[Any], Any]:
    """A deterministic run of so many examples."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def request_of(service: str, operation: str, params: dict[str, Any]) -> RawRequest:
    """botocore's own bytes for ``params``, signed."""
    model = operation_model(service, operation)
    written = serialize.create_serializer(protocol(service)).serialize_to_request(params, model)
    prepare_request_dict(written, endpoint_url="http://localhost")
    request = AWSRequest(written["method"], written["url"], dict(written["headers"]), written["body"])
    return sign(request, model.service_model.signing_name)


def comparable(value: Any) -> Any:
    """Without what not every protocol can carry: what is empty, at any depth."""
    if isinstance(value, dict):
        found = {key: comparable(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in EMPTY}
    if isinstance(value, list):
        return [item for item in map(comparable, value) if item not in EMPTY]
    return value


def read_back(loop: asyncio.AbstractEventLoop, service: str, operation: str, examples: int) -> None:
    model = operation_model(service, operation)
    if operation in ELSEWHERE:
        return

    @quick(examples)
    @given(members(model.input_shape))
    def check(params: dict[str, Any]) -> None:
        if service == "s3":
            params = about_this_body(params)
        request = request_of(service, operation, dict(params))
        if operation in TWINS:
            assert route(request, ("localhost",)).operation == TWINS[operation]
            return
        call = loop.run_until_complete(WIRE.receive(request)).call
        assert (call.service, call.operation) == (service, operation)
        if model.has_streaming_input:
            body = loop.run_until_complete(collect(call.body))
            assert body == params.pop(model.input_shape.serialization["payload"], b"")
        found = {name: value for name, value in call.params.items() if name in params or name != "ContentLength"}
        assert comparable(found) == comparable(params), operation

    check()


def about_this_body(params: dict[str, Any]) -> dict[str, Any]:
    """``params`` without random claims about the body's sum and length, and with a possible bucket."""
    kept = {name: value for name, value in params.items() if name not in CLAIMS}
    return kept | ({"Bucket": "a-bucket"} if "Bucket" in kept else {})


def written_back(service: str, operation: str, examples: int) -> None:
    model = operation_model(service, operation)
    shape = model.output_shape
    if model.has_event_stream_output or operation in AMBIGUOUS_OUTPUT:
        return

    @quick(examples)
    @given(members(shape))
    def check(result: dict[str, Any]) -> None:
        body = streamed(model, result)
        raw = RawRequest("GET", "http", "/", "", Headers(()), "127.0.0.1", NOW, "id", nothing())
        response = WIRE.respond(raw, service, operation, Answer(result, body=body))
        assert isinstance(response.body, bytes)
        content: Any = response.body if body is None else io.BytesIO(response.body)
        parsed = parsers.create_parser(protocol(service)).parse(
            {"status_code": response.status, "headers": received(response.headers), "body": content}, shape
        )
        assert parsed.pop("ResponseMetadata")["RequestId"] == "id"
        if body is not None:
            assert parsed.pop(model.output_shape.serialization["payload"]).read() == body
        # HTTP itself states these two, whatever the result says.
        parsed = {name: value for name, value in parsed.items() if name in result or name not in HTTP_MEMBERS}
        if operation == "GetBucketLocation":
            return  # botocore reads this body in a handler of its own: see test_answers.py
        assert comparable(parsed) == comparable(result), operation

    check()


def streamed(model: OperationModel, result: dict[str, Any]) -> bytes | None:
    """The streaming member of ``result``, taken out, and with it the status code, which is the answer's to choose."""
    for name, member in model.output_shape.members.items() if model.output_shape is not None else ():
        if member.serialization.get("location") == "statusCode":
            result.pop(name, None)
    if not model.has_streaming_output:
        return None
    result.pop("ContentLength", None)
    return bytes(result.pop(model.output_shape.serialization["payload"], b""))


def received(headers: tuple[tuple[str, str], ...]) -> HeadersDict:
    """Headers as botocore's HTTP layer gives them to its parsers."""
    return HeadersDict({name: value.encode("latin-1").decode("utf-8") for name, value in headers})


async def collect(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


async def nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


def read_all(service: str, examples: int) -> None:
    with asyncio.Runner() as runner:
        for operation in service_model(service).operation_names:
            read_back(runner.get_loop(), service, operation, examples)


@pytest.mark.parametrize("service", SERVICES)
def test_we_read_what_botocore_writes(service: str) -> None:
    read_all(service, 2)


@pytest.mark.parametrize("service", SERVICES)
def test_botocore_reads_what_we_write(service: str) -> None:
    for operation in service_model(service).operation_names:
        written_back(service, operation, 2)


@pytest.mark.long
@pytest.mark.parametrize("service", SERVICES)
def test_we_read_what_botocore_writes_at_length(service: str) -> None:
    read_all(service, 60)


@pytest.mark.long
@pytest.mark.parametrize("service", SERVICES)
def test_botocore_reads_what_we_write_at_length(service: str) -> None:
    for operation in service_model(service).operation_names:
        written_back(service, operation, 60)
