"""Browser uploads: boto3's presigned POST, and everything that a form may try beyond what was signed."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from urllib3 import encode_multipart_formdata

from tests.e2e.conftest import Lake

MIB = 1 << 20


def signer(lake: Lake, keys: Mapping[str, str] | None = None) -> Any:
    held = keys or lake.server.administrator
    return boto3.client(
        "s3", endpoint_url=lake.server.endpoint, region_name=lake.server.administrator["Region"],
        aws_access_key_id=held["AccessKeyId"], aws_secret_access_key=held["SecretAccessKey"],
        aws_session_token=held.get("SessionToken"),
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def s3(lake: Lake) -> Any:
    found = signer(lake)
    found.create_bucket(Bucket="forms")
    return found


class Stay(urllib.request.HTTPRedirectHandler):
    """Redirections are answers."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(
    url: str, fields: Mapping[str, str], content: bytes, name: str = "f.txt"
) -> tuple[int, str, Mapping[str, str]]:
    body, kind = encode_multipart_formdata([*fields.items(), ("file", (name, content))])
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method="POST")
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_a_form_uploads_what_was_signed(s3: Any, lake: Lake) -> None:
    fields = {"Content-Type": "text/plain", "x-amz-meta-who": "me", "acl": "private"}
    signed = s3.generate_presigned_post(
        "forms", "in/${filename}", Fields=fields,
        Conditions=[{"acl": "private"}, ["starts-with", "$Content-Type", "text/"], {"x-amz-meta-who": "me"},
                    ["content-length-range", 1, 3 * MIB], ["starts-with", "$x-ignore-me", ""]],
    )  # fmt: skip
    for name, content in (("a b.txt", b"one"), ("big", b"\r\n--" + bytes(2 * MIB) + b"\r\n-"), ("../../up", b"x")):
        status, text, headers = post(signed["url"], signed["fields"] | {"x-ignore-this": "y"}, content, name)
        assert (status, text) == (204, ""), text
        got = s3.get_object(Bucket="forms", Key=f"in/{name.rpartition('/')[2]}")
        assert (got["Body"].read(), got["ETag"]) == (content, headers["etag"])
        assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"who": "me"})
    assert {one["Key"] for one in s3.list_objects_v2(Bucket="forms")["Contents"]} == {"in/a b.txt", "in/big", "in/up"}


def test_the_form_says_how_it_is_answered(s3: Any) -> None:
    for status, extra in ((200, {"success_action_status": "200"}), (201, {"success_action_status": "201"})):
        signed = s3.generate_presigned_post("forms", "k", Fields=extra, Conditions=[extra])
        got, text, _ = post(signed["url"], signed["fields"], b"x")
        assert got == status
        assert ("<Key>k</Key>" in text) is (status == 201)
    to = {"success_action_redirect": "https://example.com/done?a=1"}
    signed = s3.generate_presigned_post("forms", "k", Fields=to, Conditions=[to])
    got, _, headers = post(signed["url"], signed["fields"], b"x")
    assert got == 303
    assert headers["location"].startswith("https://example.com/done?a=1&bucket=forms&key=k&etag=")
    for bad in ("javascript:alert(1)", "//example.com", "https://x\r\nX-Evil: 1"):
        to = {"success_action_redirect": bad}
        signed = s3.generate_presigned_post("forms", "k", Fields=to, Conditions=[to])
        got, _, headers = post(signed["url"], signed["fields"], b"x")
        assert (got, "x-evil" in headers) == (204, False)


def test_nothing_beyond_what_was_signed(s3: Any, lake: Lake) -> None:
    signed = s3.generate_presigned_post(
        "forms", "mine/k", Conditions=[["starts-with", "$key", "mine/"], ["content-length-range", 2, 10]]
    )
    url, fields = signed["url"], signed["fields"]
    other = s3.generate_presigned_post("forms", "theirs/k")["fields"]
    policy = json.loads(base64.b64decode(fields["policy"]))
    s3.create_bucket(Bucket="forms-other")

    def changed(**values: Any) -> str:
        return base64.b64encode(json.dumps(policy | values).encode()).decode()

    for why, tried, content in (
        ("another key", {"key": "theirs/k"}, b"xxx"),
        ("another policy", {"policy": other["policy"]}, b"xxx"),
        ("another signature", {"x-amz-signature": other["x-amz-signature"]}, b"xxx"),
        ("a policy of one's own", {"policy": changed(conditions=[])}, b"xxx"),
        ("a longer life", {"policy": changed(expiration="2999-01-01T00:00:00Z")}, b"xxx"),
        ("a field more", {"x-amz-meta-a": "1"}, b"xxx"),
        ("a redirection", {"success_action_redirect": "https://example.com"}, b"xxx"),
        ("a type", {"Content-Type": "text/html"}, b"xxx"),
        ("somebody else's key", {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE" + fields["x-amz-credential"][20:]}, b"xxx"),
        ("another day", {"x-amz-date": "20200101T000000Z"}, b"xxx"),
        ("a token", {"x-amz-security-token": "x"}, b"xxx"),
        ("too much", {}, b"x" * 11),
        ("too little", {}, b"x"),
    ):
        status, text, _ = post(url, fields | tried, content)
        assert 400 <= status < 404, (why, status, text)
    status, text, _ = post(url.replace("/forms", "/forms-other"), fields, b"xxx")
    assert (status, "Policy Condition failed" in text) == (403, True)
    for left_out in ("policy", "x-amz-signature", "x-amz-credential", "key"):
        status, text, _ = post(url, {name: value for name, value in fields.items() if name != left_out}, b"xxx")
        assert status == 400, (left_out, text)
    assert post(url, {"key": "mine/anonymous"}, b"xxx")[0] == 403
    refused = {"x-amz-server-side-encryption": "AES256"}
    encrypted = s3.generate_presigned_post("forms", "e", Fields=refused, Conditions=[refused])
    assert post(encrypted["url"], encrypted["fields"], b"x")[0] == 501
    found = s3.list_objects_v2(Bucket="forms", Prefix="mine/")
    assert found["KeyCount"] == s3.list_objects_v2(Bucket="forms-other")["KeyCount"] == 0
    # The form itself was good.
    assert post(url, fields, b"xxx")[0] == 204


def test_a_form_is_worth_what_its_signer_may(s3: Any, lake: Lake) -> None:
    iam = lake.client("admin", "iam")
    iam.create_user(UserName="poster")
    keys = iam.create_access_key(UserName="poster")["AccessKey"]
    theirs = signer(lake, keys)
    signed = theirs.generate_presigned_post("forms", "p/k")
    assert post(signed["url"], signed["fields"], b"x")[0] == 403
    allow = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::forms/p/*",
         "Condition": {"StringEquals": {"s3:authType": "POST"}}}]}  # fmt: skip
    iam.put_user_policy(UserName="poster", PolicyName="p", PolicyDocument=json.dumps(allow))
    assert post(signed["url"], signed["fields"], b"x")[0] == 204
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.put_object(Bucket="forms", Key="p/k", Body=b"y")
    outside = theirs.generate_presigned_post("forms", "q/k")
    assert post(outside["url"], outside["fields"], b"x")[0] == 403
    # A session's token is part of the form, and of what was signed.
    session = signer(lake, signer_session(lake))
    form = session.generate_presigned_post("forms", "s/k")
    assert post(form["url"], form["fields"], b"x")[0] == 204
    without = {name: value for name, value in form["fields"].items() if name != "x-amz-security-token"}
    assert post(form["url"], without, b"x")[0] == 403
    iam.delete_user_policy(UserName="poster", PolicyName="p")
    assert post(signed["url"], signed["fields"], b"x")[0] == 403


def signer_session(lake: Lake) -> Mapping[str, str]:
    keys: Mapping[str, str] = lake.client("admin", "sts").get_session_token()["Credentials"]
    return keys


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b--\r\n",
        b"xx--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk',
        b"--b\r\nContent-Disposition: form-data\r\n\r\nk\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--b\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 100_000,
        b"--b\r\nContent-Disposition: " + b"a" * 100_000,
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n' * 2,
    ],
)
def test_what_is_no_form_is_refused(s3: Any, lake: Lake, body: bytes) -> None:
    request = urllib.request.Request(
        f"{lake.server.endpoint}/forms", body, {"Content-Type": "multipart/form-data; boundary=b"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    assert caught.value.code in {400, 403}
    assert b"<Code>" in caught.value.read()


def test_a_policy_expires(s3: Any, lake: Lake) -> None:
    """The signer chooses the end; what is signed with a good key and over stays over."""
    from lakewarden.wire import post_policy
    from lakewarden.wire.errors import AccessDeniedByPolicy, InvalidPolicyDocument

    now = datetime.now(UTC)

    def check(document: Any, fields: Mapping[str, str]) -> None:
        text = base64.b64encode(json.dumps(document).encode()).decode()
        post_policy.check(text, fields, "b", now)

    good = {"expiration": (now + timedelta(minutes=1)).isoformat(), "conditions": [["eq", "$key", "k"]]}
    check(good, {"key": "k"})
    for late in (now - timedelta(seconds=1), now):
        with pytest.raises(AccessDeniedByPolicy):
            check(good | {"expiration": late.isoformat()}, {"key": "k"})
    bad: Mapping[str, Any]
    for bad in (
        {"expiration": "tomorrow"}, {"expiration": None}, {"conditions": "all"}, {"conditions": [["like", "$key", "k"]]},
        {"conditions": [["eq", "key", "k"]]}, {"conditions": [["eq", "$key", 1]]}, {"conditions": [[]]},
        {"conditions": [["content-length-range", "a", 1]]}, {"conditions": [["eq", "$key"]]}, {"conditions": [None]},
    ):  # fmt: skip
        with pytest.raises(InvalidPolicyDocument):
            check(good | bad, {"key": "k"})
