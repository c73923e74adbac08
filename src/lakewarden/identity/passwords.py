"""Console passwords, and the account's rules about them.

IAM User Guide, "Set an account password policy for IAM users".
"""

import hashlib
import hmac
import secrets
import string
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from lakewarden.identity.entities import require
from lakewarden.identity.errors import (
    EntityAlreadyExists,
    NoSuchEntity,
    PasswordPolicyViolation,
    WrongPassword,
)
from lakewarden.identity.model import Account, PasswordPolicy, User
from lakewarden.identity.store import Identities, IdentityStore
from lakewarden.kernel.clock import Clock

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_LONGEST = 128
_REMEMBERED = 24
_SYMBOLS = frozenset("!@#$%^&*()_+-=[]{}|'")
_Has = Callable[[str], bool]
_KINDS: Sequence[tuple[str, str, _Has]] = (
    ("uppercase", "one uppercase character", lambda letter: letter in string.ascii_uppercase),
    ("lowercase", "one lowercase character", lambda letter: letter in string.ascii_lowercase),
    ("numbers", "one number", lambda letter: letter in string.digits),
    ("symbols", "one symbol", lambda letter: letter in _SYMBOLS),
)


class Passwords:
    """Login profiles, ChangePassword and the account password policy."""

    def __init__(self, store: IdentityStore, account: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._clock = clock

    def policy(self) -> PasswordPolicy | None:
        """The account password policy, or None while AWS's default one holds."""
        with self._store.read() as identities:
            found = identities.get(Account, "account")
        return found.passwords if found is not None else None

    def create(self, user: str, password: str, *, reset_required: bool) -> User:
        """CreateLoginProfile; raises PasswordPolicyViolation, EntityAlreadyExists, NoSuchEntity."""
        with self._store.write() as identities:
            found = require(identities, User, user)
            if found.password:
                raise EntityAlreadyExists(f"Login Profile for user {user} already exists.")
            return self._put(identities, found, password, reset_required=reset_required)

    def update(self, user: str, password: str | None, reset_required: bool | None) -> User:
        """UpdateLoginProfile: what is left out stays."""
        with self._store.write() as identities:
            found = self._with_password(identities, user)
            required = found.password_reset_required if reset_required is None else reset_required
            if password is not None:
                return self._put(identities, found, password, reset_required=required)
            changed = msgspec.structs.replace(found, password_reset_required=required)
            identities.put(changed)
            return changed

    def change(self, user: str, old: str, new: str) -> User:
        """ChangePassword; raises :class:`WrongPassword` and :class:`PasswordPolicyViolation`."""
        right = self.check(user, old)
        with self._store.write() as identities:
            found = require(identities, User, user)
            if not right or not _matches(old, found.password):
                raise WrongPassword("The old password was incorrect.")
            return self._put(identities, found, new, reset_required=False)

    def delete(self, user: str) -> None:
        """DeleteLoginProfile."""
        with self._store.write() as identities:
            found = self._with_password(identities, user)
            identities.put(msgspec.structs.replace(found, password="", password_created="", password_history=()))

    def profile(self, user: str) -> User:
        """The user of a login profile; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return self._with_password(identities, user)

    def check(self, user: str, password: str) -> bool:
        """Whether ``password`` opens the console for ``user``; unknown users cost the same time.

        A password past its age opens nothing when the policy says so (HardExpiry).
        """
        with self._store.read() as identities:
            found = identities.get(User, user)
        stored = found.password if found is not None and found.password else _hashed("", b"-" * 16)
        right = _matches(password, stored) and found is not None and bool(found.password)
        return right and found is not None and not (self.expired(found) and self._rules().hard_expiry)

    def must_change(self, user: User) -> bool:
        """Whether the next thing that the user does must be a new password."""
        return user.password_reset_required or self.expired(user)

    def expired(self, user: User) -> bool:
        """Whether the password is older than the policy lets it become."""
        age = self._rules().max_age_days
        if not age or not user.password_created:
            return False
        return self._clock() >= datetime.fromisoformat(user.password_created) + timedelta(days=age)

    def _rules(self) -> PasswordPolicy:
        return self.policy() or PasswordPolicy()

    def _with_password(self, identities: Identities, user: str) -> User:
        found = require(identities, User, user)
        if not found.password:
            raise NoSuchEntity(f"Login Profile for User {user} cannot be found.")
        return found

    def _put(self, identities: Identities, user: User, password: str, *, reset_required: bool) -> User:
        account = identities.get(Account, "account")
        self._judge(account, user, password)
        before = (user.password, *user.password_history) if user.password else user.password_history
        changed = msgspec.structs.replace(
            user,
            password=_hashed(password, secrets.token_bytes(16)),
            password_created=self._clock().isoformat(),
            password_reset_required=reset_required,
            password_history=tuple(before[:_REMEMBERED]),
        )
        identities.put(changed)
        return changed

    def _judge(self, account: Account | None, user: User, password: str) -> None:
        rules = account.passwords if account is not None else None
        kinds = {name for name, _, has in _KINDS if any(map(has, password))}
        least = rules.minimum_length if rules is not None else 8
        if not least <= len(password) <= _LONGEST:
            raise PasswordPolicyViolation(f"Password should have a minimum length of {least} and at most {_LONGEST}")
        if rules is None:
            if len(kinds) < 3 or password.lower() in {user.name.lower(), self._account}:
                raise PasswordPolicyViolation(
                    "Password should have three of: uppercase characters, lowercase characters, numbers, symbols; and "
                    "not be the name of the user or the account"
                )
            return
        for name, words, _ in _KINDS:
            if getattr(rules, name) and name not in kinds:
                raise PasswordPolicyViolation(f"Password should have at least {words}")
        past = (user.password, *user.password_history)[: rules.reuse_prevention]
        if any(stored and _matches(password, stored) for stored in past):
            raise PasswordPolicyViolation("Password should not be one that was used before")


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, **_SCRYPT)
    return f"{salt.hex()}${digest.hex()}"


def _matches(password: str, stored: str) -> bool:
    return hmac.compare_digest(_hashed(password, bytes.fromhex(stored.partition("$")[0])), stored)
