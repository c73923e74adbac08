"""Virtual MFA devices: time-based one-time passwords (RFC 6238: SHA-1, 30 seconds, six digits) of IAM users."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from lakewarden.identity.entities import checked_name, checked_path, insert, require
from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidAuthenticationCode,
    LimitExceeded,
    NoSuchEntity,
)
from lakewarden.identity.model import MfaDevice, User
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import new_id
from lakewarden.identity.store import Identities, IdentityStore
from lakewarden.kernel.arn import iam
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AccessDenied

_PURPOSE = "mfa-seed"
_SEED_BYTES = 40
_STEP = 30
_DEVICES_PER_USER = 8
_MOST_FAILURES = 5
_PAUSE = timedelta(minutes=5)
_FAILED = "MultiFactorAuthentication failed with invalid MFA one time pass code. "


def code_at(seed: bytes, step: int) -> str:
    """The code of the ``step``-th half minute since 1970."""
    digest = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


class MfaDevices:
    """Devices, and what their codes prove."""

    def __init__(self, store: IdentityStore, ring: KeyRing, account: str, clock: Clock) -> None:
        self._store = store
        self._ring = ring
        self._account = account
        self._clock = clock

    def serial(self, device: MfaDevice) -> str:
        """The serial number of a virtual device is its ARN."""
        return iam(self._account, device.resource)

    def create(self, name: str, path: str, tags: dict[str, str]) -> tuple[MfaDevice, bytes]:
        """CreateVirtualMFADevice: the device, and its seed in base 32, which is answered this once."""
        seed = secrets.token_bytes(_SEED_BYTES)
        with self._store.write() as identities:
            device = MfaDevice(
                name=checked_name(name, "virtualMFADeviceName", 128), id=new_id("", 16),
                created=self._clock().isoformat(), path=checked_path(path), tags=tags,
                seed=self._ring.seal(seed, _PURPOSE),
            )  # fmt: skip
            return insert(identities, device), base64.b32encode(seed)

    def all(self) -> Sequence[MfaDevice]:
        """Every virtual device, by name."""
        with self._store.read() as identities:
            return identities.all(MfaDevice)

    def of(self, user: str) -> Sequence[MfaDevice]:
        """The devices of a user; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            owner = require(identities, User, user)
            return devices_of(identities, owner.id)

    def delete(self, serial: str) -> None:
        """DeleteVirtualMFADevice; raises :class:`DeleteConflict` while it is somebody's."""
        with self._store.write() as identities:
            device = self._named(identities, serial)
            if device.user_id:
                raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")
            identities.delete(device)

    def enable(self, user: str, serial: str, first: str, second: str) -> None:
        """EnableMFADevice: two codes that follow each other show that the user holds the device."""
        with self._store.write() as identities:
            owner, device = require(identities, User, user), self._named(identities, serial)
            if device.user_id:
                raise EntityAlreadyExists(f"MFA Device {serial} is already in use.")
            if len(devices_of(identities, owner.id)) >= _DEVICES_PER_USER:
                raise LimitExceeded(f"Cannot exceed quota for MFADevicesPerUser: {_DEVICES_PER_USER}")
            step = self._following(device, first, second)
            now = self._clock().isoformat()
            identities.put(msgspec.structs.replace(device, user_id=owner.id, enabled=now, last_step=step))

    def resync(self, user: str, serial: str, first: str, second: str) -> None:
        """ResyncMFADevice: as at first, with codes newer than those that were used."""
        with self._store.write() as identities:
            device = self._owned(identities, user, serial)
            step = self._following(device, first, second)
            identities.put(msgspec.structs.replace(device, last_step=step, failures=0))

    def deactivate(self, user: str, serial: str) -> None:
        """DeactivateMFADevice: it is nobody's, and its seed is good for nothing any more."""
        with self._store.write() as identities:
            device = self._owned(identities, user, serial)
            identities.put(msgspec.structs.replace(device, user_id="", enabled="", failures=0, failed_at=""))

    def check(self, caller: Principal, serial: str, code: str) -> None:
        """Raise AccessDenied unless ``code`` is one that the caller's own device shows now and that was not used yet.

        INVARIANT (deny_by_default): guessing is slow. Whoever was wrong five times in a row waits five minutes, and is
        not told whether the next guess was right.
        """
        self._verify(caller, serial, code, use=False)

    def use(self, caller: Principal, serial: str, code: str) -> None:
        """The same, and the code cannot be used again."""
        self._verify(caller, serial, code, use=True)

    def _verify(self, caller: Principal, serial: str, code: str, *, use: bool) -> None:
        if caller.type is not PrincipalType.USER:
            raise AccessDenied(f"{_FAILED}The caller is no IAM user.")
        with self._store.note() as identities:
            device = self._find(identities, serial)
            if device is None or device.user_id != caller.user_id:
                raise AccessDenied(f"{_FAILED}The device is not the caller's.")
            now = self._clock()
            paused = device.failures >= _MOST_FAILURES and now < datetime.fromisoformat(device.failed_at) + _PAUSE
            step = None if paused else self._fits(device, code, now)
            if step is not None and use:
                identities.put(msgspec.structs.replace(device, last_step=step, failures=0))
            elif step is None and not paused:
                failures = device.failures + 1 if device.failures < _MOST_FAILURES else 1
                identities.put(msgspec.structs.replace(device, failures=failures, failed_at=now.isoformat()))
        if step is None:
            raise AccessDenied(_FAILED.strip())

    def _fits(self, device: MfaDevice, code: str, now: datetime) -> int | None:
        """The step whose code this is: the present one, or one before or after, newer than the last that was used."""
        seed, present = self._ring.open(device.seed, _PURPOSE), int(now.timestamp()) // _STEP
        found = None
        for step in (present - 1, present, present + 1):
            if hmac.compare_digest(code_at(seed, step).encode(), code.encode()) and step > device.last_step:
                found = step
        return found

    def _following(self, device: MfaDevice, first: str, second: str) -> int:
        seed, present = self._ring.open(device.seed, _PURPOSE), int(self._clock().timestamp()) // _STEP
        for step in range(present - 2, present + 2):
            if step > device.last_step and (code_at(seed, step - 1), code_at(seed, step)) == (first, second):
                return step
        raise InvalidAuthenticationCode("Authentication code for device is not valid")

    def _owned(self, identities: Identities, user: str, serial: str) -> MfaDevice:
        owner, device = require(identities, User, user), self._named(identities, serial)
        if device.user_id != owner.id:
            raise NoSuchEntity(f"MFA Device invalid for user {owner.name}.")
        return device

    def _named(self, identities: Identities, serial: str) -> MfaDevice:
        device = self._find(identities, serial)
        if device is None:
            raise NoSuchEntity(f"VirtualMFADevice with serial number {serial} does not exist.")
        return device

    def _find(self, identities: Identities, serial: str) -> MfaDevice | None:
        device = identities.get(MfaDevice, serial.rpartition("/")[2])
        return device if device is not None and self.serial(device) == serial else None


def devices_of(identities: Identities, user_id: str) -> Sequence[MfaDevice]:
    """The devices of the user with this id: a user made anew under an old name has none of the old one's."""
    return [device for device in identities.all(MfaDevice) if device.user_id == user_id]
