"""The relational state store: SQLite by default, PostgreSQL by URL."""

from lakewarden.state.database import AUDIT, AUDIT_INDEX, METADATA, STATE, Database
from lakewarden.state.errors import UnusableDatabase
from lakewarden.state.presence import Presence
from lakewarden.state.snapshot import Snapshot
from lakewarden.state.statement import Statement, run_many

__all__ = [
    "AUDIT",
    "AUDIT_INDEX",
    "METADATA",
    "STATE",
    "Database",
    "Presence",
    "Snapshot",
    "Statement",
    "UnusableDatabase",
    "run_many",
]
