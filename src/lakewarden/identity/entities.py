"""What every identity has in common: names, paths, tags, and the quotas that AWS documents.

IAM User Guide, "IAM and AWS STS quotas".
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lakewarden.identity.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from lakewarden.identity.model import (
    Entity,
    Group,
    InstanceProfile,
    MfaDevice,
    OidcProvider,
    Policy,
    Role,
    SamlProvider,
    User,
)
from lakewarden.identity.store import Identities

E = TypeVar("E", bound=Entity)
Tags = Sequence[Mapping[str, str]] | None

TITLES: Mapping[type[Entity], str] = {
    User: "user",
    Group: "group",
    Role: "role",
    Policy: "policy",
    InstanceProfile: "instance profile",
    OidcProvider: "OpenID Connect provider",
    SamlProvider: "SAML provider",
    MfaDevice: "virtual MFA device",
}
QUOTAS: Mapping[type[Entity], int] = {
    User: 5000, Group: 300, Role: 1000, Policy: 1500, InstanceProfile: 1000, OidcProvider: 100, SamlProvider: 100,
    MfaDevice: 5000,
}  # fmt: skip
GROUPS_PER_USER = 10
ATTACHED_PER_ENTITY = 10
MAX_TAGS = 50
_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_PATH = re.compile(r"/([!-~]{1,510}/)?")
_TAG_KEY = re.compile(r"[\w\s.:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w\s.:/=+\-@]{0,256}")


def require(identities: Identities, kind: type[E], name: str) -> E:
    """The entity; raises :class:`NoSuchEntity`."""
    found = identities.get(kind, name)
    if found is None:
        raise NoSuchEntity(f"The {TITLES[kind]} with name {name} cannot be found.")
    return found


def insert(identities: Identities, entity: E) -> E:
    """Store a new entity; raises :class:`EntityAlreadyExists` or :class:`LimitExceeded`."""
    kind = type(entity)
    if identities.get(kind, entity.name) is not None:
        title = TITLES[kind]
        raise EntityAlreadyExists(f"{title[:1].upper()}{title[1:]} with name {entity.name} already exists.")
    if identities.count(kind) >= QUOTAS[kind]:
        raise LimitExceeded(f"Cannot exceed quota for {kind.__name__}sPerAccount: {QUOTAS[kind]}")
    identities.put(entity)
    return entity


def checked_name(text: str, member: str, longest: int) -> str:
    """``text`` when it is an IAM name; raises :class:`ValidationError`."""
    if not _NAME.fullmatch(text) or len(text) > longest:
        raise ValidationError(
            f"The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-"
        )
    return text


def checked_path(text: str) -> str:
    """``text`` when it is a path; raises :class:`ValidationError`."""
    if not _PATH.fullmatch(text):
        raise ValidationError("The specified value for path is invalid. It must begin and end with /.")
    return text


def checked_size(document: str, longest: int, what: str) -> str:
    """``document`` when it keeps the quota, white space not counted; raises :class:`LimitExceeded`."""
    if sum(not letter.isspace() for letter in document) > longest:
        raise LimitExceeded(f"Cannot exceed quota for {what}: {longest}")
    return document


def tags_of(members: Tags) -> dict[str, str]:
    """AWS's list of Key and Value as a dict; raises :class:`InvalidInput` for keys that stand twice.

    Keys that differ only in case are the same key, as condition keys are matched without regard to case.
    """
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in members or ():
        key, value = tag["Key"], tag.get("Value", "")
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value) or key.lower().startswith("aws:"):
            raise InvalidInput(
                "Tag keys and values have letters, digits, spaces and _.:/=+-@; keys do not begin with aws:"
            )
        if key.lower() in seen:
            raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        seen.add(key.lower())
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise LimitExceeded(f"Cannot exceed quota for TagsPerEntity: {MAX_TAGS}")
    return tags


def with_tags(before: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """``before`` with tags added or replaced, whatever their case; raises :class:`LimitExceeded`."""
    replaced = {key.lower() for key in added}
    merged = {**{key: value for key, value in before.items() if key.lower() not in replaced}, **added}
    if len(merged) > MAX_TAGS:
        raise LimitExceeded(f"Cannot exceed quota for TagsPerEntity: {MAX_TAGS}")
    return merged


def without_tags(before: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """``before`` without ``keys``, whatever their case."""
    removed = {key.lower() for key in keys}
    return {key: value for key, value in before.items() if key.lower() not in removed}
