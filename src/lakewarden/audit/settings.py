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


class TimeStamps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authority that stamps signed heads (RFC 3161): its address, and a PEM file with its root certificate.

    The file may hold the certificates between the root and the authority as well. ``minutes`` is how often a head is
    stamped.
    """

    url: str
    certificates: str
    minutes: int = 60


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting with its default.

    ``anchor_files`` and ``anchor_bucket`` are further places for signed heads, ``timestamps`` the authority that stamps
    them; ``retention_days`` removes records that are older (none: they are kept for ever); ``digest_minutes`` is how
    often a trail's digest is written; ``key_days`` how long a digest key signs before it is replaced.
    """

    anchor_files: tuple[str, ...] = ()
    anchor_bucket: str = ""
    timestamps: TimeStamps | None = None
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
    if found.timestamps is not None and found.timestamps.minutes < 1:
        raise BadSettings(f"{path}: timestamps.minutes is at least 1")
    return found
