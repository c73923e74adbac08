"""From a request to a :class:`Call`, and from an answer to a response: all that the application needs of wire."""

import hashlib
import hmac
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.validate import ParamValidator

from lakewarden.kernel.call import ANONYMOUS, Answer, Call, Principal
from lakewarden.kernel.credentials import Credentials, ExpiredToken, InvalidToken, UnknownAccessKey
from lakewarden.kernel.errors import AwsError, ValidationError
from lakewarden.wire import chunked, errors, payload, sigv4
from lakewarden.wire.codecs import json, query, rest_json, rest_xml
from lakewarden.wire.codecs.message import Codec, Incoming, Outgoing
from lakewarden.wire.models import operation_model, protocol
from lakewarden.wire.request import RawRequest, Response
from lakewarden.wire.route import Route, action_of, route
from lakewarden.wire.sigv4 import Signature

MAX_BODY = 16 * 1024 * 1024
_JSON_FAMILY = frozenset({"json", "rest-json"})
_CODECS: Mapping[str, Codec] = {"json": json, "rest-json": rest_json, "query": query, "rest-xml": rest_xml}
_validator = ParamValidator()


@dataclass(frozen=True, slots=True)
class Received:
    """A request that is well-formed, signed by ``call.principal`` (or by nobody), and not yet authorised."""

    call: Call


class Refused(Exception):
    """A request that never became a call. ``attempt`` holds what is known of it, for the audit trail."""

    def __init__(self, error: AwsError, service: str, operation: str, attempt: Call) -> None:
        super().__init__(error.message)
        self.error = error
        self.service = service
        self.operation = operation
        self.attempt = attempt


class Wire:
    """The protocols of every service. ``hosts`` are the names under which ``bucket.host`` addresses a bucket."""

    def __init__(self, credentials: Credentials, region: str, hosts: Sequence[str]) -> None:
        self._credentials = credentials
        self._region = region
        self._hosts = tuple(hosts)

    async def receive(self, raw: RawRequest) -> Received:
        """Route, verify and parse; raises :class:`Refused`."""
        known = _attempt(raw, self._region)
        try:
            where = route(raw, self._hosts)
            known = replace(known, service=where.service, operation=where.operation)
            signature = sigv4.read(raw, where.query, where.service)
            if signature is not None:
                known = replace(
                    known,
                    region=signature.region,
                    principal=replace(ANONYMOUS, access_key_id=signature.access_key_id[:128]),
                )
            streams = bool(where.operation) and _streams(where)
            body = b"" if streams else await _read(raw)
            if not where.operation:
                where = replace(where, operation=action_of(where.service, query.form(body)))
                known = replace(known, operation=where.operation)
            principal, key = self._authenticate(raw, where, signature, body, streams=streams)
            known = replace(known, principal=principal)
            if not streams:
                body = await _decoded(raw, signature, key, body)
            params = _parse(where, raw, body)
            source = payload.stream(raw, signature, key) if streams else None
        except AwsError as error:
            raise Refused(error, known.service, known.operation, known) from error
        return Received(replace(known, params=params, body=source))

    def _authenticate(
        self, raw: RawRequest, where: Route, signature: Signature | None, body: bytes, *, streams: bool
    ) -> tuple[Principal, bytes]:
        if signature is None:
            return ANONYMOUS, b""
        sigv4.check_time(signature, raw.received_at, where.service)
        try:
            credential = self._credentials.resolve(signature.access_key_id, signature.session_token, raw.received_at)
        except (UnknownAccessKey, InvalidToken, ExpiredToken) as error:
            raise _credential_error(where.service, error) from error
        hashed = _payload_hash(signature, where.service, body, streams=streams)
        key = sigv4.verify(signature, raw, credential.secret_key, where.service, hashed)
        return credential.principal, key

    def respond(self, raw: RawRequest, service: str, operation: str, result: Mapping[str, Any] | Answer) -> Response:
        """The answer in the service's protocol."""
        answer = result if isinstance(result, Answer) else Answer(result)
        out = _CODECS[protocol(service)].serialize(operation_model(service, operation), answer, raw.request_id)
        if answer.headers:
            out = replace(out, headers=(*out.headers, *answer.headers.items()))
        return _response(raw, service, out)

    def respond_error(self, raw: RawRequest, service: str, operation: str, error: AwsError) -> Response:  # noqa: ARG002
        """The error in the service's form; S3's where no service is known."""
        service = service or "s3"
        if error.status == 304:
            return _response(raw, service, Outgoing(304, b""))
        return _response(raw, service, _CODECS[protocol(service)].error(service, error, raw.request_id))


def _attempt(raw: RawRequest, region: str) -> Call:
    return Call(
        principal=ANONYMOUS,
        service="",
        operation="",
        params={},
        request_id=raw.request_id,
        at=raw.received_at,
        region=region,
        source_ip=raw.source_ip,
        user_agent=raw.headers.get("user-agent")[:512],
        secure=raw.scheme == "https",
        host=raw.headers.get("host"),
    )


def _streams(where: Route) -> bool:
    return bool(operation_model(where.service, where.operation).has_streaming_input)


async def _read(raw: RawRequest) -> bytes:
    parts = bytearray()
    async for piece in raw.body:
        parts += piece
        if len(parts) > MAX_BODY:
            raise errors.RequestEntityTooLarge(f"The body of this operation may have at most {MAX_BODY} bytes.")
    return bytes(parts)


def _payload_hash(signature: Signature, service: str, body: bytes, *, streams: bool) -> str:
    """What the canonical request must end with; a body that is here is hashed, never taken on trust."""
    stated = signature.payload_hash
    if signature.presigned:
        return stated
    if stated in chunked.KINDS or (stated == sigv4.UNSIGNED_PAYLOAD and service == "s3"):
        return stated
    if streams:
        if not sigv4.is_hash(stated):
            raise errors.InvalidRequest("Missing or invalid x-amz-content-sha256.")
        return stated
    computed = hashlib.sha256(body).hexdigest()
    if stated and not hmac.compare_digest(stated, computed):
        if service == "s3":
            raise errors.ContentSha256Mismatch("The provided 'x-amz-content-sha256' header does not match the body.")
        raise errors.SignatureDoesNotMatch("The body does not have the hash that was signed.")
    return computed


async def _decoded(raw: RawRequest, signature: Signature | None, key: bytes, body: bytes) -> bytes:
    """A complete S3 body (DeleteObjects, ...) with its checksums verified and its chunking taken off."""
    if "content-md5" not in raw.headers and not any(name.startswith("x-amz-") for name in raw.headers):
        return body
    if raw.headers.get("x-amz-target"):
        return body
    replay = replace(raw, body=_once(body))
    return b"".join([piece async for piece in payload.stream(replay, signature, key)])


async def _once(body: bytes) -> AsyncIterable[bytes]:
    if body:
        yield body


def _parse(where: Route, raw: RawRequest, body: bytes) -> Mapping[str, Any]:
    operation = operation_model(where.service, where.operation)
    incoming = Incoming(raw.headers, body, where.labels, where.query)
    kind = protocol(where.service)
    members = _CODECS[kind].parse(operation, incoming)
    if operation.input_shape is not None:
        report = _validator.validate(members, operation.input_shape)
        if report.has_errors():
            raise _validation_error(kind, report.generate_report())
    return members


def _validation_error(kind: str, text: str) -> AwsError:
    if kind == "query":
        return errors.QueryValidationError(text)
    return ValidationError(text) if kind in _JSON_FAMILY else errors.InvalidRequest(text)


def _credential_error(service: str, error: AwsError) -> AwsError:
    """The same finding under the code that each family of services uses."""
    kind = protocol(service)
    if kind == "query":
        return error
    if isinstance(error, ExpiredToken):
        text = "The security token included in the request is expired"
        return errors.ExpiredTokenException(text) if kind in _JSON_FAMILY else errors.ExpiredTokenS3(text)
    if kind in _JSON_FAMILY:
        return errors.UnrecognizedClient("The security token included in the request is invalid.")
    if isinstance(error, UnknownAccessKey):
        return errors.InvalidAccessKeyId("The AWS Access Key Id you provided does not exist in our records.")
    return errors.InvalidTokenS3("The provided token is malformed or otherwise invalid.")


def _response(raw: RawRequest, service: str, out: Outgoing) -> Response:
    name = "x-amz-request-id" if service == "s3" else "x-amzn-RequestId"
    headers = [(name, raw.request_id), *out.headers]
    if service == "s3":
        headers.append(("x-amz-id-2", raw.request_id))
    body = out.body
    if raw.method == "HEAD":
        body = b""
    if out.content_type:
        headers.append(("Content-Type", out.content_type))
    if isinstance(body, bytes) and not any(key.lower() == "content-length" for key, _ in headers) and out.status != 304:
        headers.append(("Content-Length", str(len(body))))
    return Response(out.status, tuple(headers), body)
