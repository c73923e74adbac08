"""SigV4 against botocore's own signers, and against those who try to get in without a key."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from botocore.utils import percent_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.call import PrincipalType
from lakewarden.kernel.credentials import Credential, ExpiredToken, InvalidToken, UnknownAccessKey
from lakewarden.wire import Headers, RawRequest, Received, Refused, Wire, signature, sigv4
from tests.wire.signing import ALICE, KEYS, Keys, once, raw, sign

WIRE = Wire(Keys(), "eu-west-1", ("localhost",))
ATHENA = {"X-Amz-Target": "AmazonAthena.ListWorkGroups", "Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
WHOAMI = b"Action=GetCallerIdentity&Version=2011-06-15"


def receive(request: RawRequest, wire: Wire = WIRE) -> Received:
    return asyncio.run(wire.receive(request))


def refused(request: RawRequest, wire: Wire = WIRE) -> Refused:
    with pytest.raises(Refused) as caught:
        receive(request, wire)
    return caught.value


def athena(region: str = "eu-west-1", **headers: str) -> RawRequest:
    return sign(AWSRequest("POST", "http://localhost:7070/", {**ATHENA, **headers}, b"{}"), "athena", region)


def sts(body: bytes = WHOAMI, region: str = "eu-west-1") -> RawRequest:
    return sign(AWSRequest("POST", "http://localhost:7070/", FORM, body), "sts", region)


def get(path: str = "/bucket/key", region: str = "eu-west-1", **headers: str) -> RawRequest:
    return sign(AWSRequest("GET", f"http://localhost:7070{path}", headers), "s3", region)


def with_headers(request: RawRequest, changes: Mapping[str, str | None]) -> RawRequest:
    """``request`` with header fields replaced, added, or (None) removed."""
    lower = {name.lower() for name in changes}
    kept = tuple(pair for pair in request.headers.pairs if pair[0] not in lower)
    added = tuple((name, value) for name, value in changes.items() if value is not None)
    return replace(request, headers=Headers(kept + added))


# Whoever signs gets in


def test_each_family_recognises_its_signer() -> None:
    for request in (athena(), sts(), get()):
        assert receive(request).call.principal == ALICE


def test_the_call_is_of_the_servers_region_whatever_the_client_says() -> None:
    assert receive(sts(region="us-east-1")).call.region == "eu-west-1"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_s3_keys_of_any_letters(key: str) -> None:
    if set(key) <= {"/", "."}:
        return
    call = receive(get("/bucket/" + percent_encode(key, safe="/~-._"))).call
    assert (call.operation, call.params["Key"]) == ("GetObject", key)


@given(st.dictionaries(st.text("aZ0-_.~ +%&=/é", min_size=1, max_size=6), st.text("a +%&=/é", max_size=6), max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_query_strings_of_any_letters(fields: dict[str, str]) -> None:
    request = AWSRequest("GET", "http://localhost/bucket", params={"list-type": "2", **fields})
    assert receive(sign(request, "s3", "eu-west-1")).call.principal == ALICE


@pytest.mark.parametrize("path", ["/a/../b//c/./d/", "//", "/a%20b/%2F/", "/..", "/a/.."])
def test_paths_of_other_services_are_normalised_as_botocore_does(path: str) -> None:
    request = sign(AWSRequest("POST", f"http://localhost{path}", {"Content-Type": "application/json"}), "lakeformation")
    error = refused(replace(request, raw_path=path), Wire(Keys(), "us-east-1", ())).error
    assert error.code == "UnknownOperationException"  # it is the route that is unknown
    signed = signature.read(request, (), "lakeformation")
    assert signed is not None
    sigv4.verify(signed, replace(request, raw_path=path), KEYS.secret_key, "lakeformation", signature.EMPTY_SHA256)


@pytest.mark.parametrize("value", ["  two   spaces ", "tab\tinside", 'quoted "  x  "', "voilà", "trailing à"])
def test_header_values_are_folded_as_botocore_does(value: str) -> None:
    assert receive(get(**{"x-amz-expected-bucket-owner": value})).call.principal == ALICE


def test_the_date_header_serves_where_there_is_no_x_amz_date() -> None:
    request = get(Date="now")
    assert "x-amz-date" not in request.headers
    assert receive(request).call.principal == ALICE
    later = datetime.now(UTC) + timedelta(seconds=1)
    changed = with_headers(request, {"date": later.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    assert refused(changed).error.code == "SignatureDoesNotMatch"


# Whoever changes anything stays out


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"raw_path": "/bucket/other"},
        {"raw_path": "/bucket//key"},
        {"query_string": "acl"},
        {"query_string": "versionId=1"},
        {"query_string": "X-Amz-Signature=0"},
    ],
)
def test_a_changed_request_does_not_verify(change: dict[str, Any]) -> None:
    assert refused(replace(get(), **change)).error.code in {
        "SignatureDoesNotMatch",
        "InvalidRequest",
        "MethodNotAllowed",
    }


@pytest.mark.parametrize(
    "header", ["host", "x-amz-date", "x-amz-content-sha256", "authorization", "x-amz-expected-bucket-owner"]
)
def test_no_signed_header_can_be_changed_or_removed(header: str) -> None:
    request = get(**{"x-amz-expected-bucket-owner": "1"})
    for value in ("", "x", request.headers.get(header) + "0", "é"):
        assert refused(with_headers(request, {header: value})).error.status in {400, 403}
    gone = with_headers(request, {header: None})
    if header == "authorization":
        assert receive(gone).call.principal.type is PrincipalType.ANONYMOUS
    else:
        assert refused(gone).error.status in {400, 403}


@pytest.mark.parametrize("header", ["x-amz-acl", "x-amz-security-token", "x-amz-target", "X-Amz-Meta-A"])
def test_no_unsigned_amz_header_is_believed(header: str) -> None:
    for request in (get(), presigned_get()):
        assert refused(with_headers(request, {header: "x"})).error.status in {400, 403}


def test_a_second_value_of_a_signed_header_is_seen() -> None:
    request = get()
    doubled = replace(request, headers=Headers((*request.headers.pairs, ("host", "evil"))))
    assert refused(doubled).error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("body", [b'{"a":1}', b"", b"[]"])
def test_a_changed_body_does_not_verify(body: bytes) -> None:
    assert refused(replace(athena(), body=once(body))).error.code == "InvalidSignatureException"


def test_a_changed_form_does_not_verify() -> None:
    body = once(b"Action=GetSessionToken&Version=2011-06-15")
    assert refused(replace(sts(), body=body)).error.code == "SignatureDoesNotMatch"


def test_a_body_outside_s3_cannot_be_left_unsigned() -> None:
    for stated in ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        request = athena(**{"X-Amz-Content-SHA256": stated})
        assert refused(request).error.code == "InvalidSignatureException"


def test_a_signature_for_one_service_opens_no_other() -> None:
    request = AWSRequest("POST", "http://localhost/", {**ATHENA}, b"{}")
    assert "correct service" in refused(sign(request, "glue", "eu-west-1")).error.message


def test_the_wrong_region_is_named() -> None:
    error = refused(get(region="ap-south-1")).error
    assert (error.code, error.members) == ("AuthorizationHeaderMalformed", {"Region": "eu-west-1"})
    assert refused(athena("us-east-1")).error.code == "InvalidSignatureException"
    error = refused(presigned_get(region="ap-south-1")).error
    assert (error.code, error.members) == ("AuthorizationQueryParametersError", {"Region": "eu-west-1"})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic YTpi",
        "AWS AKID:sig",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20200101/eu-west-1/s3, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20200101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/1/2/s3/aws4_request, Credential=B/1/2/s3/aws4_request, SignedHeaders=h, Signature=0",
        "AWS4-HMAC-SHA256 " + "," * 5000,
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0",
        "é" * 50,
    ],
)
def test_an_authorization_header_that_is_none(authorization: str) -> None:
    assert refused(with_headers(get(), {"authorization": authorization})).error.status in {400, 403}


def test_a_host_or_date_that_is_not_signed_is_not_believed() -> None:
    request = get()
    authorization = request.headers.get("authorization")
    for name in ("host;", ";x-amz-date"):
        assert name in authorization
        changed = with_headers(request, {"authorization": authorization.replace(name, "")})
        assert refused(changed).error.code in {"SignatureDoesNotMatch", "AccessDenied"}
    dated = get(Date="now")
    undated = dated.headers.get("authorization").replace("date;", "")
    error = refused(with_headers(dated, {"authorization": undated})).error
    assert (error.code, error.message.endswith(": date")) == ("AccessDenied", True)


# Time


@pytest.mark.parametrize(
    ("make", "code"),
    [(athena, "InvalidSignatureException"), (sts, "SignatureDoesNotMatch"), (get, "RequestTimeTooSkewed")],
)
@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_can_be_replayed_for_fifteen_minutes_only(
    make: Callable[[], RawRequest], code: str, minutes: int
) -> None:
    request = make()
    assert receive(replace(make(), received_at=request.received_at + timedelta(minutes=minutes * 14 / 16)))
    late = replace(request, received_at=request.received_at + timedelta(minutes=minutes))
    assert refused(late).error.code == code


def test_the_text_of_an_expired_signature_is_awss() -> None:
    request = replace(athena(), received_at=datetime.now(UTC) + timedelta(hours=1))
    error = refused(request).error
    assert error.message.startswith("Signature expired: ")
    assert "is now earlier than" in error.message
    assert error.message.endswith(" - 15 min.)")


def test_the_scopes_date_must_be_the_requests() -> None:
    request = get()
    day = request.headers.get("x-amz-date")[:8]
    moved = request.headers.get("authorization").replace(f"/{day}/", "/20200101/")
    assert refused(with_headers(request, {"authorization": moved})).error.code == "SignatureDoesNotMatch"


# Presigned URLs


def presigned_get(
    url: str = "http://localhost:7070/bucket/key", expires: int = 60, region: str = "eu-west-1"
) -> RawRequest:
    request = AWSRequest("GET", url, {"Host": urlsplit(url).netloc})
    S3SigV4QueryAuth(KEYS, "s3", region, expires).add_auth(request)
    return raw(request)


def test_a_presigned_url_works_until_it_expires() -> None:
    request = presigned_get()
    assert receive(request).call.principal == ALICE
    assert receive(replace(request, received_at=request.received_at + timedelta(seconds=55))).call.principal == ALICE
    error = refused(replace(request, received_at=request.received_at + timedelta(seconds=65))).error
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    early = refused(replace(request, received_at=request.received_at - timedelta(minutes=16))).error
    assert (early.code, early.message) == ("AccessDenied", "Request is not valid yet")


def test_a_presigned_url_lasts_seven_days_at_most() -> None:
    assert receive(presigned_get(expires=7 * 86400)).call.principal == ALICE
    assert refused(presigned_get(expires=7 * 86400 + 1)).error.code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-60"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6٠"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600"),
        ("X-Amz-Expires=60", "x-amz-expires=60"),
        ("X-Amz-Signature=", "X-Amz-Signature=é"),
        ("X-Amz-Signature=", "X-Amz-Signature=0&X-Amz-Signature="),
        ("X-Amz-Signature=", "versionId=1&X-Amz-Signature="),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        ("X-Amz-Signature=", "x-amz-copy-source=a%2Fb&X-Amz-Signature="),
    ],
)
def test_a_presigned_url_cannot_be_changed(old: str, new: str) -> None:
    request = presigned_get()
    assert old in request.query_string
    changed = replace(request, query_string=request.query_string.replace(old, new))
    assert refused(changed).error.status in {400, 403}


def test_headers_that_other_sdks_sign_into_the_url_count() -> None:
    url = "http://localhost/bucket/key?x-amz-checksum-mode=ENABLED&x-amz-expected-bucket-owner=123"
    params = receive(presigned_get(url)).call.params
    assert params["ChecksumMode"] == "ENABLED"
    assert params["ExpectedBucketOwner"] == "123"


def test_a_form_cannot_be_added_to_somebodys_presigned_call() -> None:
    request = AWSRequest("POST", "http://localhost/?Action=GetUser&Version=2010-05-08", {"Host": "localhost"})
    SigV4QueryAuth(KEYS, "iam", "us-east-1", 60).add_auth(request)
    good = raw(request)
    assert receive(good).call.operation == "GetUser"
    error = refused(replace(raw(request), body=once(b"UserName=mallory"))).error
    assert error.code == "SignatureDoesNotMatch"


def test_signature_version_2_is_refused_with_the_way_out() -> None:
    request = replace(
        raw(AWSRequest("GET", "http://localhost/bucket/k")), query_string="AWSAccessKeyId=A&Signature=b&Expires=1"
    )
    assert 'signature_version="s3v4"' in refused(request).error.message


def test_two_signatures_at_once_are_refused() -> None:
    request = presigned_get()
    both = with_headers(request, {"authorization": get().headers.get("authorization")})
    assert refused(both).error.code == "InvalidRequest"


# Keys


class Failing:
    """A port to identity that knows nobody."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
        raise self._error


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (UnknownAccessKey("x"), ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")),
        (InvalidToken("x"), ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken")),
        (ExpiredToken("x"), ("ExpiredTokenException", "ExpiredToken", "ExpiredToken")),
    ],
)
def test_each_family_has_its_own_words_for_bad_keys(error: Exception, codes: tuple[str, str, str]) -> None:
    wire = Wire(Failing(error), "eu-west-1", ("localhost",))
    assert tuple(refused(request, wire).error.code for request in (athena(), sts(), get())) == codes


def test_a_refusal_tells_the_audit_trail_what_is_known() -> None:
    seen = refused(sts(), Wire(Failing(UnknownAccessKey("x")), "eu-west-1", ())).attempt
    assert (seen.service, seen.operation) == ("sts", "GetCallerIdentity")
    assert seen.principal.access_key_id == "AKIDEXAMPLE"
    assert seen.principal.type is PrincipalType.ANONYMOUS


def test_a_wrong_secret_is_a_wrong_signature() -> None:
    class Others(Keys):
        def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
            return Credential("another", ALICE)

    wire = Wire(Others(), "eu-west-1", ("localhost",))
    codes = [refused(request, wire).error.code for request in (athena(), sts(), get(), presigned_get())]
    assert codes == ["InvalidSignatureException", *["SignatureDoesNotMatch"] * 3]


def test_a_session_token_is_passed_on_and_must_be_signed() -> None:
    seen: list[str | None] = []

    class Sessions(Keys):
        def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
            seen.append(session_token)
            return Credential(KEYS.secret_key, ALICE)

    wire = Wire(Sessions(), "eu-west-1", ("localhost",))
    request = AWSRequest("GET", "http://localhost/bucket/key", {"Host": "localhost"})
    S3SigV4QueryAuth(BotoCredentials(KEYS.access_key, KEYS.secret_key, "TOKEN"), "s3", "eu-west-1", 60).add_auth(
        request
    )
    assert receive(raw(request), wire).call.principal == ALICE
    assert seen == ["TOKEN"]
    assert refused(with_headers(get(), {"x-amz-security-token": "STOLEN"}), wire).error.code == "AccessDenied"


def test_an_unsigned_request_is_nobodys() -> None:
    call = receive(raw(AWSRequest("GET", "http://localhost/bucket/key", {"Host": "localhost"}))).call
    assert call.principal.type is PrincipalType.ANONYMOUS
    assert (call.service, call.operation) == ("s3", "GetObject")


def test_a_body_from_nobody_is_small() -> None:
    request = raw(AWSRequest("POST", "http://localhost/", {**FORM, "Host": "localhost"}, b"Action=" + b"x" * (1 << 20)))
    assert refused(request).error.code == "RequestEntityTooLarge"


class _Broken:
    def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
        raise RuntimeError("the key store is on fire, and the text says where")


def test_a_request_that_breaks_us_is_still_an_attempt_with_a_name_and_tells_nothing() -> None:
    wire = Wire(_Broken(), "eu-west-1", ("localhost",))
    found = refused(athena(), wire)
    assert (found.service, found.operation) == ("athena", "ListWorkGroups")
    assert found.attempt.principal.access_key_id == KEYS.access_key
    answer = wire.respond_error(athena(), found.service, found.operation, found.error)
    assert answer.status == 500
    assert isinstance(answer.body, bytes)
    assert b"fire" not in answer.body
