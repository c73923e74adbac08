"""A query of CloudTrail Lake: what is kept of it, and who asked."""

import msgspec

from lakewarden.kernel.call import Principal

UNFINISHED = frozenset({"QUEUED", "RUNNING"})


class Reading(msgspec.Struct, frozen=True):
    """What a query read of a table: columns, under a fingerprint of the rows that it was shown."""

    table: str
    columns: tuple[str, ...]
    rows: str


class LakeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One query. ``status`` is CloudTrail's QueryStatus, ``stores`` the event data stores that the statement names.

    ``owner`` is the principal as grants name it; instants are ISO 8601 UTC. ``pages`` is how many pages of rows are
    stored.
    """

    id: str
    owner: str
    principal: Principal
    address: str
    agent: str
    statement: str
    stores: tuple[str, ...]
    created: str
    status: str = "QUEUED"
    error: str = ""
    columns: tuple[str, ...] = ()
    pages: int = 0
    rows: int = 0
    scanned_bytes: int = 0
    run_ms: int = 0
    readings: tuple[Reading, ...] = ()

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in UNFINISHED
