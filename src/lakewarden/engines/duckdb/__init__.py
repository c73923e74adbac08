"""DuckDB in locked-down worker processes."""

from lakewarden.engines.duckdb.pool import DuckDbEngine, Limits

__all__ = ["DuckDbEngine", "Limits"]
