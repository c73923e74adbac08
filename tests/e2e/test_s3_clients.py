"""Unmodified clients of S3, each as its own documentation says."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pytest
from obstore.store import S3Store

from tests.e2e.conftest import Lake

MIB = 1 << 20
CLIENTS = Path(sys.executable).parents[2] / ".venv-clients" / "bin" / "python"


@pytest.fixture(scope="module")
def bucket(lake: Lake) -> str:
    lake.client("admin", "s3").create_bucket(Bucket="clients")
    return "clients"


def environment(lake: Lake) -> dict[str, str]:
    found = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **lake.environment("admin")}
    return {name: value for name, value in found.items() if value}


def aws(lake: Lake, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *arguments],
        env=environment(lake), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_aws_s3(lake: Lake, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text("one")
    (folder / "sub" / "ü.txt").write_text("two")
    (folder / "big").write_bytes(os.urandom(20 * MIB))
    aws(lake, "s3", "sync", str(folder), f"s3://{bucket}/cli/")
    listed = aws(lake, "s3", "ls", "--recursive", f"s3://{bucket}/cli/")
    assert len(listed.splitlines()) == 3
    assert "PRE sub/" in aws(lake, "s3", "ls", f"s3://{bucket}/cli/")
    aws(lake, "s3", "cp", f"s3://{bucket}/cli/big", f"s3://{bucket}/cli/copy")
    aws(lake, "s3", "mv", f"s3://{bucket}/cli/copy", f"s3://{bucket}/cli/moved")
    aws(lake, "s3", "cp", f"s3://{bucket}/cli/moved", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == (folder / "big").read_bytes()
    aws(lake, "s3", "sync", f"s3://{bucket}/cli/", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "ü.txt").read_text() == "two"
    aws(lake, "s3", "rm", "--recursive", f"s3://{bucket}/cli/")
    assert "Contents" not in lake.client("admin", "s3").list_objects_v2(Bucket=bucket, Prefix="cli/")


def test_pyarrow(lake: Lake, bucket: str) -> None:
    keys = lake.server.administrator
    fs = pafs.S3FileSystem(
        access_key=keys["AccessKeyId"], secret_key=keys["SecretAccessKey"], region=keys["Region"],
        endpoint_override=lake.server.endpoint.removeprefix("http://"), scheme="http",
    )  # fmt: skip
    table = pa.table({"year": [1, 1, 2], "v": [1.5, 2.5, 3.5]})
    ds.write_dataset(table, f"{bucket}/arrow", filesystem=fs, format="parquet", partitioning=["year"])
    back = ds.dataset(f"{bucket}/arrow", filesystem=fs, format="parquet", partitioning=["year"]).to_table()
    assert sorted(back["v"].to_pylist()) == [1.5, 2.5, 3.5]
    with fs.open_output_stream(f"{bucket}/arrow-big") as out:
        for _ in range(12):
            out.write(b"z" * MIB)
    assert fs.get_file_info(f"{bucket}/arrow-big").size == 12 * MIB
    with fs.open_input_file(f"{bucket}/arrow-big") as file:
        file.seek(11 * MIB)
        assert file.read() == b"z" * MIB
    fs.move(f"{bucket}/arrow-big", f"{bucket}/arrow-moved")
    fs.delete_file(f"{bucket}/arrow-moved")
    fs.delete_dir(f"{bucket}/arrow")
    found = fs.get_file_info(pafs.FileSelector(bucket, recursive=True))
    assert not [one for one in found if one.path.startswith(f"{bucket}/arrow") and one.is_file]


def test_obstore(lake: Lake, bucket: str) -> None:
    keys = lake.server.administrator
    store = S3Store(
        bucket, endpoint=lake.server.endpoint, region=keys["Region"], access_key_id=keys["AccessKeyId"],
        secret_access_key=keys["SecretAccessKey"], client_options={"allow_http": True},
    )  # fmt: skip
    body = os.urandom(11 * MIB)
    obstore.put(store, "ob/big", body, use_multipart=True, chunk_size=5 * MIB)
    obstore.put(store, "ob/ü +%", b"small", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "ob/ü +%", b"again", mode="create")
    assert bytes(obstore.get(store, "ob/big").bytes()) == body
    ranges = obstore.get_ranges(store, "ob/big", starts=[0, 5 * MIB], ends=[10, 5 * MIB + 10])
    assert [bytes(one) for one in ranges] == [body[:10], body[5 * MIB : 5 * MIB + 10]]
    obstore.copy(store, "ob/big", "ob/copy")
    names = {one["path"] for batch in obstore.list(store, "ob") for one in batch}
    assert names == {"ob/big", "ob/ü +%", "ob/copy"}
    obstore.delete(store, sorted(names))
    assert not [one for batch in obstore.list(store, "ob") for one in batch]


def test_s3fs_and_polars(lake: Lake, bucket: str) -> None:
    script = Path(__file__).parents[1] / "clients" / "s3_file_systems.py"
    done = subprocess.run(
        [str(CLIENTS), str(script), bucket], env=environment(lake), capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "listed": ["/fs/a.txt", "/fs/big.bin", "/fs/d.txt", "/fs/sub/b.txt"],
        "size": 12 * MIB,
        "middle": "el",
        "gone": True,
        "sum": 6,
    }


def test_virtual_host_style(lake: Lake, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from botocore.config import Config

    # Not every resolver knows that all names below localhost are this machine (RFC 6761).
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: resolve("127.0.0.1", *rest, **named))

    keys: Any = lake.server.administrator
    endpoint = lake.server.endpoint.replace("127.0.0.1", "localhost")
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name=keys["Region"], aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], config=Config(s3={"addressing_style": "virtual"}),
    )  # fmt: skip
    s3.put_object(Bucket=bucket, Key="virtual/../host", Body=b"v")
    assert s3.get_object(Bucket=bucket, Key="virtual/../host")["Body"].read() == b"v"


def test_a_scoped_session_reaches_only_its_prefix(lake: Lake) -> None:
    from lakewarden.storage.scoped import Place, Verbs, session_policy

    admin, iam = lake.client("admin", "s3"), lake.client("admin", "iam")
    admin.create_bucket(Bucket="scoped")
    for key in ("t/a/1", "t/ab/1", "t/a*/1", "other"):
        admin.put_object(Bucket="scoped", Key=key, Body=b"x")
    account = lake.server.administrator["AccountId"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    iam.create_role(RoleName="vends", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="vends", PolicyName="all", PolicyDocument=json.dumps(everything))

    def session(prefix: str, verbs: Verbs) -> Any:
        got = lake.client("admin", "sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/vends", RoleSessionName="vended",
            Policy=session_policy([Place("scoped", prefix)], verbs),
        )["Credentials"]  # fmt: skip
        import boto3

        return boto3.client(
            "s3", endpoint_url=lake.server.endpoint, region_name="us-east-1", aws_access_key_id=got["AccessKeyId"],
            aws_secret_access_key=got["SecretAccessKey"], aws_session_token=got["SessionToken"],
        )  # fmt: skip

    def refused(call: Any, **params: Any) -> None:
        from botocore.exceptions import ClientError

        with pytest.raises(ClientError, match=r"AccessDenied|403|not authorized"):
            call(Bucket="scoped", **params)

    reader = session("t/a", Verbs.READ)
    assert reader.get_object(Bucket="scoped", Key="t/a/1")["Body"].read() == b"x"
    assert reader.list_objects_v2(Bucket="scoped", Prefix="t/a/")["KeyCount"] == 1
    for key in ("t/ab/1", "t/a*/1", "other", "t/a", "t/a/../ab/1"):
        if key != "t/a/../ab/1":
            refused(reader.get_object, Key=key)
        refused(reader.copy_object, Key="t/a/2", CopySource={"Bucket": "scoped", "Key": key})
    for ask in ({}, {"Prefix": ""}, {"Prefix": "t/"}, {"Prefix": "t/a"}, {"Prefix": "t/ab/"}):
        refused(reader.list_objects_v2, **ask)
    refused(reader.put_object, Key="t/a/1", Body=b"y")
    refused(reader.delete_object, Key="t/a/1")
    refused(reader.get_object_tagging, Key="t/a/1")
    refused(reader.create_multipart_upload, Key="t/a/1")
    refused(reader.list_object_versions, Prefix="t/a/")
    refused(reader.get_bucket_policy)
    starred = session("t/a*", Verbs.READ)
    assert starred.get_object(Bucket="scoped", Key="t/a*/1")["Body"].read() == b"x"
    refused(starred.get_object, Key="t/ab/1")
    writer = session("t/a/", Verbs.WRITE)
    writer.put_object(Bucket="scoped", Key="t/a/new", Body=b"n")
    refused(writer.get_object, Key="t/a/new")
    refused(writer.put_object, Key="t/ab/new", Body=b"n")
    gone = writer.delete_objects(Bucket="scoped", Delete={"Objects": [{"Key": "t/a/new"}, {"Key": "other"}]})
    assert [one["Key"] for one in gone["Errors"]] == ["other"]
