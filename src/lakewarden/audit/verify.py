"""Proves that the log is complete, in order and unchanged, up to its newest signed head at least."""

import contextlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lakewarden.audit import anchors
from lakewarden.audit.chain import START, Break, Entry, Head, first_break, seal
from lakewarden.audit.clock import STEPPED
from lakewarden.audit.derived import Derived, IndexCheck, tables_break
from lakewarden.audit.ports import AnchorSource, BadTimeStamp, TimeAuthority
from lakewarden.audit.records import is_service_record
from lakewarden.audit.retention import RECORD as RETENTION
from lakewarden.audit.store import AuditStore

_SLACK = timedelta(minutes=10)
"""How far a record's time may be from its place in the log: calls that send a large body take so long."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """The heads' time stamps: how many, and the newest; ``unchecked`` are those that no authority is configured for."""

    count: int = 0
    newest: datetime | None = None
    unchecked: int = 0

    def __str__(self) -> str:
        """As part of a report's line; empty where there are none."""
        told = f", {self.count} time stamps, the newest of {self.newest:%Y-%m-%dT%H:%M:%SZ}" if self.newest else ""
        return f"{told}, {self.unchecked} time stamps of no configured authority" if self.unchecked else told


@dataclass(frozen=True, slots=True)
class Report:
    """``head`` is the last good entry, ``first`` the first that is kept, ``broken`` the first finding.

    ``anchored`` is how many signed heads were compared. ``notes`` are what is not tampering with the log, and worth a
    look: the server's clock was set.
    """

    head: Head
    anchored: int
    broken: Break | None
    first: int = 1
    stamps: Stamps = Stamps()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.broken is None

    def __str__(self) -> str:
        """One line for people, and one for each note."""
        return "\n".join((self._line(), *(f"note: {note}" for note in self.notes)))

    def _line(self) -> str:
        if self.broken is not None:
            return f"BROKEN at record {self.broken.sequence}: {self.broken.reason}"
        count = self.head.sequence - self.first + 1
        kept = "" if self.first == 1 else f" (those before {self.first} were removed by the retention rule)"
        return f"ok: {count} records{kept}, {self.anchored} signed heads{self.stamps}, head {self.head.hash}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves that the server wrote something: the seals' key, the anchors' public key, and who stamps heads."""

    seal: bytes
    anchor: Ed25519PublicKey
    authority: TimeAuthority | None = None


@dataclass(slots=True)
class _Expected:
    """What the signed heads say: hashes by sequence number, and when a head was stamped."""

    heads: dict[int, str] = field(default_factory=dict)
    stamped: dict[int, datetime] = field(default_factory=dict)
    unchecked: int = 0

    @property
    def stamps(self) -> Stamps:
        return Stamps(len(self.stamped), max(self.stamped.values(), default=None), self.unchecked)


def verify(
    store: AuditStore, places: tuple[AnchorSource, ...], latest: Path, keys: Keys, derived: Derived | None = None
) -> Report:
    """Follow the whole chain and compare it with every signed head, then what is ``derived`` from it with the log.

    ``places`` begins with the data directory's own.
    """
    try:
        expected = _expected(places, latest, keys)
    except anchors.BadAnchor as error:
        return Report(START, 0, Break(0, str(error)))
    base = store.base()
    start = START if base is None else base[0]
    if base is not None and not hmac.compare_digest(seal(start.hash, keys.seal).encode(), base[1].encode()):
        return Report(start, 0, Break(start.sequence, "the log's beginning was not set by this server"))
    watch = _Watch(expected, start, None if derived is None else IndexCheck(derived.index))
    head, broken = first_break(watch.followed(store), start, keys.seal)
    if broken is None:
        heads = {at: one for at, one in expected.heads.items() if at >= start.sequence}
        broken = _against(heads, watch.seen, head)
    if broken is None and base is not None and start.hash not in watch.removals:
        broken = Break(start.sequence, "records were removed from the log's beginning without a record of it")
    if broken is None and head.sequence and not expected.heads:
        broken = Break(head.sequence, "there is no signed head: the log's end cannot be proved")
    if broken is None and derived is not None:
        broken = watch.index_break(store) or tables_break(derived.tables, keys.seal)
    return Report(head, len(expected.heads), broken, start.sequence + 1, expected.stamps, tuple(watch.notes))


class _Watch:
    """What is to be remembered of the entries while the chain is followed."""

    def __init__(self, expected: _Expected, start: Head, index: IndexCheck | None) -> None:
        self._expected = expected
        self._index = index
        self._removed_to = start.sequence
        self.seen: dict[int, str] = {start.sequence: start.hash}
        self.removals: set[str] = set()
        self.notes: list[str] = []

    def followed(self, store: AuditStore) -> Iterator[Entry]:
        """The entries, looked at as they pass."""
        stamped_at: datetime | None = None
        for entry in store.entries():
            if entry.sequence in self._expected.heads:
                self.seen[entry.sequence] = entry.hash
            if RETENTION in entry.record or STEPPED in entry.record:
                self._noteworthy(entry)
            if stamped_at is not None:
                self._after_stamp(entry, stamped_at)
            stamped_at = self._expected.stamped.get(entry.sequence)
            if stamped_at is not None and (at := _at(entry)) is not None and at > stamped_at + _SLACK:
                said = f"record {entry.sequence} says {at:%Y-%m-%dT%H:%M:%SZ} and was stamped before"
                self.notes.append(f"{said}, at {stamped_at:%Y-%m-%dT%H:%M:%SZ}: the server's clock was ahead")
            if self._index is not None:
                self._pass(self._index, entry)
            yield entry

    def _pass(self, index: IndexCheck, entry: Entry) -> None:
        with contextlib.suppress(msgspec.MsgspecError):  # a record that was changed is found by its hash, in a moment
            index.add(entry.sequence, entry.record)

    def index_break(self, store: AuditStore) -> Break | None:
        """The first record of which the look-up index tells something else."""
        return None if self._index is None else self._index.first_break(store, self._removed_to)

    def _after_stamp(self, entry: Entry, stamped_at: datetime) -> None:
        at = _at(entry)
        if at is not None and at < stamped_at - _SLACK:
            said = f"record {entry.sequence} says {at:%Y-%m-%dT%H:%M:%SZ} and follows one that was stamped"
            self.notes.append(f"{said} at {stamped_at:%Y-%m-%dT%H:%M:%SZ}: the server's clock was behind")

    def _noteworthy(self, entry: Entry) -> None:
        """INVARIANT (tampering_is_found): what a caller wrote into its parameters is no record of the server's own."""
        record = _decoded(entry)
        if is_service_record(record, RETENTION):
            self.removals.add(str(record["serviceEventDetails"]["hash"]))
            self._removed_to = max(self._removed_to, int(record["serviceEventDetails"]["removedTo"]))
        if is_service_record(record, STEPPED):
            details = record["serviceEventDetails"]
            self.notes.append(f"record {entry.sequence}: the server's clock was set by {details['seconds']} seconds")


def _decoded(entry: Entry) -> Mapping[str, Any]:
    try:
        found = json.loads(entry.record)
    except ValueError:  # a record that was changed is found by its hash, in a moment
        return {}
    return found if isinstance(found, dict) else {}


def _at(entry: Entry) -> datetime | None:
    try:
        return datetime.fromisoformat(str(_decoded(entry)["eventTime"])).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _expected(places: tuple[AnchorSource, ...], latest: Path, keys: Keys) -> _Expected:
    """Every signed head, by sequence number; raises :class:`BadAnchor`, also where two of them contradict."""
    expected = _Expected()
    newest = anchors.read_latest(latest, keys.anchor)
    own = 0
    for number, place in enumerate(places):
        for anchor in anchors.read_place(place, keys.anchor, complete=number == 0):
            own += number == 0
            _expect(expected, anchor.head)
            _check_token(expected, anchor, place, keys.authority)
    if newest is None and expected.heads:
        raise anchors.BadAnchor(f"{latest.name}, the newest signed head, is missing")
    if newest is not None:
        _expect(expected, newest.head)
        if max(expected.heads) > newest.head.sequence:
            raise anchors.BadAnchor(f"{latest.name} is older than a signed head: it was put back")
        if places and own < newest.number:
            raise anchors.BadAnchor(f"{places[0].name} ends at head {own}, and {newest.number} were signed")
    return expected


def _expect(expected: _Expected, head: Head) -> None:
    if expected.heads.setdefault(head.sequence, head.hash) != head.hash:
        raise anchors.BadAnchor(f"two signed heads contradict each other about record {head.sequence}")


def _check_token(
    expected: _Expected, anchor: anchors.Anchor, place: AnchorSource, authority: TimeAuthority | None
) -> None:
    if not anchor.token:
        return
    if authority is None:
        expected.unchecked += 1
        return
    try:
        at = authority.check(anchor.token, anchors.stamped(anchor.head))
    except BadTimeStamp as error:
        raise anchors.BadAnchor(
            f"the time stamp of head {anchor.number} in {place.name} is not {authority.name}'s: {error}"
        ) from error
    known = expected.stamped.get(anchor.head.sequence)
    expected.stamped[anchor.head.sequence] = at if known is None else min(at, known)


def _against(expected: dict[int, str], seen: dict[int, str], head: Head) -> Break | None:
    for sequence in sorted(expected):
        if sequence not in seen:
            reason = f"the log ends before the head {sequence}, which was signed: its tail was cut off"
            return Break(head.sequence + 1, reason)
        if seen[sequence] != expected[sequence]:
            return Break(sequence, "the record is not the one whose head was signed: the log was rewritten")
    return None
