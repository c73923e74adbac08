"""``audit.json``: what can be set about the audit trail. Nothing in it can turn the trail off."""

from pathlib import Path

import msgspec


class BadSettings(Exception):
    """``audit.json`` cannot be used; the text says why."""


class OpenLineage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where lineage events go: ``transport`` is ``console``, ``file`` (with ``path``) or ``http`` (with ``url``).

    ``api_key`` is sent as a bearer token by the HTTP transport.
    """

    transport: str
    namespace: str = "lakewarden"
    path: str = ""
    url: str = ""
    api_key: str = ""


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting with its default.

    ``anchor_files`` and ``anchor_bucket`` are further places for signed heads; ``retention_days`` removes records
    that are older (none: they are kept for ever); ``digest_minutes`` is how often a trail's digest is written;
    ``key_days`` how long a digest key signs before it is replaced.
    """

    anchor_files: tuple[str, ...] = ()
    anchor_bucket: str = ""
    retention_days: int | None = None
    digest_minutes: int = 60
    key_days: int = 30
    openlineage: OpenLineage | None = None


def load(path: Path) -> AuditSettings:
    """The settings; raises :class:`BadSettings`."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=AuditSettings)
    except FileNotFoundError:
        return AuditSettings()
    except (OSError, msgspec.MsgspecError) as error:
        raise BadSettings(f"{path}: {error}") from error
    if found.retention_days is not None and found.retention_days < 1:
        raise BadSettings(f"{path}: retention_days is at least 1")
    if found.digest_minutes < 1 or found.key_days < 1:
        raise BadSettings(f"{path}: digest_minutes and key_days are at least 1")
    return found
