"""botocore is the oracle: what it writes we read, and what we write it reads, for every operation of every service."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import parsers, serialize
from botocore.awsrequest import AWSRequest, prepare_request_dict
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakewarden.kernel.call import Answer
from lakewarden.wire import Headers, RawRequest, Wire
from lakewarden.wire.models import SERVICES, operation_model, protocol, service_model
from tests.wire.signing import NOW, Keys, sign

TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
)
MOMENT = st.integers(0, 4_000_000_000).map(
    lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
WIRE = Wire(Keys(), "us-east-1", ("localhost",))


def values(shape: Shape, depth: int = 0, place: str = "body") -> st.SearchStrategy[Any]:
    """Valid values of ``shape``; below a few levels only what is required."""
    if getattr(shape, "is_document_type", False):
        return st.just({"a": [1, "b", None]})
    if isinstance(shape, StructureShape):
        return structure(shape, depth)
    if isinstance(shape, ListShape):
        least = max(1, shape.metadata.get("min", 1))
        return st.lists(values(shape.member, depth + 1, place), min_size=least, max_size=least + (depth < 2))
    if isinstance(shape, MapShape):
        key = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
        return st.dictionaries(key, values(shape.value, depth + 1, place), min_size=1, max_size=2)
    return scalar(shape, place)


def scalar(shape: Shape, place: str) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    low, high = int(shape.metadata.get("min", 0) or 0), shape.metadata.get("max")
    if kind == "string":
        if getattr(shape, "enum", None):
            return st.sampled_from(shape.enum)
        alphabet = TEXT if place == "body" else st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True)
        return alphabet.map(
            lambda text: (text * (low // len(text) + 1))[: max(low, len(text))].strip() or "x" * max(low, 1)
        ).map(lambda text: text.ljust(low, "x"))
    if kind in {"integer", "long"}:
        return st.integers(low, int(high) if high and high > low else low + 10_000)
    if kind in {"float", "double"}:
        return st.floats(low, low + 1000, width=32, allow_nan=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return MOMENT
    if kind == "blob":
        return st.binary(min_size=max(1, low), max_size=max(20, low))
    raise AssertionError(kind)


def structure(shape: StructureShape, depth: int) -> st.SearchStrategy[Any]:
    required, optional = {}, {}
    union = getattr(shape, "is_tagged_union", False)
    for name, member in shape.members.items():
        if getattr(member, "is_event_stream", False) or getattr(member, "eventstream", False):
            continue
        place = member.serialization.get("location", "body")
        if name in shape.required_members and not union:
            required[name] = (member, place)
        elif depth < 3:
            optional[name] = (member, place)
    if union:
        names = sorted(optional) or sorted(shape.members)
        if not names or depth > 5:
            names = names[:1]
        return st.sampled_from(names).flatmap(
            lambda name: st.fixed_dictionaries({name: values(shape.members[name], depth + 1)})
        )
    if depth > 5:
        required = dict(list(required.items()))
    chosen = st.sets(st.sampled_from(sorted(optional)), max_size=4) if optional else st.just(set())
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(
            {
                name: values(member, depth + 1, place)
                for name, (member, place) in {**required, **{one: optional[one] for one in names}}.items()
            }
        )
    )


def cases() -> list[tuple[str, str]]:
    return [(service, name) for service in SERVICES for name in service_model(service).operation_names]


def request_of(service: str, operation: str, params: dict[str, Any]) -> RawRequest:
    """botocore's own bytes for ``params``, signed."""
    model = operation_model(service, operation)
    written = serialize.create_serializer(protocol(service)).serialize_to_request(params, model)
    prepare_request_dict(written, endpoint_url="http://localhost")
    request = AWSRequest(written["method"], written["url"], dict(written["headers"]), written["body"])
    return sign(request, model.service_model.signing_name)


def comparable(value: Any) -> Any:
    """Without what a protocol cannot carry: empty lists and structures, sub-second parts."""
    if isinstance(value, dict):
        found = {key: comparable(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


SETTINGS = settings(
    max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.parametrize("service", SERVICES)
def test_we_read_what_botocore_writes(service: str) -> None:
    for operation in service_model(service).operation_names:
        read_back(service, operation)


def read_back(service: str, operation: str) -> None:
    model = operation_model(service, operation)
    shape = model.input_shape

    @SETTINGS
    @given(structure(shape, 0) if shape is not None else st.just({}))
    def check(params: dict[str, Any]) -> None:
        if service == "s3":
            params = {**params, **({"Bucket": "a-bucket"} if "Bucket" in params else {})}
        received = asyncio.run(WIRE.receive(request_of(service, operation, dict(params))))
        call = received.call
        if model.has_streaming_input and call.body is not None:
            name = shape.serialization["payload"]
            body = asyncio.run(collect(call.body))
            assert body == params.pop(name, b"")
        expected = comparable(params)
        assert call.service == service
        if call.operation != operation:
            assert same_request(service, operation, call.operation), call.operation
            return
        assert comparable(dict(call.params)) == expected, operation

    check()


def same_request(service: str, one: str, other: str) -> bool:
    """Operations that AWS itself writes alike: the deprecated form and its successor."""
    first, second = operation_model(service, one), operation_model(service, other)
    return (
        first.http == second.http
        or {one, other} <= {"ListDirectoryBuckets", "ListBuckets"}
        or one == "WriteGetObjectResponse"
    )


async def collect(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


@pytest.mark.parametrize("service", SERVICES)
def test_botocore_reads_what_we_write(service: str) -> None:
    for operation in service_model(service).operation_names:
        written_back(service, operation)


def written_back(service: str, operation: str) -> None:
    model = operation_model(service, operation)
    shape = model.output_shape
    if model.has_event_stream_output or operation == "GetBucketLocation":
        return

    @SETTINGS
    @given(structure(shape, 0) if shape is not None else st.just({}))
    def check(members: dict[str, Any]) -> None:
        body = None
        if model.has_streaming_output:
            body = members.pop(shape.serialization["payload"], b"")
        members.pop("StatusCode", None)
        raw = RawRequest("GET", "http", "/", "", Headers(()), "127.0.0.1", NOW, "id", nothing())
        response = WIRE.respond(raw, service, operation, Answer(members, body=body))
        assert isinstance(response.body, bytes)
        parsed = parsers.create_parser(protocol(service)).parse(
            {"status_code": response.status, "headers": LowerHeaders(response.headers), "body": response.body}, shape
        )
        parsed.pop("ResponseMetadata", None)
        if body is not None:
            assert parsed.pop(shape.serialization["payload"]) == body
        assert comparable(parsed) == comparable(members), operation

    check()


class LowerHeaders(dict[str, str]):
    """Case-insensitive, as botocore's HTTP layer gives them: header bytes as Latin-1 text."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        super().__init__({name.lower(): value.encode("latin-1").decode("utf-8") for name, value in pairs})

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""
