"""What Studio needs from elsewhere. Bootstrap plugs the other contexts and the spawner in here."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from lakewarden.kernel.call import Principal


@dataclass(frozen=True, slots=True)
class Wearer:
    """Who is to wear an execution role: the person's profile, in a domain.

    ``identity`` is the domain's ExecutionRoleIdentityConfig: ``USER_PROFILE_NAME`` (the source identity must be set),
    ``DISABLED`` (it must not), or empty (it is set where the role's trust policy lets it).
    """

    role_arn: str
    domain: str
    profile: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Worn:
    """Credentials of an execution role, and the principal that they make."""

    principal: Principal
    access_key_id: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime


class ExecutionRoles(Protocol):
    """Port to identity."""

    def exists(self, role_arn: str) -> bool: ...

    async def wear(self, wearer: Wearer) -> Worn:
        """Assume the role as sagemaker.amazonaws.com, by its trust policy, audited as STS AssumeRole.

        Raises :class:`lakewarden.studio.errors.TrustRefused`.
        """
        ...


class Calls(Protocol):
    """Port to the dispatcher: an API call by a principal, guarded and audited like one that came over the wire."""

    async def call(self, principal: Principal, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer's members; raises the call's AwsError."""
        ...


class Trail(Protocol):
    """Port to the audit log, for what is no API call. Returns when the record is durable."""

    async def event(
        self, principal: Principal, name: str, details: Mapping[str, Any], source_ip: str = "", error: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one app may use: bytes of memory, processes, processor cores, and bytes on disk: its home and what it has
    for temporary files.
    """

    memory: int = 2 * 1024**3
    processes: int = 256
    cores: int = 2
    disk: int = 20 * 1024**3


@dataclass(frozen=True, slots=True)
class Launch:
    """What a notebook process is started with. ``user_id`` (hex digits) stands for whose home it is: processes with the
    same one share it. ``home`` is made if it is not there. ``base`` is the URL path that it
    serves under, ``proof`` what it takes as the mark of a request from us, ``token`` opens its credentials;
    ``packages`` is the path of a package index on its endpoint, empty for none. ``disk`` is how many bytes its files may
    take, 0 for the spawner's own limit. ``common`` is a directory that all with the same ``group_id`` may write.
    """

    app_id: str
    user_id: str
    profile: str
    base: str
    home: Path
    region: str
    proof: str = field(repr=False)
    token: str = field(repr=False)
    packages: str = ""
    disk: int = 0
    common: Path | None = None
    group_id: str = ""


class Notebook(Protocol):
    """A running notebook process and all that it started."""

    @property
    def endpoint(self) -> socket.socket:
        """A listening socket inside its wall: all of the network that it can reach. Whoever starts it serves it."""
        ...

    async def connect(self) -> socket.socket:
        """A new connection to its server; raises ``OSError`` while there is none."""
        ...

    async def ended(self) -> str:
        """Wait for its end; answers why, with the last that it wrote."""
        ...

    async def stop(self) -> None:
        """End it and everything that it started."""
        ...


class Spawner(Protocol):
    """Starts notebook processes behind a wall."""

    def refusal(self) -> str:
        """Why apps cannot be started here; empty when they can."""
        ...

    async def start(self, launch: Launch) -> Notebook:
        """Start; raises :class:`lakewarden.studio.errors.CannotStart`."""
        ...

    def remove(self, home: Path) -> None:
        """Delete a home directory."""
        ...
