"""Versioned buckets with stock boto3: nothing is lost, everything is listed, each version is guarded by itself."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake

MIB = 1 << 20


@pytest.fixture(scope="module")
def s3(lake: Lake) -> Any:
    return lake.client("admin", "s3")


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"v-{abs(hash(request.node.name)) % 10**9}"
    s3.create_bucket(Bucket=name)
    switch(s3, name, "Enabled")
    yield name
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=name)


def switch(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def code(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def put(s3: Any, bucket: str, key: str, body: bytes) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId"))


def read(s3: Any, bucket: str, key: str, version: str = "") -> bytes:
    extra = {"VersionId": version} if version else {}
    body: bytes = s3.get_object(Bucket=bucket, Key=key, **extra)["Body"].read()
    return body


def history(s3: Any, bucket: str, size: int = 1000, **ask: Any) -> list[tuple[str, str, bool, bool]]:
    """Key, version id, whether it is a marker, whether it is the latest: in the order of the answer's pages."""
    found = []
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **ask)
    for page in pages:
        for name, marker in (("Versions", False), ("DeleteMarkers", True)):
            found += [(one["Key"], one["VersionId"], marker, one["IsLatest"]) for one in page.get(name, [])]
    return found


def test_what_is_replaced_or_deleted_stays(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    first, second = put(s3, bucket, "k", b"1"), put(s3, bucket, "k", b"2")
    assert len({first, second, "null"}) == 3
    assert (read(s3, bucket, "k"), read(s3, bucket, "k", first)) == (b"2", b"1")
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == second
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert code(s3.get_object, Bucket=bucket, Key="k", VersionId=gone["VersionId"]) == "MethodNotAllowed"
    assert code(s3.get_object, Bucket=bucket, Key="k", VersionId="none") == "NoSuchVersion"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert sorted(history(s3, bucket)) == sorted(
        [("k", gone["VersionId"], True, True), ("k", second, False, False), ("k", first, False, False)]
    )
    assert code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    # The marker goes, the object is back; the newest version goes, the one before it is the object.
    undone = s3.delete_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    assert (undone["DeleteMarker"], read(s3, bucket, "k")) == (True, b"2")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert read(s3, bucket, "k") == b"1"
    back = s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": first})
    assert back["CopySourceVersionId"] == first != back["VersionId"]
    assert read(s3, bucket, "k", back["VersionId"]) == b"1"


def test_an_object_from_before_is_the_version_null(s3: Any, bucket: str) -> None:
    plain = f"{bucket}-plain"
    s3.create_bucket(Bucket=plain)
    assert "VersionId" not in s3.put_object(Bucket=plain, Key="k", Body=b"0")
    assert "Status" not in s3.get_bucket_versioning(Bucket=plain)
    switch(s3, plain, "Enabled")
    assert s3.head_object(Bucket=plain, Key="k")["VersionId"] == "null"
    first = put(s3, plain, "k", b"1")
    assert read(s3, plain, "k", "null") == b"0"
    # Suspended: writes make the version null, which there is once; versions with an id stay.
    switch(s3, plain, "Suspended")
    assert put(s3, plain, "k", b"2") == "null"
    assert put(s3, plain, "k", b"3") == "null"
    assert history(s3, plain) == [("k", "null", False, True), ("k", first, False, False)]
    gone = s3.delete_object(Bucket=plain, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    assert history(s3, plain) == [("k", first, False, False), ("k", "null", True, True)]
    s3.delete_object(Bucket=plain, Key="k", VersionId="null")
    assert read(s3, plain, "k") == b"1"
    s3.delete_object(Bucket=plain, Key="k", VersionId=first)
    assert code(s3.head_object, Bucket=plain, Key="k") == "404"
    s3.delete_bucket(Bucket=plain)
    assert code(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={}) == (
        "IllegalVersioningConfigurationException"
    )
    refused = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert code(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=refused, MFA="a 1") == "NotImplemented"


def test_listings_of_versions_page_in_order(s3: Any, bucket: str) -> None:
    made: list[tuple[str, str]] = []
    for key in ("a", "a/1", "a/2", "a0", "b", "ü"):
        for number in range(3):
            made.append((key, put(s3, bucket, key, b"%d" % number)))  # noqa: PERF401 - each is a call
    expected = sorted(made, key=lambda one: (one[0].encode(), -made.index(one)))
    for size in (1, 2, 4, 1000):
        found = history(s3, bucket, size)
        assert [(key, version) for key, version, _, _ in found] == expected
        assert [latest for _, _, _, latest in found] == [True, False, False] * 6
        within = history(s3, bucket, size, Delimiter="/")
        assert [(key, version) for key, version, _, _ in within] == [one for one in expected if "/" not in one[0]]
        assert [one for one in within if one[3]] == [one for one in found if one[3] and "/" not in one[0]]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": made[12][1]}]})
    by_key = {one["Key"]: one for one in gone["Deleted"]}
    assert by_key["a"]["DeleteMarker"]
    assert by_key["b"] == {"Key": "b", "VersionId": made[12][1]}
    assert code(s3.list_object_versions, Bucket=bucket, KeyMarker="a", VersionIdMarker="none") == "InvalidArgument"


def test_tags_parts_and_uploads_belong_to_their_version(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="class=secret")["UploadId"]
    ask = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**ask, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, b"p" * (5 * MIB)), (2, b"end"))
    ]
    done = s3.complete_multipart_upload(**ask, MultipartUpload={"Parts": parts})
    second = put(s3, bucket, "k", b"now")
    it = {"Bucket": bucket, "Key": "k", "VersionId": done["VersionId"]}
    assert s3.get_object(**it, PartNumber=2)["Body"].read() == b"end"
    assert s3.get_object_attributes(**it, ObjectAttributes=["ObjectParts"])["ObjectParts"]["TotalPartsCount"] == 2
    assert s3.get_object_tagging(**it)["TagSet"] == [{"Key": "class", "Value": "secret"}]
    s3.put_object_tagging(**it, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_object_tagging(**it)["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.delete_object_tagging(**it)["VersionId"] == done["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=2)["Body"].read() == b"end"


def someone(lake: Lake, name: str, *statements: Any) -> Any:
    iam = lake.client("admin", "iam")
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "s3", endpoint_url=lake.server.endpoint, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )  # fmt: skip


def test_each_version_is_guarded_by_itself(s3: Any, bucket: str, lake: Lake) -> None:
    thing = f"arn:aws:s3:::{bucket}/*"
    open_only = {"StringEquals": {"s3:ExistingObjectTag/class": "open"}}
    tagged = someone(lake, "by-tag", {"Effect": "Allow", "Action": "s3:*", "Resource": thing, "Condition": open_only})
    secret = s3.put_object(Bucket=bucket, Key="k", Body=b"s", Tagging="class=secret")["VersionId"]
    now = s3.put_object(Bucket=bucket, Key="k", Body=b"o", Tagging="class=open")["VersionId"]
    assert read(tagged, bucket, "k") == read(tagged, bucket, "k", now) == b"o"
    stolen = {"Bucket": bucket, "Key": "k", "VersionId": secret}
    assert code(tagged.get_object, **stolen) == "AccessDenied"
    assert code(tagged.get_object_tagging, **stolen) == "AccessDenied"
    assert code(tagged.put_object_tagging, **stolen, Tagging={"TagSet": []}) == "AccessDenied"
    assert code(tagged.copy_object, Bucket=bucket, Key="k", CopySource=stolen) == "AccessDenied"
    assert code(tagged.delete_object, **stolen) == "AccessDenied"
    # Who may delete but not for good, leaves a marker and cannot take it away.
    plain = someone(
        lake, "no-versions",
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:DeleteObject", "s3:PutObject", "s3:PutObjectTagging"],
         "Resource": thing},
    )  # fmt: skip
    marker = plain.delete_object(Bucket=bucket, Key="k")["VersionId"]
    for version in (secret, now, marker):
        assert code(plain.get_object, Bucket=bucket, Key="k", VersionId=version) == "AccessDenied"
        assert code(plain.delete_object, Bucket=bucket, Key="k", VersionId=version) == "AccessDenied"
        source = {"Bucket": bucket, "Key": "k", "VersionId": version}
        assert code(plain.copy_object, Bucket=bucket, Key="x", CopySource=source) == "AccessDenied"
        gone = plain.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
        assert [one["Code"] for one in gone["Errors"]] == ["AccessDenied"]
    assert code(plain.list_object_versions, Bucket=bucket) == "AccessDenied"
    assert code(plain.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}) == (
        "AccessDenied"
    )


def test_anothers_result_is_as_private_when_it_was_deleted(lake: Lake) -> None:
    """non_interference: markers and older versions of a private result show nothing to others."""
    admin, iam = lake.client("admin", "s3"), lake.client("admin", "iam")
    role = f"SageMakerStudioExecutionRole_{LIMITED}"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    for name in (role, f"SageMakerStudioExecutionRole_{FULL}"):
        iam.put_role_policy(RoleName=name, PolicyName="all-s3", PolicyDocument=json.dumps(everything))
    switch(admin, lake.results, "Enabled")
    try:
        ran = lake.query(FULL, f"SELECT * FROM {lake.dataset.table} LIMIT 2")
        key = ran.execution["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{lake.results}/")
        mine, theirs = lake.client(FULL, "s3"), lake.client(LIMITED, "s3")
        version = mine.head_object(Bucket=lake.results, Key=key)["VersionId"]
        marker = mine.delete_object(Bucket=lake.results, Key=key)["VersionId"]
        assert {one[1] for one in history(mine, lake.results, Prefix=key)} >= {version, marker}
        assert history(theirs, lake.results, Prefix=key.removesuffix(".csv")) == []
        for one in (version, marker):
            it = {"Bucket": lake.results, "Key": key, "VersionId": one}
            for call in (theirs.get_object, theirs.head_object, theirs.delete_object, theirs.get_object_tagging):
                assert code(call, **it) in {"AccessDenied", "403"}, call
            assert code(theirs.copy_object, Bucket=lake.results, Key="stolen", CopySource=it) == "AccessDenied"
        with pytest.raises(ClientError) as caught:
            theirs.get_object(Bucket=lake.results, Key=key)
        assert "x-amz-delete-marker" not in caught.value.response["ResponseMetadata"]["HTTPHeaders"]
        mine.delete_object(Bucket=lake.results, Key=key, VersionId=marker)
        assert mine.get_object(Bucket=lake.results, Key=key)["Body"].read()
    finally:
        switch(admin, lake.results, "Suspended")
        for name in (role, f"SageMakerStudioExecutionRole_{FULL}"):
            iam.delete_role_policy(RoleName=name, PolicyName="all-s3")
