"""Trails: what they select, where they deliver, and how far they have come."""

from typing import Any

import msgspec


class DigestLink(msgspec.Struct, frozen=True):
    """The digest before the next one: where it lies, what it hashes to, and its signature."""

    bucket: str
    key: str
    hash: str
    signature: str


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """One trail. Instants are ISO 8601 UTC, empty where there is none.

    ``since`` is the log's head when logging started last; ``until`` the last record to deliver after a stop, 0 where
    nothing is pending. ``digest_from`` is where the next digest begins in time.
    """

    name: str
    arn: str
    region: str
    bucket: str
    prefix: str = ""
    global_events: bool = True
    multi_region: bool = False
    validation: bool = False
    selectors: tuple[dict[str, Any], ...] = ()
    advanced: tuple[dict[str, Any], ...] = ()
    tags: dict[str, str] = {}
    logging: bool = False
    deleting: bool = False
    since: int = 0
    until: int = 0
    started: str = ""
    stopped: str = ""
    delivered: str = ""
    attempted: str = ""
    error: str = ""
    digested: str = ""
    digest_error: str = ""
    digest_from: str = ""
    digest_wanted: bool = False
    digest: DigestLink | None = None


class TrailFile(msgspec.Struct, frozen=True):
    """A log file: the records ``first`` to ``last`` that the trail selects. ``hash`` is empty until it is delivered."""

    trail: str
    last: int
    first: int
    bucket: str
    key: str
    hash: str = ""
    oldest: str = ""
    newest: str = ""


class DigestKey(msgspec.Struct, frozen=True):
    """An RSA key that signs digests from ``valid_from`` to ``valid_to`` (epoch seconds).

    ``public_key`` is DER in PKCS#1 form. ``private_key`` is sealed, and empty once the key is retired.
    """

    fingerprint: str
    public_key: bytes
    private_key: str
    valid_from: int
    valid_to: int
