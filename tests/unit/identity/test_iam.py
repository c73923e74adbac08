"""IAM's nouns: what each does, refuses and remembers."""

import json
from typing import Any

import pytest

from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    PasswordPolicyViolation,
    ReportExpired,
    ReportNotPresent,
    UnmodifiableEntity,
    ValidationError,
    WrongPassword,
)
from lakewarden.identity.model import Group, User
from lakewarden.kernel.errors import AccessDenied, AwsError
from lakewarden.policy.errors import MalformedPolicyDocument
from tests.unit.identity.house import ACCOUNT, ADMINISTRATOR, House, allow, deny, document, trust

GOOD, NEXT = "Correct-Horse-1", "Battery-Staple-2"
METADATA = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example" '
    'validUntil="2030-01-01T00:00:00Z"><IDPSSODescriptor><KeyDescriptor>'
    '<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>QQ==</X509Certificate></X509Data>'
    "</KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
)


def test_deny_by_default_every_operation_is_closed_to_a_user_without_policies(house: House) -> None:
    nobody = house.user("nobody")
    open_to_all = {"GetCallerIdentity", "GetSessionToken"}
    for service, table in house.tables.items():
        for name, row in table.items():
            if name in open_to_all or row.identify is not None:
                continue
            with pytest.raises(AwsError) as refused:
                house.call(nobody, service, name, **EXAMPLE)
            assert isinstance(refused.value, AccessDenied), (service, name, refused.value)


EXAMPLE: dict[str, Any] = {
    "UserName": "admin", "GroupName": "g", "RoleName": "r", "PolicyName": "p", "PolicyArn": ADMINISTRATOR,
    "PolicyDocument": document(allow()), "AssumeRolePolicyDocument": document(trust("*")), "AccessKeyId": "AKIA",
    "InstanceProfileName": "i", "OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x",
    "SAMLProviderArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/x", "Url": "https://x", "Name": "x",
    "AWSServiceName": "lakeformation.amazonaws.com", "DeletionTaskId": "task/aws-service-role/x/y/z",
    "PermissionsBoundary": ADMINISTRATOR, "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/admin",
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "s", "OldPassword": "a", "NewPassword": "b",
    "NewUserName": "n", "ActionNames": ["s3:GetObject"], "PolicyInputList": [], "VirtualMFADeviceName": "m",
    "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/m", "TokenCode": "123456",
}  # fmt: skip


def test_names_that_differ_in_case_are_taken_and_paths_and_tags_are_checked(house: House) -> None:
    house.iam(house.admin, "CreateUser", UserName="Ann")
    with pytest.raises(EntityAlreadyExists):
        house.iam(house.admin, "CreateUser", UserName="ann")
    for bad in ({"UserName": "a b"}, {"UserName": "x" * 65}, {"UserName": "x", "Path": "team"}):
        with pytest.raises(ValidationError):
            house.iam(house.admin, "CreateUser", **bad)
    twice = [{"Key": "team", "Value": "a"}, {"Key": "TEAM", "Value": "b"}]
    with pytest.raises(InvalidInput):
        house.iam(house.admin, "CreateUser", UserName="x", Tags=twice)
    for key in ("aws:x", "bad\0", ""):
        with pytest.raises(InvalidInput):
            house.iam(house.admin, "TagUser", UserName="Ann", Tags=[{"Key": key, "Value": ""}])
    house.iam(house.admin, "TagUser", UserName="Ann", Tags=[{"Key": "team", "Value": "red"}])
    house.iam(house.admin, "TagUser", UserName="Ann", Tags=[{"Key": "Team", "Value": "blue"}])
    tags = house.iam(house.admin, "ListUserTags", UserName="Ann")["Tags"]
    assert tags == [{"Key": "Team", "Value": "blue"}]
    house.iam(house.admin, "UntagUser", UserName="Ann", TagKeys=["TEAM"])
    assert house.iam(house.admin, "ListUserTags", UserName="Ann")["Tags"] == []


def test_quotas_are_awss(house: House) -> None:
    admin = house.admin
    for number in range(11):
        house.iam(admin, "CreateGroup", GroupName=f"g{number}")
        house.iam(admin, "CreatePolicy", PolicyName=f"p{number}", PolicyDocument=document(allow("s3:*")))
    for number in range(10):
        house.service.join("admin", f"g{number}")
        house.service.attach(Group, "g0", f"arn:aws:iam::{ACCOUNT}:policy/p{number}")
    big = document(*(allow("s3:GetObject", f"arn:aws:s3:::{number:060d}/*") for number in range(60)))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("AddUserToGroup", {"UserName": "admin", "GroupName": "g10"}),
        ("AttachGroupPolicy", {"GroupName": "g0", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/p10"}),
        ("PutUserPolicy", {"UserName": "admin", "PolicyName": "x", "PolicyDocument": big}),
        ("PutGroupPolicy", {"GroupName": "g0", "PolicyName": "x", "PolicyDocument": big}),
        ("CreatePolicy", {"PolicyName": "big", "PolicyDocument": big}),
        ("TagUser", {"UserName": "admin", "Tags": [{"Key": str(one), "Value": ""} for one in range(51)]}),
    ]
    for operation, params in calls:
        with pytest.raises(LimitExceeded):
            house.iam(admin, operation, **params)
    for _ in range(4):
        house.iam(
            admin,
            "CreatePolicyVersion",
            PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p0",
            PolicyDocument=document(allow()),
        )
    with pytest.raises(LimitExceeded, match="5 versions"):
        house.iam(
            admin,
            "CreatePolicyVersion",
            PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p0",
            PolicyDocument=document(allow()),
        )
    with pytest.raises(UnmodifiableEntity):
        house.iam(admin, "CreatePolicyVersion", PolicyArn=ADMINISTRATOR, PolicyDocument=document(allow()))


def test_nothing_is_deleted_while_something_hangs_on_it(house: House) -> None:
    house.user("ann", allow("s3:*"))
    with pytest.raises(DeleteConflict):
        house.iam(house.admin, "DeleteUser", UserName="ann")
    arn = house.iam(house.admin, "CreatePolicy", PolicyName="p", PolicyDocument=document(allow()))["Policy"]["Arn"]
    house.iam(house.admin, "PutUserPermissionsBoundary", UserName="ann", PermissionsBoundary=arn)
    with pytest.raises(DeleteConflict):
        house.iam(house.admin, "DeletePolicy", PolicyArn=arn)
    found = house.iam(house.admin, "ListEntitiesForPolicy", PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    assert [user["UserName"] for user in found["PolicyUsers"]] == ["ann"]
    assert house.iam(house.admin, "ListEntitiesForPolicy", PolicyArn=arn, EntityFilter="Role")["PolicyUsers"] == []
    house.role("worker", trust("*"))
    house.iam(house.admin, "CreateInstanceProfile", InstanceProfileName="box")
    house.iam(house.admin, "AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="worker")
    for operation, params in (
        ("DeleteRole", {"RoleName": "worker"}),
        ("DeleteInstanceProfile", {"InstanceProfileName": "box"}),
    ):
        with pytest.raises(DeleteConflict):
            house.iam(house.admin, operation, **params)
    profiles = house.iam(house.admin, "ListInstanceProfilesForRole", RoleName="worker")["InstanceProfiles"]
    assert [one["Roles"][0]["RoleName"] for one in profiles] == ["worker"]
    with pytest.raises(LimitExceeded):
        house.iam(house.admin, "AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="worker")
    house.iam(house.admin, "RemoveRoleFromInstanceProfile", InstanceProfileName="box", RoleName="worker")
    house.iam(house.admin, "DeleteInstanceProfile", InstanceProfileName="box")
    house.iam(house.admin, "DeleteRole", RoleName="worker")


def test_passwords_keep_the_default_rules_and_the_accounts(house: House) -> None:
    admin = house.admin
    ann = house.user("ann")
    for bad in ("short", "alllowercase", "Ann", "x" * 129, ""):
        with pytest.raises(PasswordPolicyViolation):
            house.iam(admin, "CreateLoginProfile", UserName="ann", Password=bad)
    house.iam(admin, "CreateLoginProfile", UserName="ann", Password=GOOD)
    with pytest.raises(EntityAlreadyExists):
        house.iam(admin, "CreateLoginProfile", UserName="ann", Password=GOOD)
    with pytest.raises(NoSuchEntity):
        house.iam(admin, "GetAccountPasswordPolicy")
    house.iam(
        admin, "UpdateAccountPasswordPolicy", MinimumPasswordLength=12, RequireSymbols=True, RequireNumbers=True,
        PasswordReusePrevention=2, AllowUsersToChangePassword=True, MaxPasswordAge=30, HardExpiry=True,
    )  # fmt: skip
    shown = house.iam(admin, "GetAccountPasswordPolicy")["PasswordPolicy"]
    assert (shown["ExpirePasswords"], shown["MinimumPasswordLength"], shown["RequireUppercaseCharacters"]) == (
        True,
        12,
        False,
    )
    with pytest.raises(WrongPassword):
        house.iam(ann, "ChangePassword", OldPassword="wrong", NewPassword=NEXT)
    for bad in ("short-1", "no symbols 123456", "no-numbers-at-all", GOOD):
        with pytest.raises(PasswordPolicyViolation):
            house.iam(ann, "ChangePassword", OldPassword=GOOD, NewPassword=bad)
    house.iam(ann, "ChangePassword", OldPassword=GOOD, NewPassword=NEXT)
    with pytest.raises(PasswordPolicyViolation, match="used before"):
        house.iam(ann, "ChangePassword", OldPassword=NEXT, NewPassword=GOOD)
    assert house.service.check_password("ann", NEXT)
    assert not house.service.check_password("ann", GOOD)
    assert not house.service.check_password("nobody", "")
    house.later(days=30)
    assert not house.service.check_password("ann", NEXT)
    assert house.service.passwords.must_change(house.service.get(User, "ann"))


def test_a_user_changes_a_password_only_where_a_policy_or_the_account_lets_it(house: House) -> None:
    ann, bob = house.user("ann"), house.user("bob", deny("iam:ChangePassword"))
    for name in ("ann", "bob"):
        house.iam(house.admin, "CreateLoginProfile", UserName=name, Password=GOOD)
        with pytest.raises(AccessDenied):
            house.iam(ann if name == "ann" else bob, "ChangePassword", OldPassword=GOOD, NewPassword=NEXT)
    house.iam(house.admin, "UpdateAccountPasswordPolicy", AllowUsersToChangePassword=True)
    house.iam(ann, "ChangePassword", OldPassword=GOOD, NewPassword=NEXT)
    with pytest.raises(AccessDenied, match="explicit deny"):
        house.iam(bob, "ChangePassword", OldPassword=GOOD, NewPassword=NEXT)
    session = house.signed_in(house.sts(house.admin, "GetSessionToken"))
    with pytest.raises(AccessDenied):
        house.iam(session, "ChangePassword", OldPassword=GOOD, NewPassword=NEXT)


def test_secrets_are_named_for_the_trail_to_hide(house: House) -> None:
    for name in ("CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile", "ChangePassword"):
        hidden = house.tables["iam"][name].hidden
        assert {"AccessKey.SecretAccessKey", "Password", "NewPassword", "OldPassword"} <= hidden


def test_the_credential_report_is_generated_kept_and_grows_old(house: House) -> None:
    with pytest.raises(ReportNotPresent):
        house.iam(house.admin, "GetCredentialReport")
    house.user("ann")
    assert house.iam(house.admin, "GenerateCredentialReport")["State"] == "COMPLETE"
    report = house.iam(house.admin, "GetCredentialReport")
    lines = report["Content"].decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["user", "admin", "ann"]
    assert all(line.count(",") == 21 for line in lines)
    house.later(hours=4)
    with pytest.raises(ReportExpired):
        house.iam(house.admin, "GetCredentialReport")


def test_the_account_has_one_alias(house: House) -> None:
    for bad in ("Ab", "a", "-ab", "ab-", "a--b", "1" * 12, "x" * 64):
        with pytest.raises(ValidationError):
            house.iam(house.admin, "CreateAccountAlias", AccountAlias=bad)
    house.iam(house.admin, "CreateAccountAlias", AccountAlias="lake-one")
    house.iam(house.admin, "CreateAccountAlias", AccountAlias="lake-two")
    assert house.iam(house.admin, "ListAccountAliases")["AccountAliases"] == ["lake-two"]
    with pytest.raises(NoSuchEntity):
        house.iam(house.admin, "DeleteAccountAlias", AccountAlias="lake-one")
    house.iam(house.admin, "DeleteAccountAlias", AccountAlias="lake-two")


def test_providers_are_validated_when_they_are_stored(house: House) -> None:
    for url in (
        "http://id.example",
        "https://id.example?x=1",
        "https://",
        "https://user@id.example",
        "https://ID/../x",
        "https://[",
    ):
        with pytest.raises(InvalidInput):
            house.iam(house.admin, "CreateOpenIDConnectProvider", Url=url)
    with pytest.raises(InvalidInput):
        house.iam(house.admin, "CreateOpenIDConnectProvider", Url="https://id.example", ThumbprintList=["x" * 40])
    arn = house.iam(house.admin, "CreateOpenIDConnectProvider", Url="https://id.example/a")["OpenIDConnectProviderArn"]
    house.iam(house.admin, "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID="c")
    house.iam(
        house.admin, "UpdateOpenIDConnectProviderThumbprint", OpenIDConnectProviderArn=arn, ThumbprintList=["A" * 40]
    )
    house.iam(house.admin, "TagOpenIDConnectProvider", OpenIDConnectProviderArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    found = house.iam(house.admin, "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == ("id.example/a", ["c"], ["a" * 40])
    assert found["Tags"] == [{"Key": "k", "Value": "v"}]
    house.iam(house.admin, "RemoveClientIDFromOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID="c")
    for bad in (
        "",
        "<a/>",
        "<!DOCTYPE a><a/>",
        METADATA.replace("X509Certificate", "Other"),
        METADATA.replace("2030-01-01T00", "x"),
    ):
        with pytest.raises(InvalidInput):
            house.iam(house.admin, "CreateSAMLProvider", Name="idp", SAMLMetadataDocument=bad)
    saml = house.iam(house.admin, "CreateSAMLProvider", Name="idp", SAMLMetadataDocument=METADATA)["SAMLProviderArn"]
    assert house.iam(house.admin, "GetSAMLProvider", SAMLProviderArn=saml)["ValidUntil"].year == 2030
    with pytest.raises(InvalidInput, match="not supported"):
        house.iam(house.admin, "UpdateSAMLProvider", SAMLProviderArn=saml, AddPrivateKey="key")


def test_simulations(house: House) -> None:
    bound = document(allow("s3:*"))
    asked: dict[str, Any] = {
        "PolicyInputList": [document(allow("*"), deny("s3:Delete*", "arn:aws:s3:::${aws:username}/*"))],
        "PermissionsBoundaryPolicyInputList": [bound],
        "ActionNames": ["s3:GetObject", "glue:GetTable", "s3:DeleteObject"],
        "ResourceArns": ["arn:aws:s3:::ann/x"],
    }
    get, table, delete = house.iam(house.admin, "SimulateCustomPolicy", **asked)["EvaluationResults"]
    assert [one["EvalDecision"] for one in (get, table, delete)] == ["allowed", "implicitDeny", "allowed"]
    assert table["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert delete["MissingContextValues"] == ["aws:username"]
    named = {"ContextKeyName": "aws:username", "ContextKeyValues": ["ann"], "ContextKeyType": "string"}
    results = house.iam(house.admin, "SimulateCustomPolicy", **asked, ContextEntries=[named], MaxItems=2)
    assert results["IsTruncated"]
    last = house.iam(house.admin, "SimulateCustomPolicy", **asked, ContextEntries=[named], Marker=results["Marker"])[
        "EvaluationResults"
    ][0]
    assert last["EvalDecision"] == "explicitDeny"
    assert {one["SourcePolicyId"] for one in last["MatchedStatements"]} >= {"PolicyInputList.1"}
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
    }
    for bad in (
        {"PolicyInputList": ["{"]},
        {"ActionNames": ["s3:*"]},
        {"ActionNames": ["GetObject"]},
        {"ResourceArns": ["bucket"]},
        {"CallerArn": "ann"},
        {"PolicyInputList": [json.dumps(policy)]},
    ):
        with pytest.raises(InvalidInput):
            house.iam(house.admin, "SimulateCustomPolicy", **{**asked, **bad})
    allowed = house.iam(
        house.admin, "SimulateCustomPolicy", PolicyInputList=[], ActionNames=["s3:GetObject"],
        ResourcePolicy=json.dumps(policy), CallerArn=f"arn:aws:iam::{ACCOUNT}:user/admin",
    )["EvaluationResults"][0]  # fmt: skip
    assert (allowed["EvalDecision"], allowed["MatchedStatements"][0]["SourcePolicyType"]) == ("allowed", "resource")


def test_a_simulation_tells_nothing_of_a_principal_that_the_caller_may_not_ask_about(house: House) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:user/ann"
    ann = house.user("ann", allow("iam:SimulatePrincipalPolicy", own))
    assert house.iam(ann, "SimulatePrincipalPolicy", PolicySourceArn=own, ActionNames=["s3:GetObject"])
    other = f"arn:aws:iam::{ACCOUNT}:user/admin"
    for params in ({"PolicySourceArn": other}, {"PolicySourceArn": own, "CallerArn": other}):
        with pytest.raises(AccessDenied):
            house.iam(ann, "SimulatePrincipalPolicy", ActionNames=["s3:GetObject"], **params)


def test_documents_are_refused_with_their_place_wherever_they_are_stored(house: House) -> None:
    bad = document({**allow(), "Condition": {"StringSort": {"aws:username": "a"}}})
    house.role("worker", trust("*"))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("CreatePolicy", {"PolicyName": "x", "PolicyDocument": bad}),
        ("PutUserPolicy", {"UserName": "admin", "PolicyName": "x", "PolicyDocument": bad}),
        ("PutRolePolicy", {"RoleName": "worker", "PolicyName": "x", "PolicyDocument": bad}),
    ]
    for operation, params in calls:
        with pytest.raises(MalformedPolicyDocument, match=r"^Statement\[0\].Condition.StringSort: "):
            house.iam(house.admin, operation, **params)
    with pytest.raises(MalformedPolicyDocument, match="STS AssumeRole actions"):
        house.iam(
            house.admin,
            "UpdateAssumeRolePolicy",
            RoleName="worker",
            PolicyDocument=document(trust("*", "s3:GetObject")),
        )
