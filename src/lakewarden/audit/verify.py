"""Proves that the log is complete, in order and unchanged, up to its last anchored head at least."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lakewarden.audit import anchors
from lakewarden.audit.chain import GENESIS, Break, Entry, Head, first_break
from lakewarden.audit.store import AuditStore


@dataclass(frozen=True, slots=True)
class Report:
    """``head`` is the last good entry, ``broken`` the first finding, ``anchored`` how many heads were compared."""

    head: Head
    anchored: int
    broken: Break | None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.broken is None

    def __str__(self) -> str:
        """One line for people."""
        if self.broken is not None:
            return f"BROKEN at record {self.broken.sequence}: {self.broken.reason}"
        return f"ok: {self.head.sequence} records, {self.anchored} signed heads, head {self.head.hash}"


def verify(store: AuditStore, anchor_file: Path, key: Ed25519PublicKey) -> Report:
    """Follow the whole chain and compare it with every anchored head."""
    try:
        expected = {head.sequence: head.hash for head in anchors.read(anchor_file, key)}
    except anchors.BadAnchor as error:
        return Report(Head(0, GENESIS), 0, Break(0, str(error)))
    seen: dict[int, str] = {}

    def watched() -> Iterator[Entry]:
        for entry in store.entries():
            if entry.sequence in expected:
                seen[entry.sequence] = entry.hash
            yield entry

    head, broken = first_break(watched(), Head(0, GENESIS))
    if broken is None:
        broken = _against(expected, seen)
    return Report(head, len(expected), broken)


def _against(expected: dict[int, str], seen: dict[int, str]) -> Break | None:
    for sequence in sorted(expected):
        if sequence not in seen:
            return Break(sequence, "the log ends before a head that was signed: its tail was cut off")
        if seen[sequence] != expected[sequence]:
            return Break(sequence, "the record is not the one whose head was signed: the log was rewritten")
    return None
