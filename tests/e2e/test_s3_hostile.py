"""What a signed request may say to reach another key or bucket, or to break an answer. Every request is truly signed."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.conftest import Lake
from tests.e2e.servers import say


class Attacker:
    """A user with all rights on the bucket ``hostile`` and none elsewhere, who signs whatever he likes."""

    def __init__(self, lake: Lake) -> None:
        self.endpoint = lake.server.endpoint
        self.host = self.endpoint.removeprefix("http://")
        iam = lake.client("admin", "iam")
        iam.create_user(UserName="hostile")
        resources = ["arn:aws:s3:::hostile", "arn:aws:s3:::hostile/*"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": resources}]}
        iam.put_user_policy(UserName="hostile", PolicyName="p", PolicyDocument=json.dumps(policy))
        self.keys = iam.create_access_key(UserName="hostile")["AccessKey"]

    def send(
        self, method: str, path: str, query: str = "", signed_path: str = "", body: bytes | None = None,
        unsigned: bytes = b"", **headers: str,
    ) -> tuple[int, bytes, bytes]:  # fmt: skip
        """Status, head and body; ``signed_path`` is the canonical path where it is not ``path`` itself."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        fields = {"host": self.host, "x-amz-date": stamp, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        names = sorted(fields)
        listed = "".join(f"{name}:{fields[name]}\n" for name in names)
        canonical = "\n".join([method, signed_path or path, query, listed, ";".join(names), "UNSIGNED-PAYLOAD"])
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.keys['SecretAccessKey']}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        fields["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.keys['AccessKeyId']}/{scope}, SignedHeaders={';'.join(names)}, "
            f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
        )
        if body is not None:
            fields["content-length"] = str(len(body))
        head = f"{method} {path}{'?' if query else ''}{query} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "Connection: close\r\n"
        answer = say(self.endpoint, head.encode() + unsigned + b"\r\n" + (body or b""))
        first, _, rest = answer.partition(b"\r\n\r\n")
        assert first, "the connection was dropped without an answer"
        return int(first.split()[1]), first, rest


@pytest.fixture(scope="module")
def attacker(lake: Lake) -> Attacker:
    s3 = lake.client("admin", "s3")
    for bucket in ("hostile", "hidden"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="hidden", Key="s", Body=b"SECRET")
    for key, body in (("p", b"public"), ("a b", b"space"), ("a+b", b"plus"), ("a%20b", b"percent")):
        s3.put_object(Bucket="hostile", Key=key, Body=body)
    return Attacker(lake)


@pytest.mark.parametrize(
    ("path", "signed", "body"),
    [
        ("/hostile/a+b", "/hostile/a%2Bb", b"plus"),
        ("/hostile/a%2Bb", "", b"plus"),
        ("/hostile/a%20b", "", b"space"),
        ("/hostile/a%2520b", "", b"percent"),
        ("/hostile/%70", "/hostile/p", b"public"),
    ],
)
def test_the_key_that_is_signed_is_the_key_that_is_read(
    attacker: Attacker, path: str, signed: str, body: bytes
) -> None:
    assert attacker.send("GET", path, signed_path=signed)[::2] == (200, body)


@pytest.mark.parametrize(
    ("path", "signed"),
    [
        ("/hostile/../hidden/s", ""),
        ("/hostile/%2e%2e/hidden/s", "/hostile/../hidden/s"),
        ("/hostile%2f..%2fhidden/s", "/hostile/../hidden/s"),
        ("/hostile/./../hidden/s", ""),
        ("//hidden/s", ""),
        ("/hidden%2Fs", "/hidden/s"),
        ("/hostile/a%00b", ""),
        ("/hostile/%ED%A0%80", ""),
        ("/hostile/%FF", ""),
        ("/HIDDEN/s", ""),
    ],
)
def test_no_path_leads_elsewhere(attacker: Attacker, path: str, signed: str) -> None:
    status, _, body = attacker.send("GET", path, signed_path=signed)
    assert status in {400, 403, 404, 405}
    assert b"SECRET" not in body


@pytest.mark.parametrize(
    "source",
    [
        "hidden/s", "/hidden/s", "hidden/s?versionId=null", "/hostile/../hidden/s", "hostile%2F..%2Fhidden%2Fs",
        "%68idden/s", "/hidden%252Fs", "/hidden/s%00", "arn:aws:s3:::hidden/s", "/hostile/p?versionId=../../hidden/s",
        "arn:aws:s3:us-east-1:1:accesspoint/a/object/s",
    ],
)  # fmt: skip
def test_no_copy_source_leads_elsewhere(attacker: Attacker, lake: Lake, source: str) -> None:
    status, _, body = attacker.send("PUT", "/hostile/stolen", body=b"", x_amz_copy_source=source)
    assert status in {400, 403, 404}, body
    part = attacker.send(
        "PUT", "/hostile/stolen", "partNumber=1&uploadId=x", body=b"", x_amz_copy_source=source,
        x_amz_copy_source_range="bytes=0-1",
    )  # fmt: skip
    assert part[0] in {400, 403, 404}
    listed = lake.client("admin", "s3").list_objects_v2(Bucket="hostile", Prefix="stolen")
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize("host", ["hidden.localhost", "hidden/x.localhost", "hostile/../hidden.localhost"])
def test_no_host_leads_elsewhere(attacker: Attacker, host: str) -> None:
    assert b"SECRET" not in attacker.send("GET", "/s", host=host)[2]


@pytest.mark.parametrize(
    "unsigned", [b"x-amz-copy-source: /hidden/s\r\n", b"Host: hidden.localhost\r\n", b"x-amz-acl: private\r\n"]
)
def test_what_is_added_on_the_way_is_noticed(attacker: Attacker, unsigned: bytes) -> None:
    status, _, body = attacker.send("PUT", "/hostile/x", body=b"", x_amz_copy_source="/hostile/p", unsigned=unsigned)
    assert status in {400, 403}, body


@pytest.mark.parametrize(
    "query",
    [
        "response-content-type=a%0D%0AX-Evil%3A%201",
        "response-content-disposition=%01%7F%0A",
        "response-content-disposition=%E2%98%83",
        "response-cache-control=%00",
        "response-content-language=%ED%A0%80",
    ],
)
def test_no_value_breaks_an_answer(attacker: Attacker, query: str) -> None:
    status, head, _ = attacker.send("GET", "/hostile/p", query)
    assert status in {200, 400}
    assert b"\r\nx-evil" not in head.lower()


STRANGE: Mapping[str, tuple[str, str, Mapping[str, str], bytes | None]] = {
    "range beyond all": ("GET", "", {"range": "bytes=0-99999999999999999999999"}, None),
    "many ranges": ("GET", "", {"range": "bytes=0-0,1-1"}, None),
    "nothing from the end": ("GET", "", {"range": "bytes=-0"}, None),
    "part nought": ("GET", "partNumber=0", {}, None),
    "part beyond": ("GET", "partNumber=99999999999", {}, None),
    "many tags": ("GET", "", {"if-match": ",".join(['"x"'] * 5000)}, None),
    "no date": ("GET", "", {"if-modified-since": "yesterday"}, None),
    "two sub-resources": ("GET", "acl=&tagging=", {}, None),
    "tags that are none": ("PUT", "", {"x-amz-tagging": "a=%ff"}, b"x"),
    "appending": ("PUT", "", {"x-amz-write-offset-bytes": "6"}, b"x"),
    "renaming": ("PUT", "renameObject=", {"x-amz-rename-source": "hidden/s"}, b""),
    "select": ("POST", "select=&select-type=2", {}, b"<x/>"),
    "torrent": ("GET", "torrent=", {}, None),
    "another's upload": ("GET", "uploadId=%27%20OR%201%3D1", {}, None),
    "a doctype": ("PUT", "tagging=", {}, b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging/>'),
    "options": ("OPTIONS", "", {}, None),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_requests_get_an_answer_and_no_secret(attacker: Attacker, name: str) -> None:
    method, query, headers, body = STRANGE[name]
    fields: Any = {key.replace("-", "_"): value for key, value in headers.items()}
    status, _, got = attacker.send(method, "/hostile/p", query, body=body, **fields)
    assert status == 200 or 400 <= status < 500 or status == 501
    assert b"SECRET" not in got
