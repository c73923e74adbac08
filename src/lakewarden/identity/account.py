"""The account's own settings: alias, password policy, credential report."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from lakewarden.identity.errors import (
    EntityAlreadyExists,
    NoSuchEntity,
    ReportExpired,
    ReportNotPresent,
    ValidationError,
)
from lakewarden.identity.model import AccessKey, Account, MfaDevice, PasswordPolicy, User
from lakewarden.identity.store import Identities, IdentityStore, LastUse
from lakewarden.kernel.arn import iam
from lakewarden.kernel.clock import Clock

_ALIAS = re.compile(r"(?!\d{12}$)[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_REPORT_LIFE = timedelta(hours=4)
_NONE = "N/A"
_COLUMNS = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
    "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
    "access_key_2_last_used_region", "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated",
    "cert_2_active", "cert_2_last_rotated",
)  # fmt: skip


class AccountSettings:
    """What belongs to the account as a whole."""

    def __init__(self, store: IdentityStore, account: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._clock = clock

    def current(self) -> Account:
        """The settings."""
        with self._store.read() as identities:
            return self._get(identities)

    def set_alias(self, alias: str) -> None:
        """CreateAccountAlias: the new one takes the place of the old."""
        if not _ALIAS.fullmatch(alias):
            raise ValidationError(
                "The account alias must be 3 to 63 lower-case letters, digits and single hyphens, and not twelve digits."
            )
        with self._change() as (identities, account):
            if account.alias == alias:
                raise EntityAlreadyExists(f"The account alias {alias} already exists.")
            identities.put(msgspec.structs.replace(account, alias=alias))

    def delete_alias(self, alias: str) -> None:
        """DeleteAccountAlias."""
        with self._change() as (identities, account):
            if not alias or account.alias != alias:
                raise NoSuchEntity(f"The account alias {alias} cannot be found.")
            identities.put(msgspec.structs.replace(account, alias=""))

    def password_policy(self) -> PasswordPolicy:
        """GetAccountPasswordPolicy; raises :class:`NoSuchEntity` while AWS's default one holds."""
        found = self.current().passwords
        if found is None:
            raise NoSuchEntity(f"The Password Policy with domain name {self._account} cannot be found.")
        return found

    def set_password_policy(self, policy: PasswordPolicy | None) -> None:
        """UpdateAccountPasswordPolicy and (None) DeleteAccountPasswordPolicy."""
        with self._change() as (identities, account):
            if policy is None and account.passwords is None:
                raise NoSuchEntity("The account policy with name PasswordPolicy cannot be found.")
            identities.put(msgspec.structs.replace(account, passwords=policy))

    def users_may_change_passwords(self) -> bool:
        """Whether the password policy lets every user change its own password."""
        found = self.current().passwords
        return found is not None and found.users_may_change

    def generate_report(self) -> None:
        """GenerateCredentialReport: complete when it returns."""
        with self._store.read() as identities:
            users = identities.all(User)
            keys: dict[str, list[AccessKey]] = {}
            for key in identities.all_keys():
                keys.setdefault(key.user, []).append(key)
            used = identities.last_used()
            rules = self._get(identities).passwords or PasswordPolicy()
            guarded = {device.user_id for device in identities.all(MfaDevice)}
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for user in users:
            writer.writerow(self._row(user, keys.get(user.name, []), used, rules, mfa=user.id in guarded))
        with self._change() as (identities, account):
            identities.put(
                msgspec.structs.replace(
                    account, credential_report=out.getvalue(), credential_report_at=self._clock().isoformat()
                )
            )

    def report(self) -> tuple[str, datetime]:
        """GetCredentialReport: CSV and when it was made; raises ReportNotPresent, or ReportExpired after 4 hours."""
        account = self.current()
        if not account.credential_report:
            raise ReportNotPresent("No report has been generated for this account.")
        made = datetime.fromisoformat(account.credential_report_at)
        if self._clock() >= made + _REPORT_LIFE:
            raise ReportExpired("The credential report is older than four hours; generate a new one.")
        return account.credential_report, made

    def _row(
        self, user: User, keys: Sequence[AccessKey], used: Mapping[str, LastUse], rules: PasswordPolicy, *, mfa: bool
    ) -> Sequence[str]:
        signed_in = used.get(user.id)
        rotation = _NONE
        if user.password and rules.max_age_days:
            due = datetime.fromisoformat(user.password_created) + timedelta(days=rules.max_age_days)
            rotation = due.isoformat()
        row = [
            user.name, iam(self._account, user.resource), user.created, _truth(bool(user.password)),
            signed_in.at if signed_in else "no_information" if user.password else _NONE,
            user.password_created or _NONE, rotation, _truth(mfa),
        ]  # fmt: skip
        for number in range(2):
            row += _key_cells(keys[number] if number < len(keys) else None, used)
        return [*row, "false", _NONE, "false", _NONE]

    def _get(self, identities: Identities) -> Account:
        return identities.get(Account, "account") or Account(name="account", id="account", created="")

    @contextmanager
    def _change(self) -> Iterator[tuple[Identities, Account]]:
        with self._store.write() as identities:
            yield identities, self._get(identities)


def _key_cells(key: AccessKey | None, used: Mapping[str, LastUse]) -> list[str]:
    if key is None:
        return ["false", _NONE, _NONE, _NONE, _NONE]
    use = used.get(key.id)
    cells = [use.at, use.region, use.service] if use else [_NONE] * 3
    return [_truth(key.active), key.created, *cells]


def _truth(value: bool) -> str:
    return "true" if value else "false"
