"""Proves that the log is complete, in order and unchanged, up to its newest signed head at least."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lakewarden.audit import anchors
from lakewarden.audit.chain import START, Break, Entry, Head, first_break, seal
from lakewarden.audit.ports import AnchorPlace
from lakewarden.audit.store import AuditStore

_RETENTION = '"eventName":"AuditRetention"'


@dataclass(frozen=True, slots=True)
class Report:
    """``head`` is the last good entry, ``first`` the first that is kept, ``broken`` the first finding.

    ``anchored`` is how many signed heads were compared.
    """

    head: Head
    anchored: int
    broken: Break | None
    first: int = 1

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.broken is None

    def __str__(self) -> str:
        """One line for people."""
        if self.broken is not None:
            return f"BROKEN at record {self.broken.sequence}: {self.broken.reason}"
        count = self.head.sequence - self.first + 1
        kept = "" if self.first == 1 else f" (those before {self.first} were removed by the retention rule)"
        return f"ok: {count} records{kept}, {self.anchored} signed heads, head {self.head.hash}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves that the server wrote something: the seals' key, and the anchors' public key."""

    seal: bytes
    anchor: Ed25519PublicKey


def verify(store: AuditStore, places: tuple[AnchorPlace, ...], latest: Path, keys: Keys) -> Report:
    """Follow the whole chain and compare it with every signed head. ``places`` begins with the data directory's own."""
    try:
        expected = _expected(places, latest, keys.anchor)
    except anchors.BadAnchor as error:
        return Report(START, 0, Break(0, str(error)))
    base = store.base()
    start = START if base is None else base[0]
    if base is not None and not hmac.compare_digest(seal(start.hash, keys.seal).encode(), base[1].encode()):
        return Report(start, 0, Break(start.sequence, "the log's beginning was not set by this server"))
    seen: dict[int, str] = {start.sequence: start.hash}
    removals: list[str] = []

    def watched() -> Iterator[Entry]:
        for entry in store.entries():
            if entry.sequence in expected:
                seen[entry.sequence] = entry.hash
            if _RETENTION in entry.record:
                removals.append(entry.record)
            yield entry

    head, broken = first_break(watched(), start, keys.seal)
    if broken is None:
        broken = _against({at: one for at, one in expected.items() if at >= start.sequence}, seen, head)
    if broken is None and base is not None and not any(start.hash in record for record in removals):
        broken = Break(start.sequence, "records were removed from the log's beginning without a record of it")
    if broken is None and head.sequence and not expected:
        broken = Break(head.sequence, "there is no signed head: the log's end cannot be proved")
    return Report(head, len(expected), broken, start.sequence + 1)


def _expected(places: tuple[AnchorPlace, ...], latest: Path, key: Ed25519PublicKey) -> dict[int, str]:
    """Every signed head, by sequence number; raises :class:`BadAnchor`, also where two of them contradict."""
    expected: dict[int, str] = {}
    newest = anchors.read_latest(latest, key)
    heads = [
        anchor.head for n, place in enumerate(places) for anchor in anchors.read_place(place, key, complete=n == 0)
    ]
    if newest is None and heads:
        raise anchors.BadAnchor(f"{latest.name}, the newest signed head, is missing")
    for head in [*heads, newest] if newest is not None else heads:
        if expected.setdefault(head.sequence, head.hash) != head.hash:
            raise anchors.BadAnchor(f"two signed heads contradict each other about record {head.sequence}")
    if newest is not None and max(expected) > newest.sequence:
        raise anchors.BadAnchor(f"{latest.name} is older than a signed head: it was put back")
    return expected


def _against(expected: dict[int, str], seen: dict[int, str], head: Head) -> Break | None:
    for sequence in sorted(expected):
        if sequence not in seen:
            reason = f"the log ends before the head {sequence}, which was signed: its tail was cut off"
            return Break(head.sequence + 1, reason)
        if seen[sequence] != expected[sequence]:
            return Break(sequence, "the record is not the one whose head was signed: the log was rewritten")
    return None
