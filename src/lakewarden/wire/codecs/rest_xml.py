"""The ``rest-xml`` protocol, which is S3's."""

from typing import Any

from botocore.model import OperationModel, StructureShape

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError, ValidationError
from lakewarden.wire import constraints
from lakewarden.wire.codecs import rest, xml
from lakewarden.wire.codecs.message import Incoming, Outgoing
from lakewarden.wire.codecs.scalars import Malformed
from lakewarden.wire.errors import InvalidArgument, MalformedXML

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# S3's root elements that are not the model's shape names. botocore ignores the root; stricter clients read it.
_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}


def parse(operation: OperationModel, request: Incoming) -> dict[str, Any]:
    """Input members; raises :class:`MalformedXML` or :class:`InvalidArgument`."""
    shape = operation.input_shape
    if shape is None:
        return {}
    try:
        members = rest.parse_head(shape, request)
    except Malformed as error:
        raise InvalidArgument(str(error)) from error
    whole = rest.payload(shape)
    try:
        if whole is None:
            if request.body.strip() and any("location" not in one.serialization for one in shape.members.values()):
                members |= xml.parse(shape, xml.read(request.body))
            return members
        name, member = whole
        if isinstance(member, StructureShape):
            if request.body.strip():
                members[name] = xml.parse(member, xml.read(request.body))
                constraints.check(member, members[name])
        elif not operation.has_streaming_input and request.body:
            members[name] = request.body if member.type_name == "blob" else request.body.decode("utf-8")
    except (Malformed, UnicodeDecodeError, ValidationError) as error:
        raise MalformedXML("The XML you provided was not well-formed or did not validate.") from error
    return members


def serialize(operation: OperationModel, answer: Answer, request_id: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """Headers, status, and an XML or raw body."""
    shape = operation.output_shape
    head = tuple(rest.head_headers(operation, answer.members))
    code = rest.status(operation, answer)
    if answer.body is not None:
        kind = rest.safe(answer.members.get("ContentType") or "binary/octet-stream")
        return Outgoing(code, answer.body, tuple(pair for pair in head if pair[0].lower() != "content-type"), kind)
    if operation.name == "GetBucketLocation":
        return Outgoing(code, _location(answer.members.get("LocationConstraint")), head, "application/xml")
    whole = rest.payload(shape)
    if whole is not None:
        return _payload_body(whole, answer, code, head)
    if shape is None or not any("location" not in member.serialization for member in shape.members.values()):
        return Outgoing(code, b"", head)
    out = xml.Writer()
    root = _ROOTS.get(operation.name, shape.name.removesuffix("Output").removesuffix("Result") + "Result")
    out.open(root, (("xmlns", _NAMESPACE),))
    xml.write_members(out, shape, answer.members)
    out.close(root)
    return Outgoing(code, out.document(), head, "application/xml")


def _payload_body(whole: tuple[str, Any], answer: Answer, code: int, head: tuple[tuple[str, str], ...]) -> Outgoing:
    name, member = whole
    value = answer.members.get(name)
    if value is None:
        return Outgoing(code, b"", head)
    if isinstance(member, StructureShape):
        out = xml.Writer()
        tag = member.serialization.get("name", member.name)
        out.open(tag, (("xmlns", _NAMESPACE),))
        xml.write_members(out, member, value)
        out.close(tag)
        return Outgoing(code, out.document(), head, "application/xml")
    kind = "application/json" if name == "Policy" else "binary/octet-stream"
    return Outgoing(code, value.encode() if isinstance(value, str) else value, head, kind)


def _location(region: str | None) -> bytes:
    out = xml.Writer()
    out.open("LocationConstraint", (("xmlns", _NAMESPACE),))
    text = out.document()
    return text + (region or "").encode() + b"</LocationConstraint>"


def error(service: str, problem: AwsError, request_id: str, resource: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """``<Error>`` with code, message, members, the resource's path and the request id."""
    out = xml.Writer()
    out.open("Error")
    out.leaf("Code", problem.code)
    out.leaf("Message", problem.message)
    for name, value in problem.members.items():
        out.leaf(name, str(value))
    out.leaf("Resource", resource)
    out.leaf("RequestId", request_id)
    out.leaf("HostId", request_id)
    out.close("Error")
    return Outgoing(problem.status, out.document(), (), "application/xml")
