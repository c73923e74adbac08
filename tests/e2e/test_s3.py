"""The S3 gateway with stock boto3."""

import base64
import hashlib
import io
import json
import zlib
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.e2e.conftest import Lake

MIB = 1 << 20
KINDS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


@pytest.fixture(scope="module")
def s3(lake: Lake) -> Any:
    return lake.client("admin", "s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="gateway")
    return "gateway"


def code(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    "key",
    ["plain", "a/b", "a", "..", "../../etc/passwd", "a//b", "/", "//", ".", "ü ☃/+&%25=?#'\"<>", "x" * 1024, "a/"],
)
def test_any_key_is_stored_faithfully(s3: Any, bucket: str, key: str) -> None:
    body = key.encode()[:100] + b"!"
    put = s3.put_object(
        Bucket=bucket, Key=key, Body=body, ContentType="text/x", Metadata={"name": "Gruesse", "a": "1"},
        CacheControl="no-cache", ContentDisposition="inline", ContentLanguage="de", ContentEncoding="identity",
    )  # fmt: skip
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == ("text/x", "no-cache", "inline")
    assert got["Metadata"] == {"name": "Gruesse", "a": "1"}
    assert key in {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    s3.delete_object(Bucket=bucket, Key=key)
    assert code(s3.get_object, Bucket=bucket, Key=key) == "NoSuchKey"


def test_keys_have_at_most_1024_bytes(s3: Any, bucket: str) -> None:
    assert code(s3.put_object, Bucket=bucket, Key="ü" * 513, Body=b"") == "KeyTooLongError"


@pytest.mark.parametrize("size", [0, 1, 300_000, 9 * MIB])
@pytest.mark.parametrize("kind", KINDS)
def test_every_checksum_is_kept_and_returned(s3: Any, bucket: str, kind: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    put = s3.put_object(Bucket=bucket, Key="sum", Body=body, ChecksumAlgorithm=kind)
    got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
    assert got["Body"].read() == body  # boto3 verifies what it knows
    assert got[f"Checksum{kind}"] == put[f"Checksum{kind}"]
    assert got["ChecksumType"] == "FULL_OBJECT"
    part = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED", Range="bytes=0-0") if size else {}
    assert f"Checksum{kind}" not in part
    held = s3.get_object_attributes(Bucket=bucket, Key="sum", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert held["ObjectSize"] == size
    assert held["Checksum"][f"Checksum{kind}"] == put[f"Checksum{kind}"]


def test_a_wrong_checksum_stores_nothing(s3: Any, bucket: str) -> None:
    wrong = base64.b64encode(zlib.crc32(b"else").to_bytes(4, "big")).decode()
    assert code(s3.put_object, Bucket=bucket, Key="bad", Body=b"body", ChecksumCRC32=wrong) == "BadDigest"
    assert code(s3.head_object, Bucket=bucket, Key="bad") == "404"


def test_ranges(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789")
    for header, content, where in (
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
    ):
        got = s3.get_object(Bucket=bucket, Key="r", Range=header)
        assert (got["Body"].read(), got["ContentRange"]) == (content, where)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert code(s3.get_object, Bucket=bucket, Key="r", Range="bytes=10-") == "InvalidRange"
    assert s3.get_object(Bucket=bucket, Key="r", Range="bytes=4-2")["Body"].read() == b"0123456789"


def test_conditions(s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key="c")
    tag = s3.put_object(Bucket=bucket, Key="c", Body=b"one", IfNoneMatch="*")["ETag"]
    assert code(s3.put_object, Bucket=bucket, Key="c", Body=b"two", IfNoneMatch="*") == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="c", Body=b"two", IfMatch='"0"') == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="absent", Body=b"two", IfMatch=tag) == "NoSuchKey"
    assert code(s3.get_object, Bucket=bucket, Key="c", IfNoneMatch=tag) == "304"
    assert code(s3.get_object, Bucket=bucket, Key="c", IfMatch='"0"') == "PreconditionFailed"
    assert code(s3.delete_object, Bucket=bucket, Key="c", IfMatch='"0"') == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="c", Body=b"two", IfMatch=tag)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"two"


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_multipart(s3: Any, bucket: str, kind: str | None) -> None:
    extra = {"ChecksumAlgorithm": kind} if kind else {}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", Metadata={"a": "b"}, **extra)["UploadId"]
    bodies = {1: b"a" * (5 * MIB), 7: b"b" * (5 * MIB), 8: b"end"}
    parts = []
    for number in (8, 1, 7):
        sent = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=bodies[number], **extra)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        if kind:
            parts[-1][f"Checksum{kind}"] = sent[f"Checksum{kind}"]
    listed = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload, MaxParts=2)
    assert [one["PartNumber"] for one in listed["Parts"]] == [1, 7]
    assert listed["IsTruncated"]
    assert upload in {one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    ask: dict[str, Any] = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    complete = s3.complete_multipart_upload
    assert code(complete, **ask, MultipartUpload={"Parts": parts}) == "InvalidPartOrder"
    parts.sort(key=lambda one: one["PartNumber"])
    wrong = [{**parts[0], "ETag": '"0"'}, *parts[1:]]
    assert code(complete, **ask, MultipartUpload={"Parts": wrong}) == "InvalidPart"
    done = complete(**ask, MultipartUpload={"Parts": parts})
    again = complete(**ask, MultipartUpload={"Parts": parts})
    assert done["ETag"] == again["ETag"]
    assert done["ETag"].endswith('-3"')
    whole = b"".join(bodies[number] for number in (1, 7, 8))
    got = s3.get_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")
    assert got["Body"].read() == whole
    assert got["Metadata"] == {"a": "b"}
    assert got["ChecksumType"] == ("FULL_OBJECT" if kind in {None, "CRC64NVME"} else "COMPOSITE")
    second = s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (bodies[7], 3)
    held = s3.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=["ObjectParts", "Checksum"])
    assert held["ObjectParts"]["TotalPartsCount"] == 3
    assert code(s3.list_parts, Bucket=bucket, Key="m", UploadId=upload) == "NoSuchUpload"


def test_multipart_full_object_crc32(s3: Any, bucket: str) -> None:
    body = b"z" * (11 * MIB)
    expected = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    upload = s3.create_multipart_upload(Bucket=bucket, Key="f", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")[
        "UploadId"
    ]
    parts = []
    for number in (1, 2):
        piece = body[: 6 * MIB] if number == 1 else body[6 * MIB :]
        sent = s3.upload_part(Bucket=bucket, Key="f", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]})
    ask: dict[str, Any] = {"Bucket": bucket, "Key": "f", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert code(s3.complete_multipart_upload, **ask, ChecksumCRC32="AAAAAA==") == "BadDigest"
    assert code(s3.complete_multipart_upload, **ask, MpuObjectSize=5) == "InvalidRequest"
    done = s3.complete_multipart_upload(**ask, ChecksumCRC32=expected, MpuObjectSize=len(body))
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (expected, "FULL_OBJECT")


def test_small_parts_and_aborted_uploads(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="s")["UploadId"]
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(Bucket=bucket, Key="s", UploadId=upload, PartNumber=n, Body=b"x")["ETag"],
        }
        for n in (1, 2)
    ]
    ask: dict[str, Any] = {"Bucket": bucket, "Key": "s", "UploadId": upload}
    assert code(s3.complete_multipart_upload, **ask, MultipartUpload={"Parts": parts}) == "EntityTooSmall"
    assert code(s3.upload_part, Bucket=bucket, Key="other", UploadId=upload, PartNumber=1, Body=b"") == "NoSuchUpload"
    assert code(s3.upload_part, **ask, PartNumber=10_001, Body=b"") == "InvalidArgument"
    s3.abort_multipart_upload(**ask)
    assert code(s3.abort_multipart_upload, **ask) == "NoSuchUpload"
    assert code(s3.upload_part, **ask, PartNumber=1, Body=b"") == "NoSuchUpload"


def test_upload_part_copy_and_managed_transfers(s3: Any, bucket: str) -> None:
    body = bytes(range(256)) * (12 * MIB // 256)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config)
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied", Config=config)
    target = io.BytesIO()
    s3.download_fileobj(bucket, "copied", target, Config=config)
    assert target.getvalue() == body
    upload = s3.create_multipart_upload(Bucket=bucket, Key="x")["UploadId"]
    ask: dict[str, Any] = {
        "Bucket": bucket,
        "Key": "x",
        "UploadId": upload,
        "PartNumber": 1,
        "CopySource": f"{bucket}/big",
    }
    assert code(s3.upload_part_copy, **ask, CopySourceRange=f"bytes=0-{len(body)}") == "InvalidArgument"
    s3.upload_part_copy(**ask, CopySourceRange="bytes=10-19")
    assert s3.list_parts(Bucket=bucket, Key="x", UploadId=upload)["Parts"][0]["Size"] == 10
    s3.abort_multipart_upload(Bucket=bucket, Key="x", UploadId=upload)


def test_copies(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body=b"body", Metadata={"a": "1"}, Tagging="t=1", ContentType="text/a")
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"a": "1"}, "text/a", 1)
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"},
        TaggingDirective="REPLACE", Tagging="", ChecksumAlgorithm="SHA256",
    )  # fmt: skip
    head = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert head["Metadata"] == {"b": "2"}
    assert head["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    assert code(s3.copy_object, Bucket=bucket, Key="from", CopySource=source) == "InvalidRequest"
    assert (
        code(s3.copy_object, Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch='"0"')
        == "PreconditionFailed"
    )
    assert code(s3.copy_object, Bucket=bucket, Key="to", CopySource=f"{bucket}/none") == "NoSuchKey"


def test_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="t", Body=b"", Tagging="a=1&b=x%20y")
    ask = {"Bucket": bucket, "Key": "t"}
    assert s3.get_object_tagging(**ask)["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"}]
    s3.put_object_tagging(**ask, Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert s3.get_object_tagging(**ask)["TagSet"] == [{"Key": "c", "Value": ""}]
    s3.delete_object_tagging(**ask)
    assert s3.get_object_tagging(**ask)["TagSet"] == []
    many = "&".join(f"k{number}=v" for number in range(11))
    assert code(s3.put_object, **ask, Body=b"", Tagging=many) == "BadRequest"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "ü"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "ü"}]
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


def test_listings(s3: Any) -> None:
    s3.create_bucket(Bucket="listed", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert s3.get_bucket_location(Bucket="listed")["LocationConstraint"] == "eu-central-1"
    keys = sorted(["a", "a/", "a/1", "a/2", "a//3", "b/1", "c", "ü", "☃/x"], key=str.encode)
    for key in keys:
        s3.put_object(Bucket="listed", Key=key, Body=b"1")
    for name in ("list_objects", "list_objects_v2"):
        for size in (1, 2, 3, 100):
            pages = list(s3.get_paginator(name).paginate(Bucket="listed", PaginationConfig={"PageSize": size}))
            assert [one["Key"] for page in pages for one in page["Contents"]] == keys
            pages = list(
                s3.get_paginator(name).paginate(Bucket="listed", Delimiter="/", PaginationConfig={"PageSize": size})
            )
            assert [one["Key"] for page in pages for one in page.get("Contents", [])] == ["a", "c", "ü"]
            assert [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])] == ["a/", "b/", "☃/"]
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket="listed", PaginationConfig={"PageSize": 2}))
    assert [(one["Key"], one["VersionId"]) for page in pages for one in page["Versions"]] == [(k, "null") for k in keys]
    after = s3.list_objects_v2(Bucket="listed", StartAfter="a/2", Prefix="")
    assert [one["Key"] for one in after["Contents"]] == [key for key in keys if key.encode() > b"a/2"]
    assert s3.list_objects_v2(Bucket="listed", MaxKeys=0)["KeyCount"] == 0
    assert code(s3.list_objects_v2, Bucket="listed", ContinuationToken="!") == "InvalidArgument"
    assert code(s3.delete_bucket, Bucket="listed") == "BucketNotEmpty"
    gone = s3.delete_objects(Bucket="listed", Delete={"Objects": [{"Key": key} for key in keys]})
    assert {one["Key"] for one in gone["Deleted"]} == set(keys)
    s3.delete_bucket(Bucket="listed")
    assert code(s3.head_bucket, Bucket="listed") == "404"


def test_what_no_bucket_has_is_absent_and_what_is_not_kept_is_refused(s3: Any, bucket: str) -> None:
    assert code(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    assert code(s3.get_bucket_encryption, Bucket=bucket) == "ServerSideEncryptionConfigurationNotFoundError"
    assert code(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    move = {"ID": "m", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    put = s3.put_bucket_lifecycle_configuration
    assert code(put, Bucket=bucket, LifecycleConfiguration={"Rules": [move]}) == "NotImplemented"
    assert code(s3.get_bucket_website, Bucket=bucket) == "NoSuchWebsiteConfiguration"
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read") == "AccessControlListNotSupported"
    assert code(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="AES256") == "NotImplemented"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER") == "InvalidStorageClass"
    assert code(s3.get_object, Bucket=bucket, Key="k", VersionId="3") in {"NoSuchKey", "NoSuchVersion"}
    assert code(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="1" * 12) == "403"
    rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rule)


def test_life_cycle_rules(s3: Any, bucket: str) -> None:
    rules = [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 30}},
        {"ID": "parts", "Status": "Enabled", "Filter": {"Prefix": ""},
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ]  # fmt: skip
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    empty: dict[str, Any] = {"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {}}]}
    assert code(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=empty) == "InvalidRequest"
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert code(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


def test_public_access_block(s3: Any, bucket: str, lake: Lake) -> None:
    import urllib.error
    import urllib.request

    public = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}
    ]})  # fmt: skip
    s3.put_object(Bucket=bucket, Key="open/1", Body=b"for all")
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=public) == "AccessDenied"
    off = {"BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=off)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    url = f"{lake.server.endpoint}/{bucket}/open/1"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)
    s3.delete_public_access_block(Bucket=bucket)
    assert code(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"for all"
    s3.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)


def test_a_page_among_the_objects_is_no_page_of_the_console(s3: Any, bucket: str) -> None:
    """Objects share their origin with the console: a browser must give them another one."""
    s3.put_object(Bucket=bucket, Key="evil.html", Body=b"<script>fetch('/_console')</script>", ContentType="text/html")
    s3.put_object(Bucket=bucket, Key="large.html", Body=b" " * MIB, ContentType="text/html")
    for key in ("evil.html", "large.html"):
        headers = s3.get_object(Bucket=bucket, Key=key, ResponseContentType="text/html")["ResponseMetadata"][
            "HTTPHeaders"
        ]
        assert headers["content-security-policy"].split(";")[0] == "sandbox"
        assert headers["x-content-type-options"] == "nosniff"


def test_object_tags_decide(s3: Any, bucket: str, lake: Lake) -> None:
    iam = lake.client("admin", "iam")
    iam.create_user(UserName="tagged")
    keys = iam.create_access_key(UserName="tagged")["AccessKey"]
    thing = f"arn:aws:s3:::{bucket}/tags/*"
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": thing,
         "Condition": {"StringEquals": {"s3:ExistingObjectTag/class": "open"}}},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": thing,
         "Condition": {"StringEquals": {"s3:RequestObjectTag/class": "open"}}}]}  # fmt: skip
    iam.put_user_policy(UserName="tagged", PolicyName="p", PolicyDocument=json.dumps(policy))
    theirs = boto3.client(
        "s3", endpoint_url=lake.server.endpoint, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )  # fmt: skip
    s3.put_object(Bucket=bucket, Key="tags/1", Body=b"1", Tagging="class=open")
    s3.put_object(Bucket=bucket, Key="tags/2", Body=b"2", Tagging="class=secret")
    assert theirs.get_object(Bucket=bucket, Key="tags/1")["Body"].read() == b"1"
    assert code(theirs.get_object, Bucket=bucket, Key="tags/2") == "AccessDenied"
    assert code(theirs.get_object, Bucket=bucket, Key="tags/none") == "AccessDenied"
    s3.put_object_tagging(Bucket=bucket, Key="tags/1", Tagging={"TagSet": [{"Key": "class", "Value": "secret"}]})
    assert code(theirs.get_object, Bucket=bucket, Key="tags/1") == "AccessDenied"
    theirs.put_object(Bucket=bucket, Key="tags/3", Body=b"3", Tagging="class=open")
    assert code(theirs.put_object, Bucket=bucket, Key="tags/4", Body=b"4") == "AccessDenied"
    assert code(theirs.put_object, Bucket=bucket, Key="tags/4", Body=b"4", Tagging="class=secret") == "AccessDenied"
    source = f"{bucket}/tags/2"
    assert (
        code(theirs.copy_object, Bucket=bucket, Key="tags/5", CopySource=source, Tagging="class=open") == "AccessDenied"
    )
