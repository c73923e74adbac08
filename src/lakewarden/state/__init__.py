"""The relational state store: SQLite by default, PostgreSQL by URL."""

from lakewarden.state.database import METADATA, Database, Snapshot

__all__ = ["METADATA", "Database", "Snapshot"]
