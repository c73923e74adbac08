"""S3's POST uploads (browser forms): who signed them, what they ask for, and what they are answered.

They have no operation in AWS's model. They are PutObject under another form, and are authorised and audited as that.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from lakewarden.kernel.call import ANONYMOUS, Principal
from lakewarden.kernel.credentials import Credential
from lakewarden.wire import errors, forms, payload, post_policy, sigv4
from lakewarden.wire.codecs import xml
from lakewarden.wire.codecs.message import Incoming, Outgoing
from lakewarden.wire.forms import Form
from lakewarden.wire.request import Headers, RawRequest
from lakewarden.wire.signature import ALGORITHM, Signature, parse_stamp

OPERATION = "PutObject"
_BUCKET = re.compile(r"/([A-Za-z0-9._-]{3,255})/?")
_LONGEST = timedelta(days=7)  # as long as a signing key is good
_SIGNED = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_AUTHENTICATION = frozenset({*_SIGNED, "x-amz-security-token"})
_HEADERS = frozenset(
    {"cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type",
     "expires"}
)  # fmt: skip

Resolve = Callable[[Signature], Credential]


@dataclass(frozen=True, slots=True)
class Posted:
    """What the form asks its answer to be."""

    bucket: str
    key: str
    status: str = ""
    redirect: str = ""

    def answer(self, members: Mapping[str, Any], host: str, scheme: str) -> Outgoing:
        """204, or the status or the redirection that the form asks for."""
        etag = str(members.get("ETag", ""))
        location = f"{scheme}://{host}/{quote(f'{self.bucket}/{self.key}', safe='/~')}"
        headers: list[tuple[str, str]] = [("ETag", etag), ("Location", location)]
        if members.get("VersionId"):
            headers.append(("x-amz-version-id", str(members["VersionId"])))
        where = urlsplit(self.redirect)
        if where.scheme in {"http", "https"} and where.netloc and self.redirect.isprintable():
            told = urlencode({"bucket": self.bucket, "key": self.key, "etag": etag})
            query = f"{where.query}&{told}" if where.query else told
            url = quote(urlunsplit(where._replace(query=query)), safe=":/?#[]@!$&'()*+,;=%~")
            return Outgoing(303, b"", (*headers[:1], ("Location", url), *headers[2:]))
        if self.status != "201":
            return Outgoing(200 if self.status == "200" else 204, b"", tuple(headers))
        out = xml.Writer()
        out.open("PostResponse")
        for name, text in (("Location", location), ("Bucket", self.bucket), ("Key", self.key), ("ETag", etag)):
            out.leaf(name, text)
        out.close("PostResponse")
        return Outgoing(201, out.document(), tuple(headers), "application/xml")


@dataclass(frozen=True, slots=True)
class Upload:
    """A form that is well-formed and signed by ``principal`` (or by nobody), and not yet authorised."""

    principal: Principal
    signed: Signature | None
    incoming: Incoming
    body: payload.Verified
    posted: Posted


def bucket_of(request: RawRequest, path: str) -> str:
    """The bucket that a form is posted to, or empty where the request is no such form. ``path`` is in path style."""
    if request.method != "POST" or request.query_string or not forms.is_form(request.headers.get("content-type")):
        return ""
    found = _BUCKET.fullmatch(path)
    return found.group(1) if found is not None and "authorization" not in request.headers else ""


async def read(request: RawRequest, bucket: str, regions: Sequence[str], resolve: Resolve) -> Upload:
    """The upload; raises AccessDenied, SignatureDoesNotMatch, MalformedPOSTRequest and their like."""
    form = await forms.read(request.headers.get("content-type"), request.body)
    fields = form.fields
    if "key" not in fields:
        raise errors.InvalidArgument("Bucket POST must contain a field named 'key'.  If it is specified, please check the "
                                     "order of the fields.", {"ArgumentName": "key"})  # fmt: skip
    if "tagging" in fields:
        raise errors.InvalidArgument("The form field 'tagging' is not implemented.", {"ArgumentName": "tagging"})
    principal, signed, bounds = ANONYMOUS, None, post_policy.Bounds()
    if "policy" in fields or not _AUTHENTICATION.isdisjoint(fields):
        signed = _signature(fields)
        sigv4.check_scope(signed, "s3", "s3", regions)
        sigv4.check_time(signed, request.received_at)
        credential = resolve(signed)
        key = sigv4.signing_key(credential.secret_key, signed.date, signed.region, "s3")
        if not hmac.compare_digest(sigv4.sign(key, fields["policy"]).encode(), signed.signature.encode()):
            raise errors.SignatureDoesNotMatch("The signature is not the one that this key makes over the policy.")
        principal = credential.principal
        bounds = post_policy.check(fields["policy"], fields, bucket, request.received_at)
    # The file's name is the browser's: it is put in after the policy has been held against what was written.
    name = form.file_name.rpartition("/")[2].rpartition("\\")[2]
    stored_as = fields["key"].replace("${filename}", name)
    if not stored_as or "\0" in stored_as:
        raise errors.InvalidArgument("User key must have a length greater than 0.", {"ArgumentName": "key"})
    headers = _headers(fields)
    incoming = Incoming(headers, b"", {"Bucket": bucket, "Key": stored_as}, (), None)
    body = payload.stream(replace(request, headers=headers, body=bounds.hold(form.file)), None, b"")
    redirect = fields.get("success_action_redirect") or fields.get("redirect", "")
    return Upload(
        principal, signed, incoming, body,
        Posted(bucket, stored_as, fields.get("success_action_status", ""), redirect),
    )  # fmt: skip


def _headers(fields: Mapping[str, str]) -> Headers:
    """The fields that a PutObject would carry as headers, as header bytes arrive."""
    taken = [
        ("x-amz-acl" if name == "acl" else name, value.encode().decode("latin-1"))
        for name, value in fields.items()
        if name in _HEADERS or name == "acl" or (name.startswith("x-amz-") and name not in _AUTHENTICATION)
    ]
    return Headers(tuple(taken))


def _signature(fields: Mapping[str, str]) -> Signature:
    if {"awsaccesskeyid", "signature"} & fields.keys():
        raise errors.InvalidRequest("Signature Version 2 is not accepted; sign the form with Signature Version 4.")
    for name in ("policy", *_SIGNED):
        if not fields.get(name):
            raise errors.InvalidArgument(f"Bucket POST must contain a field named '{name}'.", {"ArgumentName": name})
    parts = fields["x-amz-credential"].split("/")
    signed_at = parse_stamp(fields["x-amz-date"])
    if fields["x-amz-algorithm"] != ALGORITHM or len(parts) != 5 or parts[4] != "aws4_request" or signed_at is None:
        raise errors.InvalidArgument("The form's x-amz-algorithm, x-amz-credential or x-amz-date is malformed.")
    return Signature(
        access_key_id=parts[0], date=parts[1], region=parts[2], service=parts[3], signed_headers=(),
        signature=fields["x-amz-signature"], signed_at=signed_at,
        session_token=fields.get("x-amz-security-token") or None, payload_hash="", presigned=True, expires=_LONGEST,
    )  # fmt: skip


__all__ = ["OPERATION", "Form", "Posted", "Upload", "bucket_of", "read"]
