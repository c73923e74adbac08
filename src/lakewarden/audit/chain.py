"""The hash chain, pure: each entry's hash covers its number, the hash before it, and the record's bytes."""

import hashlib
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


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at some moment."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that does not fit, and why."""

    sequence: int
    reason: str


def link(sequence: int, previous: str, record: str) -> Entry:
    """The next entry."""
    return Entry(sequence, record, previous, digest(sequence, previous, record))


def digest(sequence: int, previous: str, record: str) -> str:
    """SHA-256 in hex. The number has a fixed width, so that no two entries share an encoding."""
    return hashlib.sha256(f"{sequence:020d}\n{previous}\n{record}".encode()).hexdigest()


def first_break(entries: Iterable[Entry], start: Head) -> tuple[Head, Break | None]:
    """Follow ``entries`` from ``start``: the last good head, and the first break if there is one."""
    head = start
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            return head, Break(head.sequence + 1, f"the record is missing; the next one is {entry.sequence}")
        if entry.previous != head.hash:
            return head, Break(entry.sequence, "the record does not follow the one before it")
        if digest(entry.sequence, entry.previous, entry.record) != entry.hash:
            return head, Break(entry.sequence, "the record was changed")
        head = Head(entry.sequence, entry.hash)
    return head, None
