"""Buckets, objects and uploads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakewarden.policy import CompiledPolicy
from lakewarden.storage.lifecycle import Rule

MULTIPART_KINDS = ("FULL_OBJECT", "COMPOSITE")


@dataclass(frozen=True, slots=True)
class PublicAccess:
    """A public access block. What no rule opens is closed: a new bucket has all four."""

    block_acls: bool = True
    ignore_acls: bool = True
    block_policy: bool = True
    restrict: bool = True


OPEN = PublicAccess(False, False, False, False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """``created`` is ISO 8601 UTC; ``policy`` a resource policy document or empty, ``compiled`` what it says.

    ``public_access`` is None once its configuration was deleted. ``tagged`` says whether any object ever had tags.
    ``versioning`` is ``Enabled``, ``Suspended``, or empty where it was never enabled.
    """

    name: str
    region: str
    created: str
    policy: str = ""
    public_access: PublicAccess | None = PublicAccess()
    tags: Mapping[str, str] = field(default_factory=dict)
    tagged: bool = False
    versioning: str = ""
    lifecycle: tuple[Rule, ...] = ()
    compiled: CompiledPolicy | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client says about an object. ``headers`` are CacheControl and its kind, under their member names.

    ``owner`` is the ARN of the principal that a query result belongs to, empty for ordinary objects.
    """

    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sums:
    """An object's or a part's checksums: kind -> base64 value, and FULL_OBJECT or COMPOSITE."""

    values: Mapping[str, str] = field(default_factory=dict)
    type: str = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's facts. ``etag`` is without quotes; ``blob`` names its bytes; ``parts`` counts an upload's parts.

    ``version`` is its version id, empty for the version that AWS calls ``null``.
    """

    bucket: str
    key: str
    size: int
    etag: str
    modified: str
    blob: str
    attributes: Attributes = Attributes()
    sums: Sums = Sums()
    parts: int = 0
    upload: str = ""
    version: str = ""

    @property
    def owner(self) -> str:
        """The ARN of the principal that a query result belongs to, empty for ordinary objects."""
        return self.attributes.owner


@dataclass(frozen=True, slots=True)
class Version:
    """An object as it is or was, or (``marker``) the note that it was deleted; then only key, owner and times count."""

    stored: StoredObject
    marker: bool = False
    latest: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload, or of a finished object (then without a blob)."""

    number: int
    size: int
    etag: str = ""
    modified: str = ""
    blob: str = ""
    sums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """An upload in parts. ``algorithm`` is the checksum kind that the client asked for, or empty; ``initiator`` its ARN."""

    id: str
    bucket: str
    key: str
    created: str
    initiator: str
    attributes: Attributes = Attributes()
    algorithm: str = ""
    sums_type: str = ""


@dataclass(frozen=True, slots=True)
class VersionListing:
    """One page of versions: keys in order, the newest version of each first; ``next_after`` is key and version id."""

    versions: tuple[Version, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    next_after: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of keys: ``prefixes`` are the common prefixes, ``next_after`` the key to go on from."""

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    next_after: str
