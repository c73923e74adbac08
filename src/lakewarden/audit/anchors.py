"""Signed heads of the chain, kept beside it and elsewhere: what makes a cut tail visible.

Anchors are numbered, so that one that is taken out of the middle is missed; the newest head of all stands in a file of
its own, which is rewritten with every commit, so that not even one record can be cut off.
"""

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lakewarden.audit.chain import Head
from lakewarden.audit.ports import AnchorPlace

_LATEST_BYTES = 512
_TAIL_BYTES = 4096
_log = structlog.get_logger("lakewarden.audit")


class BadAnchor(Exception):
    """A line that is not a head signed by this server, or not the one that should stand there."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed head; ``number`` counts the anchors of one data directory from 1, 0 in the file of the newest head."""

    number: int
    head: Head


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """One JSON object a line, synced."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def add(self, line: str) -> None:
        """Append; durable when it returns. Half a line, left by a kill or a full disk, is removed first."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with open(descriptor, "rb", closefd=False) as file:
                end = file.read().rfind(b"\n") + 1
            os.ftruncate(descriptor, end)
            os.pwrite(descriptor, f"{line}\n".encode(), end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lines(self) -> Iterable[str]:
        """The whole lines; a last one without its end was being written when the server was killed."""
        if not self.path.exists():
            return ()
        return self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


class Anchors:
    """Signs heads and brings them to every place. A place that fails is tried again with the next head."""

    def __init__(self, places: tuple[AnchorPlace, ...], latest: Path, key: Ed25519PrivateKey) -> None:
        self._places = places
        self._key = key
        self._latest = os.open(latest, os.O_RDWR | os.O_CREAT, 0o600)

    def newest(self, head: Head) -> None:
        """Replace the newest head. It is not synced: a process that is killed loses nothing by that."""
        line = signed(Anchor(0, head), self._key).ljust(_LATEST_BYTES - 1) + "\n"
        with self._turn():
            if head.sequence > _sequence_of(os.pread(self._latest, _LATEST_BYTES, 0)):
                os.pwrite(self._latest, line.encode(), 0)

    def add(self, head: Head) -> None:
        """Sign and store at every place; durable there when it returns."""
        with self._turn():
            # The newest head is synced first: a power cut must not leave it behind an anchor.
            os.fsync(self._latest)
            last = sum(1 for _ in self._places[0].lines()) if self._places else 0
            line = signed(Anchor(last + 1, head), self._key)
            for number, place in enumerate(self._places):
                try:
                    place.add(line)
                except Exception:  # noqa: BLE001 - a second place may fail in any way; the log goes on, and says so
                    _log.exception("the audit log's head cannot be anchored", place=place.name, sequence=head.sequence)
                    if number == 0:
                        return

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Servers on one data directory and one shared log take turns, so that heads keep their order."""
        fcntl.flock(self._latest, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._latest, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file of the newest head."""
        with contextlib.suppress(OSError):
            os.close(self._latest)


def _sequence_of(line: bytes) -> int:
    """The sequence number of a newest head as it stands in its file; -1 where none stands there whole."""
    try:
        return int(json.loads(line)["sequence"])
    except (ValueError, KeyError, TypeError):
        return -1


def signed(anchor: Anchor, key: Ed25519PrivateKey) -> str:
    """The line of an anchor."""
    signature = base64.b64encode(key.sign(_message(anchor))).decode("ascii")
    head = anchor.head
    return json.dumps({"number": anchor.number, "sequence": head.sequence, "hash": head.hash, "signature": signature})


def read(line: str, key: Ed25519PublicKey, where: str) -> Anchor:
    """The anchor of a line, its signature checked; raises :class:`BadAnchor`."""
    try:
        body = json.loads(line)
        anchor = Anchor(int(body["number"]), Head(int(body["sequence"]), str(body["hash"])))
        key.verify(base64.b64decode(body["signature"], validate=True), _message(anchor))
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise BadAnchor(f"{where} is not a head signed by this server") from error
    return anchor


def read_place(place: AnchorPlace, key: Ed25519PublicKey, *, complete: bool) -> Iterator[Anchor]:
    """The anchors of a place, in order. Where it must be ``complete``, a number that is missing is a :class:`BadAnchor`.

    A second place can have been out of reach for a while; the first one is the data directory's own.
    """
    last = 0
    for line_number, line in enumerate(place.lines(), 1):
        anchor = read(line, key, f"line {line_number} of {place.name}")
        if anchor.number <= last or (complete and anchor.number != last + 1):
            raise BadAnchor(f"line {line_number} of {place.name} is head {anchor.number}, which does not follow {last}")
        last = anchor.number
        yield anchor


def read_latest(path: Path, key: Ed25519PublicKey) -> Head | None:
    """The newest head; None where nothing was ever written. Raises :class:`BadAnchor`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    return read(text, key, path.name).head if text else None


def _message(anchor: Anchor) -> bytes:
    return f"lakewarden-audit-head\n{anchor.number}\n{anchor.head.sequence}\n{anchor.head.hash}".encode()
