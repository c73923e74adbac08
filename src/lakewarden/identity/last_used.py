"""When keys, roles and passwords were last used: remembered in memory, written down once a minute.

A call costs a dictionary entry, never a write. A server that is killed forgets at most the last minute, which is what
this information is worth; the audit trail has every call.
"""

import threading
from datetime import datetime

import structlog

from lakewarden.identity.store import IdentityStore, LastUse
from lakewarden.kernel.call import Call

_EVERY_SECONDS = 60.0
_log = structlog.get_logger("lakewarden.identity")


class LastUses:
    """Notes uses; ``close`` writes the rest."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._pending: dict[str, tuple[datetime, str, str]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-uses", daemon=True)
        self._thread.start()

    def called(self, call: Call) -> None:
        """A call with a valid signature, allowed or not: its key was used, or its role."""
        principal = call.principal
        session = principal.session
        subject = principal.access_key_id if session is None else session.role_id
        if subject:
            self._pending[subject] = (call.at, call.region, call.service)

    def signed_in(self, user_id: str, at: datetime, region: str) -> None:
        """A password opened the console."""
        self._pending[user_id] = (at, region, "console")

    def flush(self) -> None:
        """Write down what was noted since the last time."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        uses = {subject: LastUse(at.isoformat(), region, service) for subject, (at, region, service) in pending.items()}
        with self._store.note() as identities:
            identities.put_last_used(uses)

    def close(self) -> None:
        """Write the rest and stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(_EVERY_SECONDS)
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - nothing rests on it; the next minute tries again
                _log.exception("last uses cannot be written")
