"""What permissions need to know from elsewhere."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from lakewarden.kernel.lake import Table


class CatalogView(Protocol):
    """The catalog as it is, without anybody's permissions."""

    def has_database(self, name: str) -> bool:
        """Whether the database exists."""
        ...

    def column_names(self, database: str, table: str) -> tuple[str, ...] | None:
        """The table's columns, partition keys last; None when it does not exist."""
        ...

    def found_table(self, database: str, name: str) -> Table | None:
        """The table, or None."""
        ...

    def table_names(self, database: str) -> Sequence[str]:
        """The tables of a database, by name."""
        ...

    def database_names(self) -> Sequence[str]:
        """All databases, by name."""
        ...

    def located(self) -> Iterator[tuple[str, str, str]]:
        """Databases (with an empty table name) and tables, each with its location."""
        ...


class Principals(Protocol):
    """The account's users and roles."""

    def exists(self, arn: str) -> bool:
        """Whether an IAM user or role of this account has that ARN."""
        ...
