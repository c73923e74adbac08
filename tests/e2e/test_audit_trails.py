"""Trails with the stock AWS CLI: delivery, digests, ``validate-logs``, and what happens to who tampers."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, initialise, serving

TRAIL = "governance"
BUCKET = "trail-bucket"


class Account:
    """A server and its administrator."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.keys = server.administrator
        self.id = self.keys["AccountId"]
        self.trail_arn = f"arn:aws:cloudtrail:{self.keys['Region']}:{self.id}:trail/{TRAIL}"

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=self.keys["Region"],
            aws_access_key_id=self.keys["AccessKeyId"],
            aws_secret_access_key=self.keys["SecretAccessKey"],
        )

    def aws(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_DEFAULT_REGION": self.keys["Region"], "AWS_ACCESS_KEY_ID": self.keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.keys["SecretAccessKey"],
        }  # fmt: skip
        command = [sys.executable, "-m", "awscli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def bucket_policy(self, bucket: str = BUCKET, source_arn: str = "") -> str:
        condition = {"StringEquals": {"aws:SourceArn": source_arn or self.trail_arn}}
        service = {"Service": "cloudtrail.amazonaws.com"}
        put = {"StringEquals": {**condition["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
        return json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl",
                        "Resource": f"arn:aws:s3:::{bucket}", "Condition": condition,
                    },
                    {
                        "Effect": "Allow", "Principal": service, "Action": "s3:PutObject",
                        "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/{self.id}/*", "Condition": put,
                    },
                ],
            }
        )  # fmt: skip

    def objects(self, kind: str, bucket: str = BUCKET) -> list[str]:
        pages = (
            self.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket, Prefix=f"AWSLogs/{self.id}/{kind}/")
        )
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def delivered(self, bucket: str = BUCKET) -> list[dict[str, Any]]:
        s3 = self.client("s3")
        bodies = (s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in self.objects("CloudTrail", bucket))
        return [record for body in bodies for record in json.loads(gzip.decompress(body))["Records"]]

    def await_(self, what: Callable[[], Any], seconds: float = 15) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.1)
        return found

    def validate(self) -> "subprocess.CompletedProcess[str]":
        start = (datetime.now(UTC) - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.aws(
            "cloudtrail", "validate-logs", "--trail-arn", self.trail_arn, "--start-time", start, "--verbose"
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    data = tmp_path_factory.mktemp("trails") / "data"
    administrator = initialise(data)
    with serving(data, administrator) as server:
        made = Account(server)
        s3 = made.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_policy(Bucket=BUCKET, Policy=made.bucket_policy())
        yield made


def test_a_trail_from_its_creation_to_a_deleted_digest(account: Account) -> None:
    trails, s3 = account.client("cloudtrail"), account.client("s3")
    trails.create_trail(Name=TRAIL, S3BucketName=BUCKET, EnableLogFileValidation=True)
    assert trails.get_trail_status(Name=TRAIL)["IsLogging"] is False
    trails.put_event_selectors(
        TrailName=TRAIL,
        EventSelectors=[
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": True,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::watched/"]}],
            }
        ],
    )
    trails.start_logging(Name=TRAIL)
    s3.create_bucket(Bucket="watched")
    s3.put_object(Bucket="watched", Key="seen", Body=b"1")
    account.client("iam").create_user(UserName="delivered")
    names = account.await_(lambda: {one["eventName"] for one in account.delivered()} >= {"CreateUser", "PutObject"})
    assert names
    assert trails.get_trail_status(Name=TRAIL)["IsLogging"] is True

    began = time.monotonic()
    trails.stop_logging(Name=TRAIL)
    assert trails.get_trail_status(Name=TRAIL)["IsLogging"] is False
    account.await_(lambda: account.objects("CloudTrail-Digest"), 10)
    assert time.monotonic() - began < 10
    account.client("iam").create_user(UserName="unseen")

    records = account.delivered()
    assert len({one["eventID"] for one in records}) == len(records)
    assert max(records, key=lambda one: one["eventTime"])["eventName"] == "StopLogging" or any(
        one["eventName"] == "StopLogging" for one in records
    )
    users = [one["requestParameters"]["userName"] for one in records if one["eventName"] == "CreateUser"]
    assert users == ["delivered"]
    assert all(one["eventCategory"] == "Management" or "watched" in json.dumps(one["resources"]) for one in records)

    good = account.validate()
    assert good.returncode == 0, good.stdout + good.stderr
    assert "1/1 digest files valid" in good.stdout
    assert "log files valid" in good.stdout
    assert "INVALID" not in good.stdout + good.stderr

    trails.start_logging(Name=TRAIL)
    account.client("iam").create_user(UserName="again")
    trails.stop_logging(Name=TRAIL)
    account.await_(lambda: len(account.objects("CloudTrail-Digest")) == 2, 10)
    again = account.validate()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2/2 digest files valid" in again.stdout
    _tamper(account)


def _tamper(account: Account) -> None:
    s3 = account.client("s3")
    log, digest = account.objects("CloudTrail")[0], account.objects("CloudTrail-Digest")[0]
    for key, changed in ((log, True), (log, False), (digest, True), (digest, False)):
        stored = s3.get_object(Bucket=BUCKET, Key=key)
        body = stored["Body"].read()
        if changed:
            edited = gzip.compress(gzip.decompress(body).replace(account.id.encode(), b"0" * 12))
            s3.put_object(Bucket=BUCKET, Key=key, Body=edited, Metadata=stored["Metadata"])
        else:
            s3.delete_object(Bucket=BUCKET, Key=key)
        found = account.validate()
        assert found.returncode != 0, (key, changed)
        assert "INVALID" in found.stderr, (key, changed)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=stored["Metadata"], ContentEncoding="gzip")
    assert account.validate().returncode == 0


def test_stopping_and_deleting_are_recorded_first(account: Account) -> None:
    trails, s3 = account.client("cloudtrail"), account.client("s3")
    s3.create_bucket(Bucket="short-lived")
    arn = account.trail_arn.replace(TRAIL, "short-lived")
    s3.put_bucket_policy(Bucket="short-lived", Policy=account.bucket_policy("short-lived", arn))
    trails.create_trail(Name="short-lived", S3BucketName="short-lived")
    trails.start_logging(Name="short-lived")
    trails.delete_trail(Name="short-lived")
    with pytest.raises(ClientError, match="TrailNotFound"):
        trails.get_trail(Name="short-lived")
    account.await_(lambda: "DeleteTrail" in {one["eventName"] for one in account.delivered("short-lived")})
    found = trails.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "short-lived"}])
    assert "DeleteTrail" in {one["EventName"] for one in found["Events"]}


def test_the_bucket_policy_alone_lets_cloudtrail_in(account: Account) -> None:
    trails, s3 = account.client("cloudtrail"), account.client("s3")
    s3.create_bucket(Bucket="closed-bucket")
    with pytest.raises(ClientError, match="InsufficientS3BucketPolicy"):
        trails.create_trail(Name="closed", S3BucketName="closed-bucket")
    elsewhere = account.bucket_policy("closed-bucket", account.trail_arn + "-of-another")
    s3.put_bucket_policy(Bucket="closed-bucket", Policy=elsewhere)
    with pytest.raises(ClientError, match="InsufficientS3BucketPolicy"):
        trails.create_trail(Name="closed", S3BucketName="closed-bucket")
    with pytest.raises(ClientError, match="S3BucketDoesNotExist"):
        trails.create_trail(Name="closed", S3BucketName="no-such-bucket")

    arn = account.trail_arn.replace(TRAIL, "closed")
    s3.put_bucket_policy(Bucket="closed-bucket", Policy=account.bucket_policy("closed-bucket", arn))
    trails.create_trail(Name="closed", S3BucketName="closed-bucket")
    trails.start_logging(Name="closed")
    account.await_(lambda: account.objects("CloudTrail", "closed-bucket"))
    s3.delete_bucket_policy(Bucket="closed-bucket")
    account.client("iam").create_user(UserName="held-back")
    account.await_(lambda: trails.get_trail_status(Name="closed")["LatestDeliveryError"] == "AccessDenied")
    s3.put_bucket_policy(Bucket="closed-bucket", Policy=account.bucket_policy("closed-bucket", arn))
    account.await_(
        lambda: "held-back" in json.dumps([one["requestParameters"] for one in account.delivered("closed-bucket")])
    )
    assert trails.get_trail_status(Name="closed")["LatestDeliveryError"] == ""
    trails.delete_trail(Name="closed")


def test_trails_answer_the_stock_cli(account: Account) -> None:
    def answer(*arguments: str) -> Any:
        done = account.aws("cloudtrail", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    assert answer("describe-trails")["trailList"][0]["TrailARN"] == account.trail_arn
    assert answer("list-trails")["Trails"][0]["Name"] == TRAIL
    answer("add-tags", "--resource-id", account.trail_arn, "--tags-list", "Key=a,Value=b", "Key=c,Value=d")
    answer("remove-tags", "--resource-id", account.trail_arn, "--tags-list", "Key=c")
    tags = answer("list-tags", "--resource-id-list", account.trail_arn)["ResourceTagList"][0]["TagsList"]
    assert tags == [{"Key": "a", "Value": "b"}]
    assert len(answer("list-public-keys")["PublicKeyList"]) == 1
    found = answer("lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=CreateTrail")
    assert found["Events"]
    advanced = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]
    refused = account.aws(
        "cloudtrail", "put-event-selectors", "--trail-name", TRAIL, "--advanced-event-selectors", json.dumps(advanced)
    )
    assert "InvalidEventSelectors" in refused.stderr
