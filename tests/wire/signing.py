"""botocore's signers as the oracle, with a fixed clock and one key pair."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.credentials import Credential, UnknownAccessKey
from lakewarden.wire import Headers, RawRequest

NOW = datetime.now(UTC).replace(microsecond=0)
KEYS = BotoCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
ALICE = Principal(
    PrincipalType.USER, "123456789012", "arn:aws:iam::123456789012:user/alice", "AIDAALICE", "alice", "AKIDEXAMPLE"
)


class Keys:
    """The port to identity, with one key."""

    def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
        if access_key_id != KEYS.access_key or session_token:
            raise UnknownAccessKey("The security token included in the request is invalid.")
        return Credential(KEYS.secret_key, ALICE)


def sign(request: AWSRequest, signing_name: str, region: str = "us-east-1") -> RawRequest:
    """``request`` as botocore signs and sends it."""
    signer = S3SigV4Auth if signing_name == "s3" else SigV4Auth
    request.headers["Host"] = urlsplit(request.url).netloc
    signer(KEYS, signing_name, region).add_auth(request)
    return raw(request)


def raw(request: AWSRequest) -> RawRequest:
    """``request`` as it arrives."""
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    body: Any = prepared.body or b""
    pairs = tuple((name, text(value)) for name, value in prepared.headers.items())
    return RawRequest(
        prepared.method, url.scheme, url.path or "/", url.query, Headers(pairs), "127.0.0.1", datetime.now(UTC), "id",
        once(body.encode() if isinstance(body, str) else bytes(body.read() if hasattr(body, "read") else body)),
    )  # fmt: skip


def text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value).encode().decode("latin-1")


async def once(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 7000):
        yield body[at : at + 7000]
