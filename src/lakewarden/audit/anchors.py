"""Signed heads of the chain, kept beside it or elsewhere: what makes a cut tail visible."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lakewarden.audit.chain import Head


class BadAnchor(Exception):
    """A line of the anchor file that is not a head signed by this server."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Appends signed heads to a file, one JSON object a line, synced."""

    path: Path
    key: Ed25519PrivateKey = field(repr=False)

    def add(self, head: Head) -> None:
        """Sign and append; durable when it returns."""
        signature = base64.b64encode(self.key.sign(_message(head))).decode("ascii")
        line = json.dumps({"sequence": head.sequence, "hash": head.hash, "signature": signature}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path, key: Ed25519PublicKey) -> Iterator[Head]:
    """The heads of an anchor file, each signature checked; raises :class:`BadAnchor`.

    A last line without its end was being written when the server was killed, and does not count.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            body = json.loads(line)
            head = Head(int(body["sequence"]), str(body["hash"]))
            key.verify(base64.b64decode(body["signature"], validate=True), _message(head))
        except (ValueError, KeyError, TypeError, InvalidSignature) as error:
            raise BadAnchor(f"line {number} of {path.name} is not a head signed by this server") from error
        yield head


def _message(head: Head) -> bytes:
    return f"lakewarden-audit-head\n{head.sequence}\n{head.hash}".encode()
