"""From a request to a :class:`Call`, and from an answer to a response: all that the application needs of wire."""

import hashlib
import hmac
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakewarden.kernel.call import ANONYMOUS, Answer, Call, Principal, Upload
from lakewarden.kernel.credentials import Credential, Credentials
from lakewarden.kernel.errors import AwsError, InternalFailure
from lakewarden.wire import chunked, constraints, errors, payload, post, signature, sigv4
from lakewarden.wire.codecs import json, query, rest_json, rest_xml
from lakewarden.wire.codecs.message import Codec, Incoming, Outgoing
from lakewarden.wire.families import spoken
from lakewarden.wire.models import operation_model, protocol, service_model
from lakewarden.wire.post import Posted
from lakewarden.wire.request import RawRequest, Response
from lakewarden.wire.route import Route, action_of, decode_query, path_style, route
from lakewarden.wire.signature import Signature

MAX_BODY = 16 * 1024 * 1024
"""The largest body, in bytes, of an operation that does not stream."""

MAX_UNKNOWN_BODY = 1024 * 1024
"""The same for a caller that showed no credentials that we know."""

_CODECS: Mapping[str, Codec] = {"json": json, "rest-json": rest_json, "query": query, "rest-xml": rest_xml}
_GLOBAL = frozenset({"iam", "sts", "s3"})  # clients sign these for us-east-1 wherever they are


@dataclass(frozen=True, slots=True)
class Received:
    """A request that is well-formed, signed by ``call.principal`` (or by nobody), and not yet authorised.

    ``posted`` is what a POST upload asks its answer to be.
    """

    call: Call
    posted: Posted | None = None


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
        service = operation = ""
        principal, signed = ANONYMOUS, None
        try:
            bucket = "" if "x-amz-target" in raw.headers else post.bucket_of(raw, path_style(raw, self._hosts))
            if bucket:
                service, operation = "s3", post.OPERATION
                return await self._posted(raw, bucket)
            effective = _with_hoisted_headers(raw)
            where = route(effective, self._hosts)
            service, operation = where.service, where.operation
            signed = signature.read(raw, where.query, service)
            if signed is not None:
                principal = replace(ANONYMOUS, access_key_id=signed.access_key_id[:128])
            credential, doubt = self._resolve(raw, service, signed)
            streams = bool(operation) and _streams(where)
            body = b"" if streams else await _read(raw, MAX_BODY if credential else MAX_UNKNOWN_BODY)
            fields = None
            if not operation:
                fields = query.form(body)
                operation = action_of(service, fields)
            if doubt is not None:
                raise doubt
            key = b""
            if signed is not None and credential is not None:
                hashed = _payload_hash(signed, service, body, streams=streams)
                key = sigv4.verify(signed, raw, credential.secret_key, service, hashed)
                principal = credential.principal
            if service == "s3" and not streams:
                body = await _decoded(effective, signed, key, body, operation)
            incoming = Incoming(effective.headers, body, where.labels, where.query, fields)
            params = _parse(service, operation, incoming)
            source = payload.stream(effective, signed, key) if streams else None
        except Exception as error:
            # INVARIANT (no_answer_without_audit): even a request that breaks us is an attempt with a name and a record.
            attempt = _call(raw, self._region, principal, service, operation, {}, None, None)
            refusal = error if isinstance(error, AwsError) else InternalFailure()
            raise Refused(spoken(service, refusal), service, operation, attempt) from error
        return Received(_call(raw, self._region, principal, service, operation, params, source, signed))

    async def _posted(self, raw: RawRequest, bucket: str) -> Received:
        """A POST upload, as the PutObject that it asks for."""
        regions = tuple(dict.fromkeys((self._region, "us-east-1")))

        def resolve(signed: Signature) -> Credential:
            return self._credentials.resolve(signed.access_key_id, signed.session_token, raw.received_at)

        asked = await post.read(raw, bucket, regions, resolve)
        params = _parse("s3", post.OPERATION, asked.incoming)
        call = _call(raw, self._region, asked.principal, "s3", post.OPERATION, params, asked.body, asked.signed)
        return Received(replace(call, auth_type="POST" if asked.signed is not None else ""), asked.posted)

    def _resolve(
        self, raw: RawRequest, service: str, signed: Signature | None
    ) -> tuple[Credential | None, AwsError | None]:
        """The credential that the signature names, or why there is none.

        Not raised at once: the operation's name may still stand in the body, and the audit trail wants it.
        """
        if signed is None:
            return None, None
        regions = (self._region, "us-east-1") if service in _GLOBAL else (self._region,)
        try:
            sigv4.check_scope(signed, service, service_model(service).signing_name, regions)
            sigv4.check_time(signed, raw.received_at)
            return self._credentials.resolve(signed.access_key_id, signed.session_token, raw.received_at), None
        except AwsError as error:
            return None, error

    def respond(
        self, raw: RawRequest, service: str, operation: str, result: Mapping[str, Any] | Answer,
        posted: Posted | None = None,
    ) -> Response:  # fmt: skip
        """The answer in the service's protocol, or as a POST upload asked for it."""
        answer = result if isinstance(result, Answer) else Answer(result)
        if posted is not None:
            return _response(raw, service, posted.answer(answer.members, raw.headers.get("host"), raw.scheme))
        out = _CODECS[protocol(service)].serialize(operation_model(service, operation), answer, raw.request_id)
        if answer.headers:
            out = replace(out, headers=(*out.headers, *answer.headers.items()))
        return _response(raw, service, out)

    def respond_error(self, raw: RawRequest, service: str, operation: str, error: AwsError) -> Response:  # noqa: ARG002
        """The error in the service's form, or in the form that the caller seems to speak where no service is known."""
        form = service or _form_of(raw)
        if error.status == 304:
            return _response(raw, form, Outgoing(304, b""))
        out = _CODECS[protocol(form)].error(form, error, raw.request_id, raw.raw_path)
        if not service:
            # Clients of the JSON family find the code here, whatever the body looks like.
            out = replace(out, headers=(("x-amzn-ErrorType", error.code),))
        return _response(raw, form, out)


def _form_of(raw: RawRequest) -> str:
    """A service whose protocol the caller of an unknown service would understand."""
    kind = raw.headers.get("content-type")
    if "x-amz-target" in raw.headers or kind.startswith(("application/x-amz-json", "application/json")):
        return "athena"
    return "sts" if kind.startswith("application/x-www-form") else "s3"


def _with_hoisted_headers(raw: RawRequest) -> RawRequest:
    if "X-Amz-Signature=" not in raw.query_string:
        return raw
    return replace(raw, headers=signature.hoisted(raw, decode_query(raw.query_string)))


def _call(
    raw: RawRequest,
    region: str,
    principal: Principal,
    service: str,
    operation: str,
    params: Mapping[str, Any],
    body: Upload | None,
    signed: Signature | None,
) -> Call:
    return Call(
        principal=principal,
        service=service,
        operation=operation,
        params=params,
        request_id=raw.request_id,
        at=raw.received_at,
        region=region,
        source_ip=raw.source_ip,
        user_agent=raw.headers.get("user-agent")[:512],
        secure=raw.scheme == "https",
        host=raw.headers.get("host"),
        body=body,
        auth_type="" if signed is None else "REST-QUERY-STRING" if signed.presigned else "REST-HEADER",
        signed_at=None if signed is None else signed.signed_at,
    )


def _streams(where: Route) -> bool:
    return bool(operation_model(where.service, where.operation).has_streaming_input)


async def _read(raw: RawRequest, most: int) -> bytes:
    parts = bytearray()
    async for piece in raw.body:
        parts += piece
        if len(parts) > most:
            raise errors.RequestEntityTooLarge(f"The body of this request may have at most {most} bytes.")
    return bytes(parts)


def _payload_hash(signed: Signature, service: str, body: bytes, *, streams: bool) -> str:
    """What the canonical request must end with; a body that is here is hashed, never taken on trust."""
    stated = signed.payload_hash
    if service == "s3" and (stated in chunked.KINDS or stated == signature.UNSIGNED_PAYLOAD):
        return stated
    if streams:
        if not signature.is_hash(stated):
            raise errors.InvalidRequest("Missing or invalid header for this request: x-amz-content-sha256")
        return stated
    computed = hashlib.sha256(body).hexdigest()
    if stated and not hmac.compare_digest(stated.encode(), computed.encode()):
        if service == "s3":
            raise errors.ContentSha256Mismatch("The provided 'x-amz-content-sha256' header does not match the body.")
        raise errors.SignatureDoesNotMatch("The body does not have the hash that was signed.")
    return computed


async def _decoded(raw: RawRequest, signed: Signature | None, key: bytes, body: bytes, operation: str) -> bytes:
    """A complete S3 body (DeleteObjects, ...) with its checksums verified and its chunking taken off."""
    if not body:
        return body
    trait = operation_model("s3", operation).http_checksum or {}
    replay = replace(raw, body=_once(body))
    summed = "requestAlgorithmMember" in trait
    return b"".join([piece async for piece in payload.stream(replay, signed, key, summed=summed)])


async def _once(body: bytes) -> AsyncIterable[bytes]:
    if body:
        yield body


def _parse(service: str, name: str, incoming: Incoming) -> Mapping[str, Any]:
    operation = operation_model(service, name)
    members = _CODECS[protocol(service)].parse(operation, incoming)
    if operation.input_shape is not None:
        constraints.check(operation.input_shape, members)
    return members


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
    # A 204 or 304 has no body and so no length (RFC 9110, 8.6).
    counted = isinstance(body, bytes) and out.status not in {204, 304}
    if counted and isinstance(body, bytes) and not any(key.lower() == "content-length" for key, _ in headers):
        headers.append(("Content-Length", str(len(body))))
    return Response(out.status, tuple(headers), body)
