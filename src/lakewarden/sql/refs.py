"""A table as a statement names it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table as a statement names it, lower case; ``database`` is the execution's default where none is written.

    ``line`` and ``column`` (from 1) are where the name stands in the text, for Trino's error messages. ``version`` is that of
    an Iceberg table in the past (``iceberg_time``), empty for the present.
    """

    database: str
    name: str
    line: int = 1
    column: int = 1
    version: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """``(database, name)``: what identifies the table, wherever it is named; one of the past is another table."""
        # No name holds a NUL, so that none can be taken for a version.
        return (self.database, f"{self.name}\0{self.version}" if self.version else self.name)
