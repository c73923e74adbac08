"""Access keys, login profiles and passwords."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation
from lakewarden.identity import rules
from lakewarden.identity.account import AccountSettings
from lakewarden.identity.api.shapes import Params, moment, operation, page
from lakewarden.identity.errors import InvalidUserType
from lakewarden.identity.last_used import LastUses
from lakewarden.identity.model import User
from lakewarden.identity.service import IdentityService
from lakewarden.kernel.call import Call, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.policy import PolicyKind, compile_policy

_HIDDEN = frozenset({"AccessKey.SecretAccessKey", "Password", "NewPassword", "OldPassword"})
_Do = Callable[[str, Params], Mapping[str, Any] | None]


def operations(service: IdentityService, settings: AccountSettings, uses: LastUses) -> Sequence[Operation]:
    """The rows about credentials."""
    return (*_keys(service, uses), *_profiles(service), _change_password(service, settings))


def _own(service: IdentityService, name: str, do: _Do, *, read: bool = False) -> Operation:
    """An operation on the named user, or on the caller itself."""

    def handler(call: AuthorizedCall) -> Mapping[str, Any]:
        return do(rules.user_name(call.call), call.params) or {}

    return Operation(name, handler, rules.own_user(service, f"iam:{name}"), read_only=read, hidden=_HIDDEN)


def _keys(service: IdentityService, uses: LastUses) -> Sequence[Operation]:
    keys = service.access_keys

    def create(user: str, _: Params) -> Mapping[str, Any]:
        key, secret = keys.create(user)
        return {
            "AccessKey": {
                "UserName": key.user, "AccessKeyId": key.id, "Status": "Active", "SecretAccessKey": secret,
                "CreateDate": moment(key.created),
            }
        }  # fmt: skip

    def everything(user: str, params: Params) -> Mapping[str, Any]:
        answers = [
            {
                "UserName": key.user, "AccessKeyId": key.id, "Status": "Active" if key.active else "Inactive",
                "CreateDate": moment(key.created),
            }
            for key in keys.of(user)
        ]  # fmt: skip
        return page(answers, params, "AccessKeyMetadata")

    def last_used(params: Params) -> Mapping[str, Any]:
        uses.flush()
        user, use = keys.last_use(params["AccessKeyId"])
        shown: dict[str, Any] = {"ServiceName": "N/A", "Region": "N/A"}
        if use is not None:
            shown = {"LastUsedDate": moment(use.at), "ServiceName": use.service, "Region": use.region}
        return {"UserName": user, "AccessKeyLastUsed": shown}

    def using(call: Call) -> Sequence[Access]:
        return (rules.on(service, User, keys.owner(call.params["AccessKeyId"]) or "*", "iam:GetAccessKeyLastUsed"),)

    return (
        _own(service, "CreateAccessKey", create),
        _own(service, "ListAccessKeys", everything, read=True),
        _own(
            service,
            "UpdateAccessKey",
            lambda user, params: keys.set_active(user, params["AccessKeyId"], active=params["Status"] == "Active"),
        ),
        _own(service, "DeleteAccessKey", lambda user, params: keys.delete(user, params["AccessKeyId"])),
        operation("GetAccessKeyLastUsed", using, last_used, read=True),
    )


def _profiles(service: IdentityService) -> Sequence[Operation]:
    passwords = service.passwords

    def answer(user: User) -> Mapping[str, Any]:
        return {
            "LoginProfile": {
                "UserName": user.name, "CreateDate": moment(user.password_created),
                "PasswordResetRequired": user.password_reset_required,
            }
        }  # fmt: skip

    def create(user: str, params: Params) -> Mapping[str, Any]:
        required = params.get("PasswordResetRequired", False)
        return answer(passwords.create(user, params.get("Password", ""), reset_required=required))

    def update(user: str, params: Params) -> None:
        passwords.update(user, params.get("Password"), params.get("PasswordResetRequired"))

    return (
        _own(service, "CreateLoginProfile", create),
        _own(service, "GetLoginProfile", lambda user, _: answer(passwords.profile(user)), read=True),
        _own(service, "UpdateLoginProfile", update),
        _own(service, "DeleteLoginProfile", lambda user, _: passwords.delete(user)),
    )


def _change_password(service: IdentityService, settings: AccountSettings) -> Operation:
    def rule(call: Call) -> Sequence[Access]:
        """The caller's own password: iam:ChangePassword, which the account's password policy may give to every user."""
        caller = call.principal
        if caller.type is not PrincipalType.USER:
            raise InvalidUserType("Only IAM users have a password to change.")
        allowed = None
        if settings.users_may_change_passwords():
            allowed = compile_policy(_everyone_changes(caller.arn), layer=Layer.RESOURCE, name="account password policy",
                                     kind=PolicyKind.RESOURCE)  # fmt: skip
        access = rules.on(service, User, caller.name, "iam:ChangePassword")
        return (Access(access.action, access.resource, access.context, allowed),)

    def change(call: AuthorizedCall) -> Mapping[str, Any]:
        service.passwords.change(call.call.principal.name, call.params["OldPassword"], call.params["NewPassword"])
        return {}

    return Operation("ChangePassword", change, rule, read_only=False, hidden=_HIDDEN)


def _everyone_changes(user_arn: str) -> Mapping[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn},
        "Action": "iam:ChangePassword",
        "Resource": user_arn,
    }
    return {"Version": "2012-10-17", "Statement": statement}
