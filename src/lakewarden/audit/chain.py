"""The hash chain, pure: each entry's hash covers its number, the hash before it, and the record's bytes.

Anybody can recompute a hash; a *seal* is the hash's HMAC under the server's key, so that whoever rewrites the log and
all hashes behind the change is found at the first entry that the server did not write.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A link: ``sequence`` counts from 1 without gaps, ``record`` is the JSON text exactly as stored."""

    sequence: int
    record: str
    previous: str
    hash: str
    seal: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at some moment."""

    sequence: int
    hash: str


START = Head(0, GENESIS)
"""The head of an empty chain."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that does not fit, and why."""

    sequence: int
    reason: str


def link(head: Head, record: str, key: bytes) -> Entry:
    """The entry that follows ``head``, sealed with ``key``."""
    sequence = head.sequence + 1
    made = digest(sequence, head.hash, record)
    return Entry(sequence, record, head.hash, made, seal(made, key))


def digest(sequence: int, previous: str, record: str) -> str:
    """SHA-256 in hex. The number has a fixed width, so that no two entries share an encoding."""
    return hashlib.sha256(f"{sequence:020d}\n{previous}\n{record}".encode()).hexdigest()


def seal(hashed: str, key: bytes) -> str:
    """The HMAC-SHA256 of an entry's hash, in hex."""
    return hmac.digest(key, hashed.encode("ascii"), "sha256").hex()


def first_break(entries: Iterable[Entry], start: Head, key: bytes) -> tuple[Head, Break | None]:
    """Follow ``entries`` from ``start``: the last good head, and the first break if there is one."""
    head = start
    for entry in entries:
        reason = _wrong(entry, head, key)
        if reason is not None:
            return head, Break(min(entry.sequence, head.sequence + 1), reason)
        head = Head(entry.sequence, entry.hash)
    return head, None


def _wrong(entry: Entry, head: Head, key: bytes) -> str | None:
    if entry.sequence != head.sequence + 1:
        return f"the record is missing; the next one is {entry.sequence}"
    if entry.previous != head.hash:
        return "the record does not follow the one before it"
    if digest(entry.sequence, entry.previous, entry.record) != entry.hash:
        return "the record was changed"
    # An attacker's text may be anything; compare_digest takes no more than ASCII as text.
    if not hmac.compare_digest(seal(entry.hash, key).encode(), entry.seal.encode()):
        return "the record was not written by this server: its seal is wrong"
    return None
