"""Time stamps by an authority that nobody here controls (RFC 3161, over HTTP): when a head of the log was there."""

import urllib.request
from collections.abc import Sequence
from datetime import datetime
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from lakewarden.audit.ports import BadTimeStamp, NoTimeStamp
from lakewarden.audit.settings import BadSettings

_SECONDS = 10.0
_LARGEST = 1 << 16


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """The authority is where the settings say, and nowhere else."""
        del req, fp, code, msg, headers, newurl


class HttpTimeAuthority:
    """The authority at ``url``, known by its certificates: roots, and those between them and it."""

    def __init__(self, url: str, certificates: Sequence[Certificate]) -> None:
        self._url = url
        self._roots = [one for one in certificates if one.issuer == one.subject]
        self._between = [one for one in certificates if one.issuer != one.subject]

    @property
    def name(self) -> str:
        """Its address."""
        return self._url

    def stamp(self, message: bytes) -> bytes:
        """A token for ``message``; raises :class:`NoTimeStamp`."""
        asked = TimestampRequestBuilder(data=message, hash_algorithm=HashAlgorithm.SHA256).build()
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        request = urllib.request.Request(self._url, asked.as_bytes(), headers, method="POST")  # noqa: S310 - settings
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=_SECONDS) as answer:
                token: bytes = answer.read(_LARGEST + 1)
        except (OSError, HTTPException) as error:
            raise NoTimeStamp(f"{self._url} cannot be asked: {error}") from error
        if len(token) > _LARGEST:
            raise NoTimeStamp(f"{self._url} answers with more than {_LARGEST} bytes")
        try:
            self._checked(token, message, asked)
        except BadTimeStamp as error:
            raise NoTimeStamp(f"{self._url} answers with what is no time stamp of ours: {error}") from error
        return token

    def check(self, token: bytes, message: bytes) -> datetime:
        """When ``message`` was there; raises :class:`BadTimeStamp`."""
        return self._checked(token, message, None)

    def _checked(self, token: bytes, message: bytes, asked: TimeStampRequest | None) -> datetime:
        """``asked`` is the request where the token is its answer: then it must carry the request's nonce."""
        builder = VerifierBuilder() if asked is None else VerifierBuilder.from_request(asked)
        for root in self._roots:
            builder = builder.add_root_certificate(root)
        for one in self._between:
            builder = builder.add_intermediate_certificate(one)
        try:
            answer = decode_timestamp_response(token)
            builder.build().verify_message(answer, message)
            return answer.tst_info.gen_time
        except (ValueError, VerificationError) as error:
            raise BadTimeStamp(str(error)) from error


def authority_of(url: str, certificates: Path) -> HttpTimeAuthority:
    """The authority of the settings; raises :class:`BadSettings`."""
    if not url.startswith(("https://", "http://")):
        raise BadSettings("timestamps.url is an http or https address")
    try:
        found = load_pem_x509_certificates(certificates.read_bytes())
    except (OSError, ValueError) as error:
        raise BadSettings(f"timestamps.certificates: {certificates} cannot be read: {error}") from error
    if not any(one.issuer == one.subject for one in found):
        raise BadSettings(f"timestamps.certificates: {certificates} holds no root certificate")
    return HttpTimeAuthority(url, found)
