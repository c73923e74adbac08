"""Signed heads of the chain, kept beside it and elsewhere: what makes a cut tail visible.

Anchors are numbered, so that one that is taken out of the middle is missed; the newest head of all stands in a file of
its own, which is rewritten with every commit, so that not even one record can be cut off, and which says how many
anchors there are. An anchor may carry the token of an authority that saw it (RFC 3161): whoever holds every key of the
server can sign a head anew, and cannot have it stamped in the past.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lakewarden.audit.chain import Head
from lakewarden.audit.ports import AnchorSink, AnchorSource

_LATEST_BYTES = 512
_TAIL_BYTES = 1 << 17
_log = structlog.get_logger("lakewarden.audit")


class BadAnchor(Exception):
    """A line that is not a head signed by this server, or not the one that should stand there."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed head; ``number`` counts the anchors of one data directory from 1.

    In the file of the newest head it is the number of anchors that there are. ``token`` is a time stamp of the head,
    empty where it has none.
    """

    number: int
    head: Head
    token: bytes = b""


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
            end = os.fstat(descriptor).st_size
            tail, start = _tail(descriptor, end)
            whole = start + tail.rfind(b"\n") + 1
            os.ftruncate(descriptor, whole)
            os.pwrite(descriptor, f"{line}\n".encode(), whole)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lines(self) -> Iterable[str]:
        """The whole lines; a last one without its end was being written when the server was killed."""
        if not self.path.exists():
            return ()
        return self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]

    def last(self) -> str:
        """The last whole line; empty where there is none."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return ""
        try:
            tail, _ = _tail(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        lines = tail.decode("utf-8", "replace").split("\n")[:-1]
        return lines[-1] if lines else ""


def _tail(descriptor: int, end: int) -> tuple[bytes, int]:
    """The end of a file, which holds its last line and the end of the one before, and where that begins."""
    start = max(0, end - _TAIL_BYTES)
    return os.pread(descriptor, end - start, start), start


class Anchors:
    """Signs heads and brings them to every place. A place that fails is tried again with the next head.

    ``own`` is the data directory's file, which holds every anchor; ``others`` may be out of reach for a while.
    """

    def __init__(self, own: AnchorFile, others: tuple[AnchorSink, ...], latest: Path, key: Ed25519PrivateKey) -> None:
        self._own = own
        self._others = others
        self._key = key
        self._lock = threading.Lock()
        self._latest = os.open(latest, os.O_RDWR | os.O_CREAT, 0o600)

    def newest(self, head: Head) -> None:
        """Replace the newest head. It is not synced: a process that is killed loses nothing by that."""
        with self._turn():
            present = _members(os.pread(self._latest, _LATEST_BYTES, 0))
            if head.sequence > present[1]:
                self._put_newest(Anchor(present[0], head))

    def add(self, head: Head, token: bytes = b"") -> None:
        """Sign and store at every place; durable there when it returns."""
        with self._turn():
            # The newest head is synced first: a power cut must not leave it behind an anchor.
            os.fsync(self._latest)
            number = _members(self._own.last().encode())[0] + 1
            line = signed(Anchor(number, head, token), self._key)
            try:
                self._own.add(line)
            except OSError:
                _log.exception("the audit log's head cannot be anchored", place=self._own.name, sequence=head.sequence)
                return
            self._counted(number, head)
            for place in self._others:
                try:
                    place.add(line)
                except Exception:  # noqa: BLE001 - a second place may fail in any way; the log goes on, and says so
                    _log.exception("the audit log's head cannot be anchored", place=place.name, sequence=head.sequence)

    def _counted(self, number: int, head: Head) -> None:
        """Have the newest head say how many anchors there are: those at the end of the file are missed, too."""
        present = os.pread(self._latest, _LATEST_BYTES, 0)
        sequence = _members(present)[1]
        newest = head if head.sequence >= sequence else Head(sequence, str(json.loads(present)["hash"]))
        with contextlib.suppress(OSError):  # a full disk: the next commit tries again, and the anchor stands
            self._put_newest(Anchor(number, newest))

    def _put_newest(self, anchor: Anchor) -> None:
        os.pwrite(self._latest, (signed(anchor, self._key).ljust(_LATEST_BYTES - 1) + "\n").encode(), 0)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads take turns, and servers on one data directory and one shared log, so that heads keep their order."""
        with self._lock:
            fcntl.flock(self._latest, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._latest, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file of the newest head."""
        with contextlib.suppress(OSError):
            os.close(self._latest)


def _members(line: bytes) -> tuple[int, int]:
    """The number and the sequence number of a line as it stands; (0, -1) where none stands there whole."""
    try:
        body = json.loads(line)
        return int(body["number"]), int(body["sequence"])
    except (ValueError, KeyError, TypeError):
        return 0, -1


def signed(anchor: Anchor, key: Ed25519PrivateKey) -> str:
    """The line of an anchor."""
    signature = base64.b64encode(key.sign(_message(anchor))).decode("ascii")
    head = anchor.head
    body = {"number": anchor.number, "sequence": head.sequence, "hash": head.hash, "signature": signature}
    if anchor.token:
        body["token"] = base64.b64encode(anchor.token).decode("ascii")
    return json.dumps(body)


def read(line: str, key: Ed25519PublicKey, where: str) -> Anchor:
    """The anchor of a line, its signature checked; raises :class:`BadAnchor`."""
    try:
        body = json.loads(line)
        token = base64.b64decode(body.get("token", ""), validate=True)
        anchor = Anchor(int(body["number"]), Head(int(body["sequence"]), str(body["hash"])), token)
        key.verify(base64.b64decode(body["signature"], validate=True), _message(anchor))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
        raise BadAnchor(f"{where} is not a head signed by this server") from error
    return anchor


def read_place(place: AnchorSource, key: Ed25519PublicKey, *, complete: bool) -> Iterator[Anchor]:
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


def read_latest(path: Path, key: Ed25519PublicKey) -> Anchor | None:
    """The newest head; None where nothing was ever written. Raises :class:`BadAnchor`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    return read(text, key, path.name) if text else None


def stamped(head: Head) -> bytes:
    """What an authority stamps: a head, whatever its number among the anchors."""
    return f"lakewarden-audit-head\n{head.sequence}\n{head.hash}".encode()


def _message(anchor: Anchor) -> bytes:
    text = f"lakewarden-audit-head\n{anchor.number}\n{anchor.head.sequence}\n{anchor.head.hash}"
    # A token that were not signed with its head could be taken off without a trace.
    return (text + (f"\n{hashlib.sha256(anchor.token).hexdigest()}" if anchor.token else "")).encode()
