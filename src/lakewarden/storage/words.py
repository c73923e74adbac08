"""S3's words in requests and answers: tags, copy sources, tokens, checksums, and what is refused by name."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from lakewarden.kernel import checksums
from lakewarden.storage.errors import (
    AccessControlListNotSupported,
    BadRequest,
    InvalidArgument,
    InvalidStorageClass,
    InvalidTag,
    MetadataTooLarge,
    UnsupportedHeader,
)
from lakewarden.storage.model import Attributes, StoredObject
from lakewarden.storage.service import when

_KEPT_HEADERS: Final = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
_MEMBER: Final = {kind: f"Checksum{kind.upper()}" for kind in sorted(checksums.KINDS)}
_OWNERS_ACLS: Final = frozenset({"private", "bucket-owner-full-control"})
_REFUSED: Final = (
    "ServerSideEncryption", "SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "SSEKMSKeyId",
    "SSEKMSEncryptionContext", "BucketKeyEnabled", "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey",
    "CopySourceSSECustomerKeyMD5", "WebsiteRedirectLocation", "WriteOffsetBytes", "ObjectLockMode",
    "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus", "ObjectLockEventHold", "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears", "ObjectLockEnabledForBucket", "BucketNamespace", "MFA",
)  # fmt: skip
_GRANTS: Final = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_MOST_TAGS: Final = 10


@dataclass(frozen=True, slots=True)
class Source:
    """Where a copy comes from."""

    bucket: str
    key: str
    version: str


def refuse_unsupported(params: Mapping[str, Any]) -> None:
    """Raise for whatever would promise something that is not kept: encryption, locks, ACLs, other storage classes."""
    for name in _REFUSED:
        if params.get(name):
            raise UnsupportedHeader(
                f"A header you provided implies functionality that is not implemented: {name}", {"Header": name}
            )
    if any(params.get(name) for name in _GRANTS) or params.get("ACL", "private") not in _OWNERS_ACLS:
        raise AccessControlListNotSupported("The bucket does not allow ACLs")
    if params.get("StorageClass", "STANDARD") != "STANDARD":
        raise InvalidStorageClass("The storage class you specified is not valid")
    if params.get("ObjectOwnership", "BucketOwnerEnforced") != "BucketOwnerEnforced":
        raise UnsupportedHeader("Only ObjectOwnership BucketOwnerEnforced is implemented.")


def attributes(params: Mapping[str, Any]) -> Attributes:
    """What PutObject, CopyObject and CreateMultipartUpload say about an object."""
    headers = {name: str(params[name]) for name in _KEPT_HEADERS if params.get(name)}
    coding = [one.strip() for one in headers.get("ContentEncoding", "").split(",")]
    if "aws-chunked" in coding:  # how it travelled, not what it is
        headers["ContentEncoding"] = ",".join(one for one in coding if one != "aws-chunked")
    if params.get("Expires"):
        headers["Expires"] = _date(params["Expires"])
    metadata = dict(params.get("Metadata") or {})
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > 2048:
        raise MetadataTooLarge("Your metadata headers exceed the maximum allowed metadata size")
    return Attributes(
        params.get("ContentType") or "binary/octet-stream",
        metadata,
        {name: value for name, value in headers.items() if value},
        tags=tag_query(params.get("Tagging")),
    )


def _date(value: Any) -> str:
    return value if isinstance(value, str) else str(value.isoformat())


def facts(stored: StoredObject, mode: str | None) -> dict[str, Any]:
    """The members that GetObject and HeadObject share; ``mode`` is ChecksumMode."""
    own = stored.attributes
    headers: dict[str, Any] = dict(own.headers)
    if "Expires" in headers:
        headers["Expires"] = when(headers["Expires"])
    found: dict[str, Any] = {
        "ETag": quoted(stored.etag),
        "LastModified": when(stored.modified),
        "ContentType": own.content_type,
        "AcceptRanges": "bytes",
        "Metadata": own.metadata,
        **headers,
    }
    if own.tags:
        found["TagCount"] = len(own.tags)
    if mode == "ENABLED":
        found |= sums(stored.sums.values, stored.sums.type)
    return found


def sums(values: Mapping[str, str], kind: str) -> dict[str, str]:
    """Checksum members, with their type."""
    found = {_MEMBER[name]: value for name, value in values.items()}
    return found | {"ChecksumType": kind} if found and kind else found


def claimed_sums(params: Mapping[str, Any]) -> dict[str, str]:
    """The checksum members of a request: kind -> value."""
    return {kind: params[member] for kind, member in _MEMBER.items() if params.get(member)}


def kept_sums(verified: Mapping[str, str]) -> dict[str, str]:
    """Of what was verified, the client's own kind; S3's default where it sent none."""
    own = {kind: value for kind, value in verified.items() if kind != checksums.DEFAULT}
    return own or dict(verified)


def algorithm(params: Mapping[str, Any]) -> str:
    """ChecksumAlgorithm as a kind, or empty; raises InvalidArgument."""
    kind = str(params.get("ChecksumAlgorithm") or "").lower()
    if kind and kind not in checksums.KINDS:
        raise InvalidArgument("Checksum algorithm provided is unsupported.")
    return kind


def tag_query(text: str | None) -> dict[str, str]:
    """The x-amz-tagging header, ``a=1&b=2``; raises InvalidArgument, InvalidTag or BadRequest."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise InvalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded") from error
    return _tags(pairs, _MOST_TAGS)


def tag_list(tags: Sequence[Mapping[str, str]], most: int = _MOST_TAGS) -> dict[str, str]:
    """A TagSet."""
    return _tags([(tag["Key"], tag["Value"]) for tag in tags], most)


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A TagSet of tags."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _tags(pairs: Sequence[tuple[str, str]], most: int) -> dict[str, str]:
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise InvalidTag("Cannot provide multiple Tags with the same key")
    if len(tags) > most:
        raise BadRequest(f"Object tags cannot be greater than {most}")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or name.lower().startswith("aws:"):
            raise InvalidTag("The TagKey you have provided is invalid", {"TagKey": name[:128]})
        if len(value) > 256:
            raise InvalidTag("The TagValue you have provided is invalid", {"TagKey": name})
    return tags


def copy_source(source: str | Mapping[str, str]) -> Source:
    """``/bucket/key?versionId=v``, percent-encoded; raises InvalidArgument."""
    text = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
    path, _, version = text.partition("?versionId=")
    bucket, _, key = unquote(path.removeprefix("/")).partition("/")
    if not bucket or not key or "\0" in key:
        raise InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return Source(bucket, key, version)


def quoted(etag: str) -> str:
    """An entity tag as it travels."""
    return f'"{etag}"'


def encoded(params: Mapping[str, Any], text: str) -> str:
    """A key, percent-encoded where the client asked for it."""
    return quote(text, safe="/-_.~*!'()") if params.get("EncodingType") == "url" else text


def token_of(text: str) -> str:
    """A continuation token: opaque to clients, and nothing but a place in the order of keys."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def from_token(token: str) -> str:
    """The place; raises InvalidArgument."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("The continuation token provided is incorrect") from error
