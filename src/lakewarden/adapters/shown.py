"""Parameters and answers as the audit trail shows them: JSON, CloudTrail's member names, no secrets, bounded sizes."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationNotFoundError, Shape, StructureShape

from lakewarden.audit.records import HIDDEN, moment
from lakewarden.wire.models import SERVICES, operation_model

LONGEST_TEXT = 4096
LONGEST_LIST = 200
_DEEPEST = 40
_WORD = re.compile(r"^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]")
_S3_NAMES = {"Bucket": "bucketName", "Key": "key"}
SECRET_NAMES = frozenset(
    {
        "secretaccesskey", "sessiontoken", "password", "oldpassword", "newpassword", "secretstring", "secretbinary",
        "plaintext", "privatekey", "clientsecret", "webidentitytoken", "samlassertion", "accesstoken", "refreshtoken",
        "idtoken", "codeverifier", "authorizedurl", "base32stringseed", "qrcodepng", "authenticationcode1",
        "authenticationcode2", "tokencode", "sseckey", "ssecustomerkey", "copysourcessecustomerkey", "assertion",
        "serializedsecret",
    }
)  # fmt: skip
"""Members that are secrets wherever they stand, lower case, in addition to what the models mark sensitive."""

Path = tuple[str, ...]


def shown_input(service: str, operation: str, members: Mapping[str, Any], hidden: Iterable[str]) -> dict[str, Any]:
    """A call's parameters; ``hidden`` are dotted paths, ``*`` for any list index or map key."""
    return _shown(members, _shapes(service, operation)[0], hidden, service)


def shown_output(service: str, operation: str, members: Mapping[str, Any], hidden: Iterable[str]) -> dict[str, Any]:
    """An answer's members."""
    return _shown(members, _shapes(service, operation)[1], hidden, service)


@cache
def _shapes(service: str, operation: str) -> tuple[Shape | None, Shape | None]:
    """Input and output shapes; none for operations that no model has."""
    if service not in SERVICES:
        return None, None
    try:
        model = operation_model(service, operation)
    except (OperationNotFoundError, UnknownServiceError):
        return None, None
    return model.input_shape, model.output_shape


def _shown(members: Mapping[str, Any], shape: Shape | None, hidden: Iterable[str], service: str) -> dict[str, Any]:
    paths = tuple(tuple(path.split(".")) for path in hidden)
    found: dict[str, Any] = _structure(members, shape, paths, 0)
    if service == "s3":
        return {_S3_NAMES.get(name, _lower_camel(name)): value for name, value in found.items()}
    return {_lower_camel(name): value for name, value in found.items()}


def _structure(members: Mapping[str, Any], shape: Shape | None, paths: tuple[Path, ...], depth: int) -> dict[str, Any]:
    known = shape.members if isinstance(shape, StructureShape) else {}
    return {
        name: _member(name, value, known.get(name), paths, depth)
        for name, value in members.items()
        if value is not None
    }


def _member(name: str, value: Any, shape: Shape | None, paths: tuple[Path, ...], depth: int) -> Any:
    # INVARIANT: what the model, the operation's table or the list of names calls secret never enters the log.
    if name.lower() in SECRET_NAMES or (shape is not None and shape.metadata.get("sensitive")):
        return HIDDEN
    return _below(name, value, shape, paths, depth)


def _below(name: str, value: Any, shape: Shape | None, paths: tuple[Path, ...], depth: int) -> Any:
    inside = tuple(path[1:] for path in paths if path[0] in {name, "*"})
    if () in inside or (shape is not None and shape.metadata.get("sensitive")):
        return HIDDEN
    return _value(value, shape, inside, depth + 1)


def _value(value: Any, shape: Shape | None, paths: tuple[Path, ...], depth: int) -> Any:
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        if isinstance(shape, MapShape):
            if shape.key.metadata.get("sensitive"):
                return HIDDEN
            items = list(value.items())[:LONGEST_LIST]
            return {_cut(str(key)): _member(str(key), one, shape.value, paths, depth) for key, one in items}
        return {_lower_camel(name): one for name, one in _structure(value, shape, paths, depth).items()}
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value[:LONGEST_TEXT]).decode("ascii")
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Sequence):
        inner = shape.member if isinstance(shape, ListShape) else None
        return [_below("*", one, inner, paths, depth) for one in value[:LONGEST_LIST]]
    return value if isinstance(value, bool | int | float) else _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def _lower_camel(name: str) -> str:
    found = _WORD.match(name)
    return name if found is None else found.group(0).lower() + name[found.end() :]
