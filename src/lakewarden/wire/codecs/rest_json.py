"""The ``rest-json`` protocol (lakeformation, sso, sso-oidc)."""

import json
from typing import Any

from botocore.model import OperationModel, StructureShape

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError
from lakewarden.wire.codecs import documents, rest
from lakewarden.wire.codecs.json import error_members
from lakewarden.wire.codecs.message import Incoming, Outgoing
from lakewarden.wire.codecs.scalars import Malformed
from lakewarden.wire.errors import SerializationException


def parse(operation: OperationModel, request: Incoming) -> dict[str, Any]:
    """Input members; raises :class:`SerializationException`."""
    shape = operation.input_shape
    if shape is None:
        return {}
    try:
        members = rest.parse_head(shape, request)
    except Malformed as error:
        raise SerializationException(str(error)) from error
    whole = rest.payload(shape)
    if whole is None:
        document = documents.parse(shape, documents.load(request.body))
        body_names = {name for name, member in shape.members.items() if "location" not in member.serialization}
        return members | {name: value for name, value in document.items() if name in body_names}
    name, member = whole
    if isinstance(member, StructureShape):
        if request.body:
            members[name] = documents.parse(member, documents.load(request.body))
    elif not operation.has_streaming_input and request.body:
        members[name] = request.body if member.type_name == "blob" else _text(request.body)
    return members


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SerializationException("The request body is not UTF-8.") from error


def serialize(operation: OperationModel, answer: Answer, request_id: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """Headers, status and a JSON body."""
    shape = operation.output_shape
    head = tuple(rest.head_headers(operation, answer.members))
    code = rest.status(operation, answer)
    whole = rest.payload(shape)
    if answer.body is not None:
        return Outgoing(code, answer.body, head, "application/octet-stream")
    if whole is None:
        if shape is None:
            return Outgoing(code, b"", head)
        names = {name for name, member in shape.members.items() if "location" not in member.serialization}
        body = documents.dump(shape, {name: value for name, value in answer.members.items() if name in names})
        return Outgoing(code, body, head, "application/json")
    name, member = whole
    value = answer.members.get(name)
    if value is None:
        return Outgoing(code, b"", head)
    if member.type_name in {"blob", "string"}:
        return Outgoing(code, value.encode() if isinstance(value, str) else value, head, "application/octet-stream")
    return Outgoing(code, documents.dump_value(member, value), head, "application/json")


def error(service: str, problem: AwsError, request_id: str, resource: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """The code in a header, the message and members in the body."""
    body = json.dumps(error_members(service, problem)).encode()
    return Outgoing(problem.status, body, (("x-amzn-ErrorType", problem.code),), "application/json")
