"""The ``query`` protocol (iam, sts, cloudformation): a form in, XML out."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError
from lakewarden.wire.codecs import scalars, xml
from lakewarden.wire.codecs.message import Incoming, Outgoing
from lakewarden.wire.codecs.scalars import Malformed
from lakewarden.wire.errors import MalformedQueryString
from lakewarden.wire.models import service_model

_MAX_FIELDS = 20_000
_MAX_PARTS = 40


@dataclass(slots=True)
class _Node:
    """One dotted name of the form: its own value and the names below it."""

    value: str | None = None
    below: dict[str, "_Node"] = field(default_factory=dict)


def form(body: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of a form, decoded; raises :class:`MalformedQueryString`."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise MalformedQueryString("The request body is not a form in UTF-8, or has too many fields.") from error
    if (b"%00" in body or b"\0" in body) and any("\0" in name or "\0" in value for name, value in pairs):
        raise MalformedQueryString("The request body holds a null character.")
    return tuple(pairs)


def parse(operation: OperationModel, request: Incoming) -> dict[str, Any]:
    """Input members; raises :class:`MalformedQueryString`."""
    if operation.input_shape is None:
        return {}
    root = _Node()
    fields = request.form if request.form is not None else form(request.body)
    for name, value in (*request.query, *fields):
        node = root
        # Each part costs a node, so a name of a million dots would cost the server's memory.
        if name.count(".") > _MAX_PARTS:
            raise MalformedQueryString("A field's name is nested too deeply.")
        for part in name.split("."):
            node = node.below.setdefault(part, _Node())
        node.value = value
    try:
        members: dict[str, Any] = _structure(operation.input_shape, root)
    except Malformed as error:
        raise MalformedQueryString(str(error)) from error
    return members


def serialize(operation: OperationModel, answer: Answer, request_id: str) -> Outgoing:
    """``<XResponse><XResult>members</XResult><ResponseMetadata/></XResponse>``."""
    out = xml.Writer()
    namespace = operation.service_model.metadata.get("xmlNamespace", "")
    root = f"{operation.name}Response"
    out.open(root, (("xmlns", namespace),))
    shape = operation.output_shape
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        out.open(wrapper)
        xml.write_members(out, shape, answer.members)
        out.close(wrapper)
    out.open("ResponseMetadata")
    out.leaf("RequestId", request_id)
    out.close("ResponseMetadata")
    out.close(root)
    return Outgoing(answer.status or 200, out.document(declaration=False), content_type="text/xml")


def error(service: str, problem: AwsError, request_id: str, resource: str) -> Outgoing:  # noqa: ARG001
    """``<ErrorResponse>`` with the members that the model's error shape has."""
    out = xml.Writer()
    out.open("ErrorResponse", (("xmlns", service_model(service).metadata.get("xmlNamespace", "")),))
    out.open("Error")
    out.leaf("Type", "Sender" if problem.status < 500 else "Receiver")
    out.leaf("Code", problem.code)
    out.leaf("Message", problem.message)
    shape = service_model(service).shape_for_error_code(problem.code)
    if shape is not None:
        modelled = {name: value for name, value in problem.members.items() if name.lower() != "message"}
        xml.write_members(out, shape, modelled)
    out.close("Error")
    out.leaf("RequestId", request_id)
    out.close("ErrorResponse")
    return Outgoing(problem.status, out.document(declaration=False), content_type="text/xml")


def _value(shape: Shape, node: _Node) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, node)
    if isinstance(shape, ListShape):
        return _list(shape, node)
    if isinstance(shape, MapShape):
        return _map(shape, node)
    return scalars.parse_text(shape, node.value or "", "iso8601")


def _structure(shape: StructureShape, node: _Node) -> dict[str, Any]:
    members = {}
    for name, member in shape.members.items():
        found = node.below.get(_field_name(member, name))
        if found is not None:
            members[name] = _value(member, found)
        elif name in shape.required_members and isinstance(member, StructureShape):
            members[name] = {}  # a form cannot carry an empty structure
    return members


def _field_name(member: Shape, name: str) -> str:
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name", member.serialization.get("name", name)))
    return str(member.serialization.get("name", name))


def _list(shape: ListShape, node: _Node) -> list[Any]:
    flattened = shape.serialization.get("flattened")
    items = node if flattened else node.below.get(shape.member.serialization.get("name", "member"), _Node())
    return [_value(shape.member, item) for _, item in _numbered(items)]


def _map(shape: MapShape, node: _Node) -> dict[str, Any]:
    entries = node if shape.serialization.get("flattened") else node.below.get("entry", _Node())
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    return {
        (entry.below.get(key_name, _Node()).value or ""): _value(shape.value, entry.below.get(value_name, _Node()))
        for _, entry in _numbered(entries)
    }


def _numbered(node: _Node) -> list[tuple[int, _Node]]:
    return sorted(
        ((scalars.parse_integer(number), item) for number, item in node.below.items()), key=lambda pair: pair[0]
    )
