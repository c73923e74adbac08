"""Domains, user profiles, spaces and apps, as SageMaker keeps them. Immutable; a change is a new value."""

from typing import Any, ClassVar

import msgspec

IN_SERVICE = "InService"
PENDING = "Pending"
DELETING = "Deleting"
DELETED = "Deleted"
FAILED = "Failed"
JUPYTERLAB = "JupyterLab"
PRIVATE = "Private"
SHARED = "Shared"
PUBLIC = "PublicInternetOnly"
VPC = "VpcOnly"

Settings = dict[str, Any]
"""A settings structure of the API, under the API's own member names."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """What all have. ``domain`` is the domain's id, ``id`` is never reused, moments are ISO 8601 UTC."""

    kind: ClassVar[str] = ""

    domain: str
    name: str
    id: str
    created: str
    modified: str
    status: str = IN_SERVICE
    failure: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells it from others of its kind in the domain."""
        return self.name

    @property
    def path(self) -> str:
        """The resource part of the ARN."""
        return f"{self.kind}/{self.domain}/{self.name}"


class Domain(Resource, frozen=True, kw_only=True):
    """A Studio domain. ``network`` holds VpcId, SubnetIds, AppNetworkAccessType and their like as they were given."""

    kind: ClassVar[str] = "domain"

    auth_mode: str
    user_settings: Settings
    space_settings: Settings = msgspec.field(default_factory=dict)
    settings: Settings = msgspec.field(default_factory=dict)
    network: Settings = msgspec.field(default_factory=dict)

    @property
    def key(self) -> str:
        """Domains stand beside each other under their ids."""
        return ""

    @property
    def path(self) -> str:
        """``domain/d-...``."""
        return f"domain/{self.domain}"


class UserProfile(Resource, frozen=True, kw_only=True):
    """One person in a domain."""

    kind: ClassVar[str] = "user-profile"

    settings: Settings = msgspec.field(default_factory=dict)
    sso_identifier: str = ""
    sso_value: str = ""


class Space(Resource, frozen=True, kw_only=True):
    """A home directory and the app that runs on it. ``owner`` is a user profile, ``sharing`` Private or Shared."""

    kind: ClassVar[str] = "space"

    owner: str = ""
    sharing: str = SHARED
    settings: Settings = msgspec.field(default_factory=dict)
    display_name: str = ""

    @property
    def private(self) -> bool:
        """Whether it is its owner's alone."""
        return self.sharing == PRIVATE and bool(self.owner)

    def opens_for(self, profile: str) -> bool:
        """Whether a profile of the domain may come here at all; what it may do here its role's policies decide."""
        return self.owner == profile if self.private else True


class App(Resource, frozen=True, kw_only=True):
    """A JupyterLab on a space, one person's: ``profile`` is whose role it wears and who alone can open it.

    ``active`` is the last moment that a person did something in it, ``server`` the name of
    the server whose process it is.
    """

    kind: ClassVar[str] = "app"

    space: str
    type: str = JUPYTERLAB
    resource_spec: Settings = msgspec.field(default_factory=dict)
    active: str = ""
    server: str = ""
    profile: str = ""

    @property
    def key(self) -> str:
        """Unique in the domain."""
        return f"{self.space}/{self.type}/{self.name}"

    @property
    def path(self) -> str:
        """``app/<domain>/<space>/<type>/<name>``."""
        return f"app/{self.domain}/{self.key}"

    @property
    def lives(self) -> bool:
        """Whether a process runs for it, or is about to begin or end."""
        return self.status in {PENDING, IN_SERVICE, DELETING}


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for a presigned URL: enough of the principal to name the person in the audit trail."""

    type: str
    account: str
    arn: str
    user_id: str
    name: str
    access_key_id: str = ""
    source_identity: str = ""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a presigned URL or a browser's cookie stands for: one profile (by id, so that a namesake made later is
    another), one space or (empty) all of the profile's own, until ``expires`` (epoch seconds).

    ``session_seconds`` is how long the browser session of a URL lasts; ``landing`` the path below the profile's page.
    """

    domain: str
    profile: str
    profile_id: str
    signer: Signer
    expires: int
    space: str = ""
    session_seconds: int = 0
    landing: str = ""

    @property
    def begun(self) -> int:
        """When a browser session began, in epoch seconds."""
        return self.expires - self.session_seconds
