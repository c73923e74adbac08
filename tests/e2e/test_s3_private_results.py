"""Curious colleagues with full rights on the results bucket try every way to another's results."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake


@dataclass(frozen=True)
class Scene:
    lake: Lake
    mine: Any
    theirs: Any
    bucket: str
    key: str
    query: str
    theirs_arn: str


@pytest.fixture
def scene(lake: Lake) -> Iterator[Scene]:
    """FULL has run a query; LIMITED, who attacks, may do everything with S3."""
    iam = lake.client("admin", "iam")
    role = f"SageMakerStudioExecutionRole_{LIMITED}"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="everything-on-s3", PolicyDocument=json.dumps(everything))
    ran = lake.query(FULL, f"SELECT * FROM {lake.dataset.table} LIMIT 3")
    output = ran.execution["ResultConfiguration"]["OutputLocation"]
    bucket, _, key = output.removeprefix("s3://").partition("/")
    arn = f"arn:aws:iam::{lake.server.administrator['AccountId']}:role/{role}"
    yield Scene(lake, lake.client(FULL, "s3"), lake.client(LIMITED, "s3"), bucket, key, ran.id, arn)
    iam.delete_role_policy(RoleName=role, PolicyName="everything-on-s3")


def denied(call: Any, **params: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] in {"AccessDenied", "403"}, caught.value


def test_the_owner_reads_it(scene: Scene) -> None:
    assert b'"' in scene.mine.get_object(Bucket=scene.bucket, Key=scene.key)["Body"].read()


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_reading_writing_and_metadata(scene: Scene, suffix: str) -> None:
    it = {"Bucket": scene.bucket, "Key": scene.key + suffix}
    s3 = scene.theirs
    denied(s3.get_object, **it)
    denied(s3.get_object, **it, Range="bytes=0-0")
    denied(s3.get_object, **it, PartNumber=1)
    denied(s3.get_object, **it, VersionId="null")
    denied(s3.get_object, **it, IfNoneMatch="*")
    denied(s3.head_object, **it)
    denied(s3.get_object_attributes, **it, ObjectAttributes=["ETag", "Checksum", "ObjectSize"])
    denied(s3.get_object_tagging, **it)
    denied(s3.put_object_tagging, **it, Tagging={"TagSet": []})
    denied(s3.delete_object_tagging, **it)
    denied(s3.get_object_acl, **it)
    denied(s3.put_object_acl, **it, ACL="private")
    denied(s3.put_object, **it, Body=b"forged")
    denied(s3.put_object, **it, Body=b"forged", IfNoneMatch="*")
    denied(s3.put_object, **it, Body=b"forged", IfMatch="*")
    denied(s3.delete_object, **it)
    denied(s3.copy_object, Bucket=scene.bucket, Key="stolen", CopySource=dict(it))
    denied(s3.copy_object, **it, CopySource=dict(it), MetadataDirective="REPLACE")
    s3.put_object(Bucket=scene.bucket, Key="own", Body=b"forged")
    denied(s3.copy_object, **it, CopySource={"Bucket": scene.bucket, "Key": "own"})
    gone = s3.delete_objects(Bucket=scene.bucket, Delete={"Objects": [{"Key": it["Key"]}]})
    assert [one["Code"] for one in gone["Errors"]] == ["AccessDenied"]
    assert scene.mine.get_object(**it)["Body"].read() != b"forged"


def test_listings_do_not_name_it(scene: Scene) -> None:
    s3 = scene.theirs
    folder = scene.key.rpartition("/")[0] + "/"
    for ask in ({"Prefix": scene.key}, {"Prefix": folder}):
        assert "Contents" not in s3.list_objects_v2(Bucket=scene.bucket, **ask)
        assert "Contents" not in s3.list_objects(Bucket=scene.bucket, **ask)
        assert "Versions" not in s3.list_object_versions(Bucket=scene.bucket, **ask)
    grouped = s3.list_objects_v2(Bucket=scene.bucket, Delimiter="/")
    assert folder not in {one["Prefix"] for one in grouped.get("CommonPrefixes", [])}
    assert not s3.list_objects_v2(Bucket=scene.bucket, Prefix=folder, MaxKeys=1)["IsTruncated"]


def test_uploads_in_parts(scene: Scene) -> None:
    s3 = scene.theirs
    source = {"Bucket": scene.bucket, "Key": scene.key}
    upload = s3.create_multipart_upload(Bucket=scene.bucket, Key="assembled")["UploadId"]
    ask = {"Bucket": scene.bucket, "Key": "assembled", "UploadId": upload, "PartNumber": 1}
    denied(s3.upload_part_copy, **ask, CopySource=source)
    denied(s3.upload_part_copy, **ask, CopySource=source, CopySourceRange="bytes=0-3")
    s3.abort_multipart_upload(Bucket=scene.bucket, Key="assembled", UploadId=upload)
    over = s3.create_multipart_upload(**source)["UploadId"]
    tag = s3.upload_part(**source, UploadId=over, PartNumber=1, Body=b"forged")["ETag"]
    denied(
        s3.complete_multipart_upload, **source, UploadId=over,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]},
    )  # fmt: skip
    s3.abort_multipart_upload(**source, UploadId=over)


def test_a_copy_of_a_private_object_is_private(scene: Scene) -> None:
    source = {"Bucket": scene.bucket, "Key": scene.key}
    scene.mine.copy_object(Bucket=scene.bucket, Key="kept/copy", CopySource=source)
    upload = scene.mine.create_multipart_upload(Bucket=scene.bucket, Key="kept/parts")["UploadId"]
    ask = {"Bucket": scene.bucket, "Key": "kept/parts", "UploadId": upload}
    part = scene.mine.upload_part_copy(**ask, PartNumber=1, CopySource=source)["CopyPartResult"]
    denied(scene.theirs.upload_part, **ask, PartNumber=2, Body=b"x")
    denied(scene.theirs.list_parts, **ask)
    denied(scene.theirs.abort_multipart_upload, **ask)
    assert "Uploads" not in scene.theirs.list_multipart_uploads(Bucket=scene.bucket, Prefix="kept/")
    scene.mine.complete_multipart_upload(**ask, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for key in ("kept/copy", "kept/parts"):
        denied(scene.theirs.get_object, Bucket=scene.bucket, Key=key)
        assert scene.mine.get_object(Bucket=scene.bucket, Key=key)["Body"].read()


def test_presigned_by_a_colleague(scene: Scene) -> None:
    import urllib.error
    import urllib.request

    from botocore.config import Config

    keys = scene.lake.credentials[LIMITED]
    import boto3

    s3 = boto3.client(
        "s3", endpoint_url=scene.lake.server.endpoint, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
        config=Config(signature_version="s3v4"),
    )  # fmt: skip
    url = s3.generate_presigned_url("get_object", Params={"Bucket": scene.bucket, "Key": scene.key})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)
    s3.put_object(Bucket=scene.bucket, Key="presigned", Body=b"fine")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": scene.bucket, "Key": "presigned"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"fine"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": scene.bucket, "Key": "put"})
    with urllib.request.urlopen(urllib.request.Request(put, data=b"by url", method="PUT")) as answer:
        assert answer.status == 200
    assert s3.get_object(Bucket=scene.bucket, Key="put")["Body"].read() == b"by url"


def test_a_bucket_policy_on_the_target_does_not_open_the_source(scene: Scene) -> None:
    admin = scene.lake.client("admin", "s3")
    admin.create_bucket(Bucket="targets")
    admits = {"Effect": "Allow", "Principal": {"AWS": scene.theirs_arn}, "Action": "s3:*"}
    policy = {"Version": "2012-10-17", "Statement": [{**admits, "Resource": "arn:aws:s3:::targets/*"}]}
    admin.put_bucket_policy(Bucket="targets", Policy=json.dumps(policy))
    source = {"Bucket": scene.bucket, "Key": scene.key}
    denied(scene.theirs.copy_object, Bucket="targets", Key="stolen", CopySource=source)


def test_a_bucket_policy_for_the_very_object_opens_it(scene: Scene) -> None:
    admin = scene.lake.client("admin", "s3")
    admits = {"Effect": "Allow", "Principal": {"AWS": scene.theirs_arn}, "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [
        {**admits, "Resource": f"arn:aws:s3:::{scene.bucket}/{scene.key}"}]}  # fmt: skip
    admin.put_bucket_policy(Bucket=scene.bucket, Policy=json.dumps(policy))
    try:
        assert scene.theirs.get_object(Bucket=scene.bucket, Key=scene.key)["Body"].read()
        denied(scene.theirs.get_object, Bucket=scene.bucket, Key=scene.key + ".metadata")
        denied(scene.theirs.put_object, Bucket=scene.bucket, Key=scene.key, Body=b"forged")
    finally:
        admin.delete_bucket_policy(Bucket=scene.bucket)
    denied(scene.theirs.get_object, Bucket=scene.bucket, Key=scene.key)


def test_athena_does_not_read_it_for_a_colleague(scene: Scene) -> None:
    with pytest.raises(ClientError):
        scene.lake.client(LIMITED, "athena").get_query_results(QueryExecutionId=scene.query)


def test_a_table_over_the_results_shows_nothing(scene: Scene) -> None:
    folder = scene.key.rpartition("/")[0]
    scene.lake.query("admin", f"CREATE EXTERNAL TABLE peeking (a string) LOCATION 's3://{scene.bucket}/{folder}/'")
    peeked = scene.lake.query("admin", "SELECT count(*) FROM peeking")
    assert peeked.state != "SUCCEEDED" or peeked.rows[1] == ["0"], peeked.rows
