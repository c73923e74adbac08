"""Which service and operation a request is for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, unquote_to_bytes

from botocore.model import OperationModel

from lakewarden.kernel.errors import AwsError
from lakewarden.wire.errors import (
    InvalidAction,
    InvalidBucketName,
    InvalidURI,
    MethodNotAllowed,
    UnknownOperationException,
)
from lakewarden.wire.models import SERVICES, operation_names, protocol, service_model
from lakewarden.wire.request import RawRequest

_REST_JSON_SCOPES = {"lakeformation": "lakeformation", "awsssoportal": "sso", "sso-oauth": "sso-oidc"}
_QUERY_SCOPES = {"iam": "iam", "sts": "sts", "cloudformation": "cloudformation"}
_SCOPE = re.compile(r"Credential=[^/,\s]+/[0-9]*/[^/,\s]*/([^/,\s]+)/")
_PRESIGNED_SCOPE = re.compile(r"[^/]+/[0-9]*/[^/]*/([^/]+)/")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: the operation's name is empty while it stands in the body of a query call.

    ``labels`` are the decoded path labels (``Bucket``, ``Key``); ``query`` the decoded query string.
    """

    service: str
    operation: str
    labels: Mapping[str, str]
    query: Query


def decode_query(text: str) -> Query:
    """The pairs of a query string; raises :class:`InvalidURI`."""
    if not text:
        return ()
    try:
        pairs = tuple(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000))
    except ValueError as error:
        raise InvalidURI("The query string is not percent-encoded UTF-8, or has too many fields.") from error
    if "%00" in text and any("\0" in name or "\0" in value for name, value in pairs):
        raise InvalidURI("The query string holds a null character.")
    return pairs


def scope_service(request: RawRequest, query: Query) -> str:
    """The service name in the signature's credential scope; empty for unsigned requests."""
    found = _SCOPE.search(request.headers.get("authorization"))
    if found is None:
        credential = next((value for name, value in query if name == "X-Amz-Credential"), "")
        found = _PRESIGNED_SCOPE.match(credential)
    return found.group(1) if found is not None else ""


def route(request: RawRequest, hosts: Iterable[str]) -> Route:
    """Find the operation. ``hosts`` are the names under which ``bucket.host`` addresses a bucket.

    Raises an AwsError whose code is the one that the service family uses for the unknown.
    """
    query = decode_query(request.query_string)
    target = request.headers.get("x-amz-target")
    if target:
        if request.method != "POST":
            raise UnknownOperationException("Operations of this service are called with POST.")
        return Route(*_target(target), {}, query)
    scope = scope_service(request, query)
    if scope in _QUERY_SCOPES:
        return Route(_QUERY_SCOPES[scope], _action(_QUERY_SCOPES[scope], query), {}, query)
    if scope in _REST_JSON_SCOPES:
        return _rest(_REST_JSON_SCOPES[scope], request, request.raw_path, query)
    if not scope:
        unsigned = _unsigned(request, query)
        if unsigned is not None:
            return unsigned
    if scope not in {"", "s3"}:
        raise UnknownOperationException(f"Lakewarden has no service that signs as {scope[:64]!r}.")
    return _rest("s3", request, path_style(request, hosts), query)


def action_of(service: str, fields: Query) -> str:
    """The operation that a query call's form names; raises :class:`InvalidAction`."""
    name = next((value for key, value in fields if key == "Action"), "")
    if name not in operation_names(service):
        raise InvalidAction(f"Could not find operation {name[:128]} for service {service}.")
    return name


def _action(service: str, query: Query) -> str:
    return action_of(service, query) if any(key == "Action" for key, _ in query) else ""


def _target(target: str) -> tuple[str, str]:
    prefix, _, name = target.rpartition(".")
    service = _targets().get(prefix)
    if service is None or name not in operation_names(service):
        raise UnknownOperationException(f"The target {target[:200]!r} names no operation.")
    return service, name


@cache
def _targets() -> Mapping[str, str]:
    return {
        service_model(service).metadata["targetPrefix"]: service for service in SERVICES if protocol(service) == "json"
    }


def _unsigned(request: RawRequest, query: Query) -> Route | None:
    """The services that take unsigned calls: STS (federation) and the SSO portal and OIDC endpoints."""
    content_type = request.headers.get("content-type")
    form = request.method == "POST" and content_type.startswith("application/x-www-form")
    if request.raw_path == "/" and (form or any(name == "Action" for name, _ in query)):
        return Route("sts", _action("sts", query), {}, query)
    if "x-amz-sso_bearer_token" in request.headers:
        return _rest("sso", request, request.raw_path, query)
    if request.method == "POST" and content_type.startswith("application/json"):
        try:
            return _rest("sso-oidc", request, request.raw_path, query)
        except AwsError:
            return None
    return None


def path_style(request: RawRequest, hosts: Iterable[str]) -> str:
    """The path with the bucket in front, wherever the request named it."""
    host = request.headers.get("host").partition(":")[0].lower()
    for base in sorted(hosts, key=len, reverse=True):
        if host.endswith(f".{base}"):
            return f"/{host[: -len(base) - 1]}{request.raw_path}"
    return request.raw_path


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    path: re.Pattern[str]
    literals: frozenset[tuple[str, str]]
    needed_query: frozenset[str]
    needed_headers: frozenset[str]
    deprecated: bool


def _rest(service: str, request: RawRequest, raw_path: str, query: Query) -> Route:
    names = {name for name, _ in query}
    pairs = set(query)
    best: tuple[int, _Candidate, re.Match[str]] | None = None
    for candidate in _candidates(service).get(request.method, ()):
        matched = candidate.path.fullmatch(raw_path)
        if (
            matched is None
            or not candidate.literals <= pairs
            or not candidate.needed_query <= names
            or not all(name in request.headers for name in candidate.needed_headers)
        ):
            continue
        score = 2 * (len(candidate.literals) + len(candidate.needed_query) + len(candidate.needed_headers))
        score -= candidate.deprecated
        if best is None or score > best[0]:
            best = (score, candidate, matched)
    if best is None:
        raise _nowhere(service)
    _, chosen, matched = best
    # A sub-resource that this method does not have must not fall through to the object or bucket itself.
    if {name for name in names if (name, "") in _subresources(service)} - {name for name, _ in chosen.literals}:
        raise MethodNotAllowed("The specified method is not allowed against this resource.")
    labels = {name: _decode(value) for name, value in matched.groupdict().items() if value is not None}
    # INVARIANT: a bucket's name holds no slash, so that a bucket's ARN cannot be spelled like an object's.
    if service == "s3" and not _BUCKET.fullmatch(labels.get("Bucket", "bucket")):
        raise InvalidBucketName("The specified bucket is not valid.")
    return Route(service, chosen.name, labels, query)


def _nowhere(service: str) -> AwsError:
    if service == "s3":
        return MethodNotAllowed("The specified method is not allowed against this resource.")
    return UnknownOperationException("No operation has this method and path.")


def _decode(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidURI("Couldn't parse the specified URI.") from error
    if "\0" in decoded:
        raise InvalidURI("Couldn't parse the specified URI.")
    return decoded


@cache
def _candidates(service: str) -> Mapping[str, tuple[_Candidate, ...]]:
    by_method: dict[str, list[_Candidate]] = {}
    for name in sorted(operation_names(service)):
        operation = service_model(service).operation_model(name)
        by_method.setdefault(operation.http["method"], []).append(_candidate(operation))
    return {method: tuple(found) for method, found in by_method.items()}


@cache
def _subresources(service: str) -> frozenset[tuple[str, str]]:
    return frozenset(
        literal for found in _candidates(service).values() for candidate in found for literal in candidate.literals
    )


def _candidate(operation: OperationModel) -> _Candidate:
    template, _, literal_text = operation.http["requestUri"].partition("?")
    pattern = ""
    for part in re.split(r"(\{[^}]+\})", template):
        if part.startswith("{"):
            label = part[1:-1].removesuffix("+")
            pattern += f"(?P<{label}>.+)" if part.endswith("+}") else f"(?P<{label}>[^/]+)"
        else:
            pattern += re.escape(part)
    if operation.service_model.service_name == "s3" and template == "/{Bucket}":
        pattern += "/?"
    shape = operation.input_shape
    required = [shape.members[name] for name in shape.required_members] if shape is not None else []
    located = {
        place: frozenset(
            member.serialization["name"].lower() if place == "header" else member.serialization["name"]
            for member in required
            if member.serialization.get("location") == place
        )
        for place in ("querystring", "header")
    }
    return _Candidate(
        operation.name,
        re.compile(pattern, re.DOTALL),
        frozenset(decode_query(literal_text)),
        located["querystring"],
        located["header"],
        operation.deprecated or operation.name in {"ListDirectoryBuckets", "WriteGetObjectResponse"},
    )
