"""What ``audit.json`` sets, against a real server; and that no secret of a whole run is anywhere in the trail."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, initialise, serving
from tests.authority import Authority, authority


def client(server: RunningServer, service: str) -> Any:
    keys = server.administrator
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=keys["Region"],
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )


def verify(data: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lakewarden", "audit", "verify", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def await_(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def test_second_places_lineage_and_no_secret_anywhere(tmp_path: Path) -> None:
    data, elsewhere, lineage = tmp_path / "data", tmp_path / "elsewhere", tmp_path / "lineage.json"
    administrator = initialise(data)
    with authority(tmp_path / "authority") as stamps:
        _second_places(data, elsewhere, lineage, administrator, stamps)


def _second_places(
    data: Path, elsewhere: Path, lineage: Path, administrator: Mapping[str, str], stamps: Authority
) -> None:
    settings = {
        "timestamps": {"url": stamps.url, "certificates": str(stamps.certificates)},
        "anchor_files": [str(elsewhere)],
        "anchor_bucket": "anchors",
        "openlineage": {"transport": "file", "path": str(lineage)},
    }
    (data / "audit.json").write_text(json.dumps(settings))
    secrets = {administrator["SecretAccessKey"]}
    with serving(data, administrator) as server:
        s3, iam = client(server, "s3"), client(server, "iam")
        for bucket in ("anchors", "results", "lake"):
            s3.create_bucket(Bucket=bucket)
        secrets |= _make_secrets(server, iam)
        s3.put_object(Bucket="lake", Key="t/part", Body=b"1\n2\n")
        assert _query(server, "CREATE DATABASE d") == "SUCCEEDED"
        assert _query(server, "CREATE EXTERNAL TABLE d.t (n string) LOCATION 's3://lake/t/'") == "SUCCEEDED"
        assert _query(server, "SELECT n FROM d.t") == "SUCCEEDED"
    with serving(data, administrator) as server:
        found = await_(
            lambda: lineage.exists() and [json.loads(one) for one in lineage.read_text().splitlines() if one]
        )
        assert client(server, "sts").get_caller_identity()["Account"] == administrator["AccountId"]
        await_(lambda: '"token"' in elsewhere.read_text())
    assert [one["inputs"][0]["name"] for one in found] == ["d.t"]
    assert found[0]["eventType"] == "COMPLETE"

    assert elsewhere.read_text() == (data / "audit-heads.jsonl").read_text()
    report = verify(data)
    assert report.returncode == 0, report.stdout
    assert " time stamps, the newest of 20" in report.stdout
    for path in data.rglob("*"):
        if path.is_file() and (path.name.startswith("audit") or path.suffix == ".parquet" or path.name == "server.log"):
            body = path.read_bytes()
            assert not [one for one in secrets if one.encode() in body], path
    _put_everything_back(data, elsewhere)


def _make_secrets(server: RunningServer, iam: Any) -> set[str]:
    """Secrets that pass through the API in every way that there is, refused calls among them."""
    iam.create_user(UserName="secretive")
    key = iam.create_access_key(UserName="secretive")["AccessKey"]
    password = "Pass-w0rd-" + "q" * 20
    made = {key["SecretAccessKey"], password}
    for call in (
        lambda: iam.create_login_profile(UserName="secretive", Password=password),
        lambda: iam.update_login_profile(UserName="secretive", Password=password),
        lambda: iam.create_login_profile(UserName="nobody", Password=password),
        lambda: client(server, "secretsmanager").create_secret(Name="s", SecretString=password),
        lambda: made.add(client(server, "sts").get_session_token()["Credentials"]["SecretAccessKey"]),
    ):
        try:
            call()
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 502  # noqa: PT017 - refused is fine, too
    return made


def _query(server: RunningServer, sql: str) -> str:
    athena = client(server, "athena")
    started = athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": "s3://results/"})[
        "QueryExecutionId"
    ]
    return str(
        await_(
            lambda: (
                state
                if (state := athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"])
                in {"SUCCEEDED", "FAILED"}
                else ""
            )
        )
    )


def _put_everything_back(data: Path, elsewhere: Path) -> None:
    """An old copy of the log with its heads, put in the place of the new: the second place says so."""
    names = ("audit.db", "audit.db-wal", "audit.db-shm", "audit-heads.jsonl", "audit-head")
    old = {name: (data / name).read_bytes() for name in names if (data / name).exists()}
    administrator = json.loads(
        json.dumps({"AccountId": "", "AccessKeyId": "x", "SecretAccessKey": "y", "Region": "us-east-1"})
    )
    with serving(data, administrator) as server, pytest.raises(ClientError):
        client(server, "sts").get_caller_identity()
    assert verify(data).returncode == 0
    for name in names:
        (data / name).unlink(missing_ok=True)
    for name, body in old.items():
        (data / name).write_bytes(body)
    report = verify(data)
    assert report.returncode == 1
    assert "put back" in report.stdout or "contradict" in report.stdout


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('{"disabled": true}', "disabled"),
        ('{"openlineage": {"transport": "carrier pigeon"}}', "console, file or http"),
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(tmp_path: Path, settings: str, reason: str) -> None:
    data = tmp_path / "data"
    initialise(data)
    (data / "audit.json").write_text(settings)
    command = [sys.executable, "-m", "lakewarden", "serve", "--data", str(data), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr
