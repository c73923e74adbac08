"""INVARIANT no_escalation, the identity room: nobody assumes, passes, signs or renames into more than they hold."""

from typing import Any

import pytest

from lakewarden.identity.errors import ValidationError
from lakewarden.identity.model import Role, User
from lakewarden.kernel.errors import AccessDenied
from lakewarden.policy.errors import MalformedPolicyDocument
from tests.unit.identity.house import ACCOUNT, ADMINISTRATOR, House, allow, deny, document, trust

ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
DENIED = pytest.raises(AccessDenied)


def may(house: House, who: Any, action: str, resource: str = "*") -> bool:
    from lakewarden.guard import Access
    from lakewarden.kernel.call import Call

    call = Call(who, "iam", "Test", {}, "id", house.now, "us-east-1")
    return house.guard.check(call, Access(action, resource)).allowed


def test_no_escalation_a_session_policy_only_takes_away(house: House) -> None:
    ann = house.user("ann", allow("sts:AssumeRole"))
    arn = house.role("reader", trust(ROOT), allow(["s3:GetObject", "s3:PutObject"]))
    wide = house.signed_in(house.sts(ann, "AssumeRole", RoleArn=arn, RoleSessionName="s", Policy=document(allow("*"))))
    narrow = house.signed_in(
        house.sts(ann, "AssumeRole", RoleArn=arn, RoleSessionName="s", Policy=document(allow("s3:GetObject")))
    )
    managed = house.signed_in(
        house.sts(ann, "AssumeRole", RoleArn=arn, RoleSessionName="s", PolicyArns=[{"arn": ADMINISTRATOR}])
    )
    assert [may(house, one, "iam:CreateUser") for one in (wide, narrow, managed)] == [False, False, False]
    assert [may(house, one, "s3:GetObject") for one in (wide, narrow, managed)] == [True, True, True]
    assert [may(house, one, "s3:PutObject") for one in (wide, narrow, managed)] == [True, False, True]


def test_no_escalation_a_federated_user_has_no_more_than_its_user_and_nothing_without_a_policy(house: House) -> None:
    ann = house.user("ann", allow(["sts:GetFederationToken", "s3:*", "iam:*"]))
    bare = house.signed_in(house.sts(ann, "GetFederationToken", Name="fed"))
    wide = house.signed_in(house.sts(ann, "GetFederationToken", Name="fed", Policy=document(allow("*"))))
    assert not may(house, bare, "s3:GetObject")
    assert may(house, wide, "s3:GetObject")
    assert not may(house, wide, "glue:GetTable")
    with DENIED:
        house.iam(wide, "CreateAccessKey", UserName="ann")
    with DENIED:
        house.sts(wide, "GetFederationToken", Name="again")


@pytest.mark.parametrize("path", ["/aws-service-role/lakeformation.amazonaws.com/", "/aws-reserved/sso/"])
def test_no_escalation_a_services_own_path_is_not_taken_by_others(house: House, path: str) -> None:
    with pytest.raises(ValidationError, match="reserved"):
        house.iam(house.admin, "CreateRole", RoleName="mine", Path=path, AssumeRolePolicyDocument=document(trust(ROOT)))
    assert house.iam(house.admin, "ListRoles", PathPrefix=path)["Roles"] == []


def test_no_escalation_a_users_session_makes_no_lasting_credentials(house: House) -> None:
    session = house.signed_in(house.sts(house.admin, "GetSessionToken"))
    assert may(house, session, "s3:GetObject")
    for operation, params in (
        ("CreateAccessKey", {"UserName": "admin"}),
        ("CreateUser", {"UserName": "eve"}),
        ("GetUser", {}),
    ):
        with DENIED:
            house.iam(session, operation, **params)
    with DENIED:
        house.sts(session, "GetSessionToken")
    with DENIED:
        house.sts(session, "GetFederationToken", Name="fed")


def test_no_escalation_chained_sessions_end_within_the_hour(house: House) -> None:
    first = house.role("first", trust(ROOT), allow("sts:AssumeRole"), max_session=43200)
    second = house.role("second", trust(ROOT), max_session=43200)
    session = house.signed_in(
        house.sts(house.admin, "AssumeRole", RoleArn=first, RoleSessionName="s", DurationSeconds=43200)
    )
    with pytest.raises(ValidationError, match="1 hour session limit"):
        house.sts(session, "AssumeRole", RoleArn=second, RoleSessionName="s", DurationSeconds=3601)
    assert house.sts(session, "AssumeRole", RoleArn=second, RoleSessionName="s", DurationSeconds=3600)


def test_no_escalation_a_role_is_not_held_longer_than_it_allows(house: House) -> None:
    arn = house.role("short", trust(ROOT))
    for seconds in (899, 3601):
        with pytest.raises(ValidationError):
            house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", DurationSeconds=seconds)


def test_no_escalation_the_source_identity_sticks_and_must_be_trusted_along_the_chain(house: House) -> None:
    both = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    first = house.role("first", trust(ROOT, both), allow(both))
    second = house.role("second", trust(ROOT, both))
    silent = house.role("silent", trust(ROOT))
    session = house.signed_in(
        house.sts(house.admin, "AssumeRole", RoleArn=first, RoleSessionName="s", SourceIdentity="ann")
    )
    with pytest.raises(AccessDenied, match="cannot be changed"):
        house.sts(session, "AssumeRole", RoleArn=second, RoleSessionName="s", SourceIdentity="bob")
    with pytest.raises(AccessDenied, match="sts:SetSourceIdentity"):
        house.sts(session, "AssumeRole", RoleArn=silent, RoleSessionName="s")
    onward = house.sts(session, "AssumeRole", RoleArn=second, RoleSessionName="s")
    assert onward["SourceIdentity"] == "ann"
    session = house.signed_in(onward)
    assert session.session is not None
    assert session.session.source_identity == "ann"


def test_no_escalation_tags_need_their_right_and_transitive_ones_cannot_be_overridden(house: House) -> None:
    both = ["sts:AssumeRole", "sts:TagSession"]
    first = house.role("first", trust(ROOT, both), allow(both))
    plain = house.role("plain", trust(ROOT))
    red, blue = [{"Key": "team", "Value": "red"}], [{"Key": "TEAM", "Value": "blue"}]
    with pytest.raises(AccessDenied, match="sts:TagSession"):
        house.sts(house.admin, "AssumeRole", RoleArn=plain, RoleSessionName="s", Tags=red)
    session = house.signed_in(
        house.sts(house.admin, "AssumeRole", RoleArn=first, RoleSessionName="s", Tags=red, TransitiveTagKeys=["team"])
    )
    with pytest.raises(ValidationError, match="conflict with transitive"):
        house.sts(session, "AssumeRole", RoleArn=first, RoleSessionName="s", Tags=blue)
    onward = house.signed_in(house.sts(session, "AssumeRole", RoleArn=first, RoleSessionName="t"))
    assert onward.tags == {"team": "red"}
    with pytest.raises(ValidationError, match="must be included"):
        house.sts(house.admin, "AssumeRole", RoleArn=first, RoleSessionName="s", TransitiveTagKeys=["other"])


def test_no_escalation_the_external_id_must_be_the_one_that_is_trusted(house: House) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "42"}}
    arn = house.role("partner", trust(ROOT, Condition=condition))
    for wrong in ({}, {"ExternalId": "43"}):
        with DENIED:
            house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", **wrong)
    assert house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", ExternalId="42")


def test_no_escalation_an_absent_role_and_one_that_trusts_nobody_look_the_same(house: House) -> None:
    arn = house.role("closed", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}))
    texts = []
    for name in (arn, arn.replace("closed", "absent")):
        with pytest.raises(AccessDenied) as refused:
            house.sts(house.admin, "AssumeRole", RoleArn=name, RoleSessionName="s")
        texts.append(refused.value.message.replace("absent", "closed"))
    assert texts[0] == texts[1]


def test_no_escalation_what_is_not_known_is_not_ignored(house: House) -> None:
    arn = house.role("any", trust(ROOT))
    code = {"SerialNumber": "arn:aws:iam::111122223333:mfa/x", "TokenCode": "123456"}
    for half in code:
        with pytest.raises(ValidationError, match="go together"):
            house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", **{half: code[half]})
    with pytest.raises(AccessDenied, match="MultiFactorAuthentication failed"):
        house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", **code)
    context = [{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "x" * 4}]
    with pytest.raises(AccessDenied, match="ProvidedContexts"):
        house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", ProvidedContexts=context)


def test_no_escalation_a_renamed_user_needs_the_right_to_the_new_name(house: House) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:user/ann"
    ann = house.user("ann", allow("iam:UpdateUser", own), allow("s3:*", "arn:aws:s3:::home/${aws:username}/*"))
    with pytest.raises(AccessDenied, match="user/boss"):
        house.iam(ann, "UpdateUser", UserName="ann", NewUserName="boss")
    with pytest.raises(AccessDenied, match="user/boss/ann"):
        house.iam(ann, "UpdateUser", UserName="ann", NewPath="/boss/")


def test_no_escalation_a_new_user_of_an_old_name_inherits_no_key_and_no_session(house: House) -> None:
    house.user("ann", allow("s3:*"))
    house.iam(house.admin, "UpdateUser", UserName="ann", NewUserName="anna")
    house.iam(house.admin, "CreateUser", UserName="ann")
    assert house.iam(house.admin, "ListAccessKeys", UserName="ann")["AccessKeyMetadata"] == []
    arn = house.role("worker", trust(ROOT), allow("s3:*"))
    answer = house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s")
    house.service.delete_inline(Role, "worker", "own")
    house.service.delete(Role, "worker")
    house.role("worker", trust(ROOT), allow("*"))
    from lakewarden.kernel.credentials import InvalidToken

    with pytest.raises(InvalidToken):
        house.signed_in(answer)


def test_no_escalation_a_trusted_user_made_anew_is_trusted_no_more(house: House) -> None:
    old = house.user("ann")
    arn = house.role("worker", trust({"AWS": old.arn}), allow("s3:*"))
    assert house.sts(old, "AssumeRole", RoleArn=arn, RoleSessionName="s")
    house.service.access_keys.delete("ann", old.access_key_id)
    house.service.delete(User, "ann")
    new = house.user("ann")
    assert new.arn == old.arn
    with pytest.raises(AccessDenied):
        house.sts(new, "AssumeRole", RoleArn=arn, RoleSessionName="s")
    house.iam(
        house.admin, "UpdateAssumeRolePolicy", RoleName="worker", PolicyDocument=document(trust({"AWS": new.arn}))
    )
    assert house.sts(new, "AssumeRole", RoleArn=arn, RoleSessionName="s")


def test_no_escalation_passing_a_role_to_a_machine_needs_pass_role(house: House) -> None:
    house.role("power", trust({"Service": "ec2.amazonaws.com"}), allow("*"))
    house.iam(house.admin, "CreateInstanceProfile", InstanceProfileName="box")
    ann = house.user("ann", allow("iam:AddRoleToInstanceProfile"))
    with pytest.raises(AccessDenied, match="iam:PassRole"):
        house.iam(ann, "AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="power")
    passes = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    bob = house.user("bob", allow("iam:AddRoleToInstanceProfile"), allow("iam:PassRole", Condition=passes))
    with pytest.raises(AccessDenied, match="iam:PassRole"):
        house.iam(bob, "AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="power")


def test_no_escalation_a_boundary_bounds_what_its_user_may_do_and_make(house: House) -> None:
    arn = house.iam(house.admin, "CreatePolicy", PolicyName="bound", PolicyDocument=document(allow("iam:*")))["Policy"][
        "Arn"
    ]
    must = {"StringEquals": {"iam:PermissionsBoundary": arn}}
    ann = house.user(
        "ann",
        allow("s3:*"),
        allow(["iam:CreateUser", "iam:PutUserPolicy"], Condition=must),
        deny(["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"]),
    )
    house.service.set_boundary(User, "ann", arn)
    assert not may(house, ann, "s3:GetObject")
    with DENIED:
        house.iam(ann, "CreateUser", UserName="free")
    assert house.iam(ann, "CreateUser", UserName="bound", PermissionsBoundary=arn)
    with DENIED:
        house.iam(ann, "PutUserPolicy", UserName="admin", PolicyName="x", PolicyDocument=document(allow()))
    with DENIED:
        house.iam(ann, "DeleteUserPermissionsBoundary", UserName="bound")
    policy = house.iam(house.admin, "GetPolicy", PolicyArn=arn)["Policy"]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (0, 2)


def test_no_escalation_a_boundary_whose_policy_is_gone_allows_nothing(house: House) -> None:
    ann = house.user("ann", allow("*"))
    user = house.service.get(User, "ann")
    import msgspec

    with house.service._store.write() as identities:
        identities.put(msgspec.structs.replace(user, boundary=f"arn:aws:iam::{ACCOUNT}:policy/gone"))
    assert not may(house, ann, "s3:GetObject")


def test_no_escalation_a_session_policy_that_is_no_policy_is_refused(house: House) -> None:
    arn = house.role("any", trust(ROOT))
    with pytest.raises(MalformedPolicyDocument):
        house.sts(house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s", Policy="{}")
    with pytest.raises(ValidationError):
        house.sts(
            house.admin, "AssumeRole", RoleArn=arn, RoleSessionName="s",
            PolicyArns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/absent"}],
        )  # fmt: skip


def test_no_escalation_a_service_linked_role_is_nobodys_to_change(house: House) -> None:
    house.iam(house.admin, "CreateServiceLinkedRole", AWSServiceName="lakeformation.amazonaws.com")
    name = "AWSServiceRoleForLakeFormationDataAccess"
    for operation, params in (
        ("AttachRolePolicy", {"PolicyArn": ADMINISTRATOR}),
        ("PutRolePolicy", {"PolicyName": "x", "PolicyDocument": document(allow())}),
        ("UpdateAssumeRolePolicy", {"PolicyDocument": document(trust(ROOT))}),
        ("DeleteRole", {}),
    ):
        with pytest.raises(Exception, match="protected role"):
            house.iam(house.admin, operation, RoleName=name, **params)
    task = house.iam(house.admin, "DeleteServiceLinkedRole", RoleName=name)["DeletionTaskId"]
    status = house.iam(house.admin, "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert status == {"Status": "SUCCEEDED"}
