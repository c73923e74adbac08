"""Virtual MFA devices: codes of RFC 6238, sessions that bear them, and what guessing, replaying and borrowing gets."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidAuthenticationCode,
    NoSuchEntity,
    ValidationError,
)
from lakewarden.identity.mfa import code_at
from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.errors import AccessDenied
from tests.unit.identity.house import ACCOUNT, House, allow, trust

DENIED = pytest.raises(AccessDenied)
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
Show = Callable[[int], str]


def test_the_codes_are_those_of_the_rfc() -> None:
    """RFC 6238, appendix B (SHA-1), the last six of its eight digits."""
    seed = b"12345678901234567890"
    for at, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert code_at(seed, at // 30) == code


def device(house: House, user: str, name: str = "phone") -> tuple[str, Show]:
    """A device of ``user``: its serial number, and what it shows so many steps from now."""
    made = house.iam(house.admin, "CreateVirtualMFADevice", VirtualMFADeviceName=name)["VirtualMFADevice"]
    seed = base64.b32decode(made["Base32StringSeed"])

    def show(ahead: int = 0) -> str:
        return code_at(seed, int(house.now.timestamp()) // 30 + ahead)

    ask = {"UserName": user, "SerialNumber": made["SerialNumber"]}
    house.iam(house.admin, "EnableMFADevice", **ask, AuthenticationCode1=show(-1), AuthenticationCode2=show(0))
    house.later(seconds=60)
    return made["SerialNumber"], show


def may(house: House, who: Principal, action: str) -> bool:
    from lakewarden.guard import Access

    return house.guard.check(Call(who, "iam", "Test", {}, "id", house.now, "us-east-1"), Access(action)).allowed


def test_a_session_bears_what_the_device_proved(house: House) -> None:
    ann = house.user("ann", allow("s3:*", Condition=WITH_MFA))
    serial, show = device(house, "ann")
    plain = house.signed_in(house.sts(ann, "GetSessionToken"))
    strong = house.signed_in(house.sts(ann, "GetSessionToken", SerialNumber=serial, TokenCode=show(0)))
    assert [may(house, who, "s3:GetObject") for who in (ann, plain, strong)] == [False, False, True]
    with DENIED:  # no code is good twice, nor one from before it
        house.sts(ann, "GetSessionToken", SerialNumber=serial, TokenCode=show(0))
    with DENIED:
        house.sts(ann, "GetSessionToken", SerialNumber=serial, TokenCode=show(-1))
    with pytest.raises(ValidationError):
        house.sts(ann, "GetSessionToken", SerialNumber=serial)
    house.sts(ann, "GetSessionToken", SerialNumber=serial, TokenCode=show(1))


def test_a_trust_policy_may_ask_for_it(house: House) -> None:
    ann = house.user("ann", allow("sts:AssumeRole"))
    arn = house.role("strong", trust(ROOT, Condition=WITH_MFA), allow("s3:*", Condition=WITH_MFA))
    serial, show = device(house, "ann")
    ask: dict[str, Any] = {"RoleArn": arn, "RoleSessionName": "s"}
    with DENIED:
        house.sts(ann, "AssumeRole", **ask)
    with DENIED:
        house.sts(ann, "AssumeRole", **ask, SerialNumber=serial, TokenCode="000000")
    taken = house.signed_in(house.sts(ann, "AssumeRole", **ask, SerialNumber=serial, TokenCode=show(0)))
    assert not may(house, taken, "s3:GetObject")  # as at AWS: the role's session says nothing of MFA
    with DENIED:
        house.sts(ann, "AssumeRole", **ask, SerialNumber=serial, TokenCode=show(0))
    with DENIED:  # a role has no device
        house.sts(taken, "AssumeRole", **ask, SerialNumber=serial, TokenCode=show(1))


def test_nobody_borrows_a_device(house: House) -> None:
    ann, bob = house.user("ann"), house.user("bob")
    serial, show = device(house, "ann")
    for who in (bob, house.admin):
        with DENIED:
            house.sts(who, "GetSessionToken", SerialNumber=serial, TokenCode=show(0))
    with pytest.raises(EntityAlreadyExists):
        house.iam(
            house.admin, "EnableMFADevice", UserName="bob", SerialNumber=serial, AuthenticationCode1=show(0),
            AuthenticationCode2=show(1),
        )  # fmt: skip
    for operation in ("EnableMFADevice", "ResyncMFADevice"):
        with DENIED:
            house.iam(
                bob, operation, UserName="ann", SerialNumber=serial, AuthenticationCode1="1", AuthenticationCode2="2"
            )
    for operation in ("DeactivateMFADevice", "ListMFADevices", "GetMFADevice"):
        with DENIED:
            house.iam(bob, operation, UserName="ann", SerialNumber=serial)
    with DENIED:
        house.iam(bob, "ListVirtualMFADevices")
    with DENIED:
        house.iam(bob, "CreateVirtualMFADevice", VirtualMFADeviceName="x")
    with DENIED:
        house.iam(bob, "DeleteVirtualMFADevice", SerialNumber=serial)
    # Another path is another serial number, which is nobody's.
    climbed = serial.replace("mfa/", "mfa/other/")
    with DENIED:
        house.sts(ann, "GetSessionToken", SerialNumber=climbed, TokenCode=show(0))
    house.sts(ann, "GetSessionToken", SerialNumber=serial, TokenCode=show(0))


def test_guessing_is_slow(house: House) -> None:
    ann = house.user("ann")
    serial, show = device(house, "ann")
    ask = {"SerialNumber": serial}
    wrong = next(code for code in ("000000", "000001") if code not in {show(-1), show(0), show(1)})
    for _ in range(5):
        with DENIED:
            house.sts(ann, "GetSessionToken", **ask, TokenCode=wrong)
    with DENIED:
        house.sts(ann, "GetSessionToken", **ask, TokenCode=show(0))
    house.later(minutes=4)
    with DENIED:
        house.sts(ann, "GetSessionToken", **ask, TokenCode=show(0))
    house.later(minutes=2)
    house.sts(ann, "GetSessionToken", **ask, TokenCode=show(0))


def test_the_life_of_a_device(house: House) -> None:
    house.user("ann")
    serial, show = device(house, "ann")
    it = {"UserName": "ann", "SerialNumber": serial}
    assert [one["SerialNumber"] for one in house.iam(house.admin, "ListMFADevices", UserName="ann")["MFADevices"]] == [
        serial
    ]
    assert house.iam(house.admin, "GetMFADevice", **it)["SerialNumber"] == serial
    listed = house.iam(house.admin, "ListVirtualMFADevices", AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert [one["User"]["UserName"] for one in listed] == ["ann"]
    assert house.iam(house.admin, "ListVirtualMFADevices", AssignmentStatus="Unassigned")["VirtualMFADevices"] == []
    assert "Base32StringSeed" not in listed[0]
    assert house.iam(house.admin, "GetAccountSummary")["SummaryMap"]["MFADevicesInUse"] == 1
    with pytest.raises(InvalidAuthenticationCode):
        house.iam(house.admin, "ResyncMFADevice", **it, AuthenticationCode1=show(0), AuthenticationCode2=show(0))
    house.iam(house.admin, "ResyncMFADevice", **it, AuthenticationCode1=show(0), AuthenticationCode2=show(1))
    with pytest.raises(DeleteConflict):
        house.iam(house.admin, "DeleteVirtualMFADevice", SerialNumber=serial)
    for key in house.iam(house.admin, "ListAccessKeys", UserName="ann")["AccessKeyMetadata"]:
        house.iam(house.admin, "DeleteAccessKey", UserName="ann", AccessKeyId=key["AccessKeyId"])
    with pytest.raises(DeleteConflict, match="MFA"):
        house.iam(house.admin, "DeleteUser", UserName="ann")
    house.iam(house.admin, "DeactivateMFADevice", **it)
    with pytest.raises(NoSuchEntity):
        house.iam(house.admin, "GetMFADevice", **it)
    house.iam(house.admin, "DeleteVirtualMFADevice", SerialNumber=serial)
    house.iam(house.admin, "DeleteUser", UserName="ann")
