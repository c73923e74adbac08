"""The server as its operator knows it: init, serve, health, metrics, logs, locks, and the way it stops."""

import ipaddress
import json
import os
import re
import signal
import sqlite3
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lakewarden.demo.server import RunningServer, free_port, initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake
from tests.e2e.servers import client, initialised, run, say

KEYS = ["AccountId", "Region", "UserArn", "AccessKeyId", "SecretAccessKey"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("server") / "data"
    with serving(data, initialise(data)) as running:
        yield running


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


# init


def test_init_prints_one_json_object_and_writes_a_private_profile(tmp_path: Path) -> None:
    data = tmp_path / "data"
    printed = run("init", "--data", str(data), "--account", "123456789012", "--region", "eu-central-1").stdout
    made = json.loads(printed)
    assert list(made) == KEYS
    assert printed.count("\n") == 1
    assert made["UserArn"] == "arn:aws:iam::123456789012:user/lakewarden-admin"
    profile = data / "credentials"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for private in (profile, data / "config.json", data / "master.key", data / "metrics.token"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert made["SecretAccessKey"] in profile.read_text()
    kept = [path for path in data.iterdir() if made["SecretAccessKey"].encode() in path.read_bytes()]
    assert kept == [profile]


def test_init_refuses_a_directory_that_is_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    initialised(data)
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    again = run("init", "--data", str(data))
    assert (again.returncode, again.stdout) == (1, "")
    assert "is a Lakewarden data directory already" in again.stderr
    # A lake that has lost its config.json is no empty directory either: its keys must not be overwritten.
    (data / "config.json").unlink()
    assert "is not empty" in run("init", "--data", str(data)).stderr
    for name, content in before.items():
        if name != "config.json":
            assert (data / name).read_bytes() == content
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    assert run("init", "--data", str(other)).returncode == 1
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("option", [["--account", "12"], ["--region", "moon"], ["--database-url", "mysql://h/d"]])
def test_init_refuses_what_cannot_be_and_leaves_nothing(tmp_path: Path, option: list[str]) -> None:
    refused = run("init", "--data", str(tmp_path / "data"), *option)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("lakewarden: ")
    assert not (tmp_path / "data").exists()


def test_a_killed_init_can_be_done_again(tmp_path: Path) -> None:
    """Killed at the last moment: everything is written but the file that makes it count."""
    data = tmp_path / "data"
    first = initialised(data)
    (data / "config.json").unlink()
    (data / "init.unfinished").touch()
    assert run("serve", "--data", str(data), "--port", "0").returncode == 1
    second = initialised(data)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    with serving(data, second) as server:
        identity = client(server.endpoint, second, "sts").get_caller_identity()
        assert identity["Arn"] == second["UserArn"]
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            client(server.endpoint, first, "sts").get_caller_identity()


# serve


def test_serve_refuses_a_directory_that_is_none(tmp_path: Path) -> None:
    refused = run("serve", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert "lakewarden init --data" in refused.stderr


def test_a_second_server_on_a_directory_is_refused(server: RunningServer) -> None:
    second = run("serve", "--data", str(server.data), "--port", "0")
    assert second.returncode == 1
    assert f"already (process {server.pid})" in second.stderr
    assert get(f"{server.endpoint}/_health") == (200, "ok\n")


def test_a_port_that_is_taken_is_said_so(server: RunningServer, tmp_path: Path) -> None:
    initialised(tmp_path / "data")
    port = server.endpoint.rpartition(":")[2]
    refused = run("serve", "--data", str(tmp_path / "data"), "--port", port)
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr


def test_serve_prints_one_line_when_it_is_ready_and_ends_well_on_sigterm(tmp_path: Path) -> None:
    data = tmp_path / "data"
    initialised(data)
    port = free_port()
    command = [sys.executable, "-m", "lakewarden", "serve", "--data", str(data), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Lakewarden is ready on http://127.0.0.1:{port}\n"
        assert get(f"http://127.0.0.1:{port}/_health") == (200, "ok\n")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert [json.loads(line)["event"] for line in errors.splitlines()] == ["stopped"]


def test_sigterm_finishes_what_was_acknowledged(tmp_path: Path) -> None:
    """A query that was answered for is finished, or has failed visibly; calls in flight get their answers."""
    data = tmp_path / "data"
    administrator = initialised(data)
    with serving(data, administrator) as server, ThreadPoolExecutor(8) as threads:
        client(server.endpoint, administrator, "s3").create_bucket(Bucket="results")
        athena = client(server.endpoint, administrator, "athena")
        started = athena.start_query_execution(
            QueryString="SELECT sum(a * b) FROM UNNEST(sequence(1, 3000)) t(a), UNNEST(sequence(1, 3000)) u(b)",
            ResultConfiguration={"OutputLocation": "s3://results/"},
        )["QueryExecutionId"]

        def make(number: int) -> bool:
            try:
                client(server.endpoint, administrator, "iam").create_user(UserName=f"user-{number}")
            except Exception:  # noqa: BLE001 - refused, or cut off before it was read: not acknowledged
                return False
            return True

        made = [threads.submit(make, number) for number in range(40)]
        made[3].result()
        os.kill(server.pid, signal.SIGTERM)
        acknowledged = {f"user-{number}" for number, one in enumerate(made) if one.result()}
    with serving(data, administrator) as server:
        names = {user["UserName"] for user in client(server.endpoint, administrator, "iam").list_users()["Users"]}
        assert acknowledged
        assert acknowledged <= names
        athena = client(server.endpoint, administrator, "athena")
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        assert status["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}
    assert run("audit", "verify", "--data", str(data)).stdout.startswith("ok: ")


def _self_signed(place: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    files = place / "key.pem", place / "cert.pem"
    files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(certificate.public_bytes(Encoding.PEM))
    return files


def test_tls(tmp_path: Path) -> None:
    key, certificate = _self_signed(tmp_path)
    keys = initialised(tmp_path / "data")
    arguments = ["serve", "--data", str(tmp_path / "data"), "--port", "0", "--tls-cert", str(certificate)]
    assert "go together" in run(*arguments).stderr
    command = [sys.executable, "-m", "lakewarden", *arguments, "--tls-key", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{url}/_health", context=context, timeout=30) as answer:
            assert answer.status == 200
        s3 = boto3.client(
            "s3", endpoint_url=url, verify=str(certificate), region_name=keys["Region"],
            aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
        )  # fmt: skip
        s3.create_bucket(Bucket="tls")
        # Over TLS boto3 sends its bodies in chunks with a trailer.
        for size in (10, 700_000, 5_000_001):
            body = os.urandom(size)
            s3.put_object(Bucket="tls", Key="k", Body=body)
            assert s3.get_object(Bucket="tls", Key="k")["Body"].read() == body
        process.terminate()


# Health and metrics


def test_metrics_are_for_the_machine_itself_and_for_who_holds_the_token(server: RunningServer) -> None:
    client(server.endpoint, server.administrator, "sts").get_caller_identity()
    url = f"{server.endpoint}/_metrics"
    status, text = get(url)
    assert status == 200
    assert 'lakewarden_calls_total{code="OK",operation="GetCallerIdentity",service="sts"}' in text
    token = (server.data / "metrics.token").read_text()
    for forwarded in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert get(url, **{forwarded: "for=203.0.113.7"})[0] == 401
        assert get(url, **{forwarded: "for=203.0.113.7", "Authorization": "Bearer nonsense"})[0] == 401
        assert get(url, **{forwarded: "for=203.0.113.7", "Authorization": f"Bearer {token}"})[0] == 200


def test_names_that_callers_invent_do_not_become_metrics(server: RunningServer) -> None:
    for number in range(5):
        body = f"Action=Invented{number}&Version=2010-05-08".encode()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        say(server.endpoint, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    text = get(f"{server.endpoint}/_metrics")[1]
    assert "Invented" not in text
    assert 'operation="unknown"' in text


def test_nobody_can_pretend_to_call_from_elsewhere(server: RunningServer) -> None:
    """aws:SourceIp and aws:SecureTransport decide about access; without a trusted proxy the connection alone counts."""
    iam = client(server.endpoint, server.administrator, "iam")
    iam.create_user(UserName="roamer")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*",
             "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
            {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*",
             "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        ],
    }  # fmt: skip
    iam.put_user_policy(UserName="roamer", PolicyName="office", PolicyDocument=json.dumps(policy))
    roamer = client(server.endpoint, iam.create_access_key(UserName="roamer")["AccessKey"], "iam")

    def pretend(request: object, **_: object) -> None:
        request.headers["X-Forwarded-For"] = "203.0.113.7"  # type: ignore[attr-defined]
        request.headers["X-Forwarded-Proto"] = "https"  # type: ignore[attr-defined]

    roamer.meta.events.register("before-send.iam", pretend)
    for call in (roamer.list_users, roamer.list_roles):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


# No answer without audit


CALLS: dict[str, Callable[[Any], object]] = {
    "iam": lambda iam: iam.create_user(UserName="unrecorded"),
    "sts": lambda sts: sts.get_caller_identity(),
    "s3": lambda s3: s3.create_bucket(Bucket="unrecorded"),
    "glue": lambda glue: glue.create_database(DatabaseInput={"Name": "unrecorded"}),
    "lakeformation": lambda lf: lf.register_resource(ResourceArn="arn:aws:s3:::unrecorded", UseServiceLinkedRole=True),
    "athena": lambda athena: athena.start_query_execution(
        QueryString="SELECT 1", ResultConfiguration={"OutputLocation": "s3://unrecorded/"}
    ),
    "cloudtrail": lambda cloudtrail: cloudtrail.lookup_events(),
}


def test_no_answer_without_audit(tmp_path: Path) -> None:
    """With the audit log unwritable every service's call fails with a 503, nothing is done, health says so; and back."""
    data = tmp_path / "data"
    administrator = initialised(data)
    with serving(data, administrator) as server:
        iam = client(server.endpoint, administrator, "iam")
        iam.create_user(UserName="before")
        _break_audit(data)
        with pytest.raises(ClientError) as first:
            iam.create_user(UserName="in-between")
        assert first.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        for service, call in CALLS.items():
            with pytest.raises(ClientError) as told:
                call(client(server.endpoint, administrator, service))
            assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503, service
            assert told.value.response["Error"]["Code"] in {"ServiceUnavailable", "503"}, service
        assert say(server.endpoint, b"GET /lake/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[9:12] == b"503"
        assert get(f"{server.endpoint}/_health") == (503, "the audit log cannot be written\n")
        _mend_audit(data)
        _await_health(server)
        users = {user["UserName"] for user in iam.list_users()["Users"]}
        assert "unrecorded" not in users
        s3 = client(server.endpoint, administrator, "s3")
        assert s3.list_buckets()["Buckets"] == []
        # What was done before the failure was noticed is in the trail by now: nothing happened unrecorded.
        if "in-between" in users:
            events = client(server.endpoint, administrator, "cloudtrail").lookup_events(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]
            )["Events"]
            named = [json.loads(event["CloudTrailEvent"])["requestParameters"]["userName"] for event in events]
            assert sorted(named) == ["before", "in-between"]
    assert run("audit", "verify", "--data", str(data)).stdout.startswith("ok: ")


def _break_audit(data: Path) -> None:
    with sqlite3.connect(data / "audit.db", timeout=30) as audit:
        audit.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no space is left'); END"
        )
    audit.close()


def _mend_audit(data: Path) -> None:
    with sqlite3.connect(data / "audit.db", timeout=30) as audit:
        audit.execute("DROP TRIGGER full")
    audit.close()


def _await_health(server: RunningServer) -> None:
    while get(f"{server.endpoint}/_health")[0] != 200:
        pass


# Logs


def test_logs_are_json_lines_with_request_ids_and_without_secrets(lake: Lake) -> None:
    """Every secret of the run, grepped for: keys, session tokens, signatures, passwords, query texts, values."""
    lake.query(LIMITED, f"SELECT dose AS topsecretalias FROM {lake.dataset.table} LIMIT 1")
    iam = lake.client("admin", "iam")
    iam.create_user(UserName="logged")
    iam.create_login_profile(UserName="logged", Password="pass-word-in-clear-1")
    with pytest.raises(ClientError):
        iam.create_login_profile(UserName="logged", Password="short")
    fresh = iam.create_access_key(UserName="logged")["AccessKey"]
    client(lake.server.endpoint, fresh, "sts").get_caller_identity()
    keys = lake.server.administrator
    signer = boto3.client(
        "s3", endpoint_url=lake.server.endpoint, region_name=keys["Region"], aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], config=Config(signature_version="s3v4"),
    )  # fmt: skip
    link = signer.generate_presigned_url("get_object", Params={"Bucket": "absent", "Key": "k"})
    assert get(link)[0] == 404
    signature = re.search(r"Signature=([0-9a-zA-Z%]+)", link)
    assert signature is not None
    answer = lake.client("admin", "sts").get_caller_identity()
    log = (lake.server.data / "server.log").read_text()
    secrets = [lake.server.administrator["SecretAccessKey"], fresh["SecretAccessKey"], "pass-word-in-clear-1"]
    secrets += ["topsecretalias", signature.group(1), (lake.server.data / "metrics.token").read_text()]
    for who in (FULL, LIMITED):
        secrets += [lake.credentials[who]["SecretAccessKey"], lake.credentials[who]["SessionToken"]]
    assert [secret for secret in secrets if secret in log] == []
    lines = [json.loads(line) for line in log.splitlines() if not line.startswith("Lakewarden is ready")]
    assert answer["ResponseMetadata"]["RequestId"] in {line.get("request_id") for line in lines}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
