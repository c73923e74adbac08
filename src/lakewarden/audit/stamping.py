"""Has the newest head stamped by an authority, again and again, behind the answers."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lakewarden.audit.anchors import Anchors, BadAnchor, read_latest, stamped
from lakewarden.audit.ports import NoTimeStamp, TimeAuthority

_RETRY_SECONDS = 60.0
_log = structlog.get_logger("lakewarden.audit")


class Stamping:
    """Stamps the newest head every ``minutes``, where it is another one than the last that was stamped.

    While the authority is away the log goes on: the next stamp covers all that was written meanwhile.
    """

    def __init__(
        self,
        authority: TimeAuthority,
        anchors: Anchors,
        latest: Path,
        key: Ed25519PublicKey,
        minutes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority = authority
        self._anchors = anchors
        self._latest = latest
        self._key = key
        self._every = minutes * 60.0
        self._monotonic = monotonic
        self._due = monotonic()
        self._stamped = 0

    def run(self) -> None:
        """Stamp if it is time; what a courier runs."""
        if self._monotonic() < self._due:
            return
        try:
            newest = read_latest(self._latest, self._key)
            if newest is None or newest.head.sequence == self._stamped:
                return
            self._anchors.add(newest.head, self._authority.stamp(stamped(newest.head)))
        except (NoTimeStamp, BadAnchor) as error:
            _log.error("the audit log's head has no time stamp", authority=self._authority.name, cause=str(error))
            self._due = self._monotonic() + _RETRY_SECONDS
            return
        self._stamped = newest.head.sequence
        self._due = self._monotonic() + self._every
