"""IAM and STS with the stock boto3 and the stock AWS CLI: what AWS would do, and AWS's text where it would deny."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, initialise, serving

Keys = dict[str, str]
ClientOf = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("identity") / "data"
    administrator = initialise(data)
    with serving(data, administrator) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> ClientOf:
    def make(service: str, keys: Any = None) -> Any:
        found = keys or server.administrator
        return boto3.client(
            service,
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found.get("SessionToken"),
        )

    return make


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def new_user(iam: Any, name: str, *statements: Any) -> Keys:
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    keys: Keys = iam.create_access_key(UserName=name)["AccessKey"]
    return keys


def denial(call: Callable[..., Any], **params: Any) -> ClientError:
    with pytest.raises(ClientError) as refused:
        call(**params)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    return refused.value


def test_people_groups_roles_and_policies(server: RunningServer, client: ClientOf) -> None:
    iam, account = client("iam"), server.administrator["AccountId"]
    iam.create_group(GroupName="Readers", Path="/teams/")
    keys = new_user(iam, "ann")
    policy = iam.create_policy(PolicyName="ReadGroups", PolicyDocument=document(allow("iam:GetGroup")))["Policy"]
    iam.attach_group_policy(GroupName="Readers", PolicyArn=policy["Arn"])
    ann = client("iam", keys)
    text = denial(ann.get_group, GroupName="Readers").response["Error"]["Message"]
    assert text == (
        f"User: arn:aws:iam::{account}:user/ann is not authorized to perform: iam:GetGroup on resource: "
        f"arn:aws:iam::{account}:group/teams/Readers because no identity-based policy allows the iam:GetGroup action"
    )
    iam.add_user_to_group(GroupName="Readers", UserName="ann")
    assert [user["UserName"] for user in ann.get_group(GroupName="Readers")["Users"]] == ["ann"]
    version = iam.create_policy_version(
        PolicyArn=policy["Arn"],
        PolicyDocument=document(allow("iam:*"), {"Effect": "Deny", "Action": "iam:GetGroup", "Resource": "*"}),
        SetAsDefault=True,
    )["PolicyVersion"]
    assert version["VersionId"] == "v2"
    text = denial(ann.get_group, GroupName="Readers").response["Error"]["Message"]
    assert text.endswith("with an explicit deny in an identity-based policy")
    iam.set_default_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
    assert ann.get_group(GroupName="Readers")["Group"]["Path"] == "/teams/"
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_policy(PolicyArn=policy["Arn"])
    with pytest.raises(ClientError, match=r"MalformedPolicyDocument.*Statement\[0\].Effect"):
        iam.create_policy(PolicyName="Bad", PolicyDocument=document({**allow("iam:*"), "Effect": "allow"}))


def test_a_role_is_assumed_and_its_session_is_what_it_was_made(server: RunningServer, client: ClientOf) -> None:
    iam, account = client("iam"), server.administrator["AccountId"]
    arn = f"arn:aws:iam::{account}:role/analyst"
    keys = new_user(iam, "bea", allow(["sts:AssumeRole", "sts:TagSession"], arn))
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}},
    }
    iam.create_role(RoleName="analyst", AssumeRolePolicyDocument=document(trust))
    tagged = allow("iam:ListUsers", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})
    iam.put_role_policy(RoleName="analyst", PolicyName="own", PolicyDocument=document(tagged))
    sts = client("sts", keys)
    text = denial(sts.assume_role, RoleArn=arn, RoleSessionName="eve").response["Error"]["Message"]
    assert text.startswith(f"User: arn:aws:iam::{account}:user/bea is not authorized to perform: sts:AssumeRole")
    plain = sts.assume_role(RoleArn=arn, RoleSessionName="bea")["Credentials"]
    red = sts.assume_role(RoleArn=arn, RoleSessionName="bea", Tags=[{"Key": "team", "Value": "red"}])["Credentials"]
    identity = client("sts", red).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/analyst/bea"
    denial(client("iam", plain).list_users)
    assert client("iam", red).list_users()["Users"]
    denial(sts.assume_role, RoleArn=arn.replace("analyst", "absent"), RoleSessionName="bea")


def test_revocation_is_immediate_identity(client: ClientOf) -> None:
    iam = client("iam")
    keys = new_user(iam, "cleo", allow("iam:ListUsers"))
    cleo = client("iam", keys)
    assert cleo.list_users()["Users"]
    iam.delete_user_policy(UserName="cleo", PolicyName="own")
    denial(cleo.list_users)
    iam.attach_user_policy(UserName="cleo", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert cleo.list_users()["Users"]
    iam.update_access_key(UserName="cleo", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        cleo.list_users()


def test_a_denial_is_explained_only_to_those_who_may_ask(client: ClientOf) -> None:
    iam = client("iam")
    keys = new_user(
        iam, "dora", allow("iam:*"), {"Sid": "No", "Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"}
    )
    refused = denial(client("iam", keys).list_users)
    header = "x-lakewarden-authorization-message"
    message = refused.response["ResponseMetadata"]["HTTPHeaders"][header]
    denial(client("sts", keys).decode_authorization_message, EncodedMessage=message)
    told = json.loads(client("sts").decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    assert told["explicitDeny"]
    assert told["matchedStatements"]["items"][0]["statementId"] == "No"
    assert told["context"]["action"] == "iam:ListUsers"
    changed = message[:-8] + ("A" * 8 if not message.endswith("A" * 8) else "B" * 8)
    with pytest.raises(ClientError, match="InvalidAuthorizationMessageException"):
        client("sts").decode_authorization_message(EncodedMessage=changed)


def test_the_simulator_says_what_would_happen_and_why(server: RunningServer, client: ClientOf) -> None:
    iam = client("iam")
    new_user(iam, "emma", allow("s3:GetObject", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}))
    arn = f"arn:aws:iam::{server.administrator['AccountId']}:user/emma"
    asked: dict[str, Any] = {
        "PolicySourceArn": arn,
        "ActionNames": ["s3:GetObject", "s3:PutObject"],
        "ResourceArns": ["arn:aws:s3:::lake/a"],
    }
    get, put = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert (get["EvalDecision"], get["MissingContextValues"]) == ("implicitDeny", ["aws:PrincipalTag/team"])
    assert put["EvalDecision"] == "implicitDeny"
    entry = {"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["red"], "ContextKeyType": "string"}
    get, _ = iam.simulate_principal_policy(**asked, ContextEntries=[entry])["EvaluationResults"]
    assert get["EvalDecision"] == "allowed"
    assert get["MatchedStatements"][0]["SourcePolicyId"] == "user_emma_own"
    assert get["MatchedStatements"][0]["StartPosition"] == {"Line": 1, "Column": 41}
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    assert keys == ["aws:PrincipalTag/team"]


def test_keys_rotate_and_tell_when_they_were_used(client: ClientOf) -> None:
    iam = client("iam")
    first = new_user(iam, "fay", allow("iam:GetUser"))
    assert iam.get_access_key_last_used(AccessKeyId=first["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    client("iam", first).get_user()
    used = iam.get_access_key_last_used(AccessKeyId=first["AccessKeyId"])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == ("fay", "iam")
    second = iam.create_access_key(UserName="fay")["AccessKey"]
    with pytest.raises(ClientError, match="LimitExceeded"):
        iam.create_access_key(UserName="fay")
    iam.delete_access_key(UserName="fay", AccessKeyId=first["AccessKeyId"])
    assert client("iam", second).get_user()["User"]["UserName"] == "fay"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    lines = iam.get_credential_report()["Content"].decode().splitlines()
    assert next(line for line in lines if line.startswith("fay,")).split(",")[8] == "true"


def test_a_web_identity_takes_a_role_without_a_signature(server: RunningServer, client: ClientOf) -> None:
    from tests.unit.identity.tokens import Issuer

    issuer = Issuer("https://id.example/tenant")
    keys = server.data / "oidc"
    keys.mkdir(exist_ok=True)
    (keys / "id.example%2Ftenant.json").write_text(json.dumps({"keys": issuer.public}))
    iam = client("iam")
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["lake"])["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"id.example/tenant:sub": "gus", "id.example/tenant:aud": "lake"}},
    }
    role = iam.create_role(RoleName="web", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    sts = boto3.client(
        "sts", endpoint_url=server.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    now = time.time()
    good = issuer.token(sub="gus", aud="lake", exp=now + 600, iat=now)
    answer = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="gus", WebIdentityToken=good)
    assert answer["SubjectFromWebIdentityToken"] == "gus"
    assert client("sts", answer["Credentials"]).get_caller_identity()["Arn"].endswith("assumed-role/web/gus")
    for code, token in (
        ("AccessDenied", issuer.token(sub="eve", aud="lake", exp=now + 600, iat=now)),
        ("InvalidIdentityToken", Issuer(issuer.url).token(sub="gus", aud="lake", exp=now + 600, iat=now)),
        ("ExpiredTokenException", issuer.token(sub="gus", aud="lake", exp=now - 1, iat=now - 600)),
        ("IDPRejectedClaim", issuer.token(sub="gus", aud="other", exp=now + 600, iat=now)),
    ):
        with pytest.raises(ClientError, match=code):
            sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="gus", WebIdentityToken=token)
    with pytest.raises(ClientError, match=r"AccessDenied|MissingAuthenticationToken"):
        sts.get_caller_identity()
    events = client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithWebIdentity"}]
    )["Events"]
    records = [json.loads(event["CloudTrailEvent"]) for event in events]
    assert {record["userIdentity"]["type"] for record in records} >= {"WebIdentityUser"}
    assert good not in json.dumps(records)


def aws(server: RunningServer, keys: Any, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        **({"AWS_SESSION_TOKEN": keys["SessionToken"]} if "SessionToken" in keys else {}),
    }
    command = [sys.executable, "-m", "awscli", "--output", "json", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_aws_cli_makes_people_and_is_denied(server: RunningServer) -> None:
    admin, account = server.administrator, server.administrator["AccountId"]

    def cli(*arguments: str, keys: Any = admin) -> Any:
        done = aws(server, keys, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    cli("iam", "create-user", "--user-name", "hal", "--tags", "Key=team,Value=red")
    cli("iam", "create-group", "--group-name", "Cli")
    cli("iam", "add-user-to-group", "--group-name", "Cli", "--user-name", "hal")
    policy = cli(
        "iam", "create-policy", "--policy-name", "CliPolicy", "--policy-document", document(allow("iam:GetGroup"))
    )["Policy"]["Arn"]
    cli("iam", "attach-group-policy", "--group-name", "Cli", "--policy-arn", policy)
    keys = cli("iam", "create-access-key", "--user-name", "hal")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:user/hal"}, "Action": "sts:AssumeRole"}
    role = cli("iam", "create-role", "--role-name", "CliRole", "--assume-role-policy-document", document(trust))
    assert cli("iam", "get-group", "--group-name", "Cli", keys=keys)["Users"][0]["UserName"] == "hal"
    taken = cli("sts", "assume-role", "--role-arn", role["Role"]["Arn"], "--role-session-name", "hal", keys=keys)[
        "Credentials"
    ]
    assert cli("sts", "get-caller-identity", keys=taken)["Arn"].endswith(":assumed-role/CliRole/hal")
    refused = aws(server, taken, "iam", "get-group", "--group-name", "Cli")
    assert refused.returncode != 0
    assert "(AccessDenied)" in refused.stderr
    assert "because no identity-based policy allows the iam:GetGroup action" in refused.stderr
    assert cli("iam", "get-account-summary")["SummaryMap"]["Users"] >= 2
    details = cli("iam", "get-account-authorization-details", "--filter", "User", "Group")
    assert any(user["UserName"] == "hal" and user["GroupList"] == ["Cli"] for user in details["UserDetailList"])


def test_a_device_of_the_users_own_makes_a_stronger_session(client: ClientOf) -> None:
    from lakewarden.identity.mfa import code_at

    iam = client("iam")
    strong = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    keys = new_user(iam, "mia", allow("iam:ListUsers", Condition=strong))
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="mias-phone")["VirtualMFADevice"]
    seed = base64.b32decode(made["Base32StringSeed"])
    serial, step = made["SerialNumber"], int(time.time()) // 30
    # The codes of this half minute and the one before it; the next code is taken up to a minute early.
    iam.enable_mfa_device(
        UserName="mia", SerialNumber=serial, AuthenticationCode1=code_at(seed, step - 1),
        AuthenticationCode2=code_at(seed, step),
    )  # fmt: skip
    sts = client("sts", keys)
    plain = sts.get_session_token()["Credentials"]
    denial(client("iam", plain).list_users)
    error = denial(sts.get_session_token, SerialNumber=serial, TokenCode=code_at(seed, step)).response["Error"]
    assert error["Code"] == "AccessDenied"
    assert "MultiFactorAuthentication" in error["Message"]
    taken = sts.get_session_token(SerialNumber=serial, TokenCode=code_at(seed, step + 1))["Credentials"]
    assert client("iam", taken).list_users()["Users"]
    assert iam.list_mfa_devices(UserName="mia")["MFADevices"][0]["SerialNumber"] == serial
