"""What permissions need to know from elsewhere."""

from typing import Protocol


class CatalogView(Protocol):
    """The catalog as it is, without anybody's permissions."""

    def has_database(self, name: str) -> bool:
        """Whether the database exists."""
        ...

    def column_names(self, database: str, table: str) -> tuple[str, ...] | None:
        """The table's columns, partition keys last; None when it does not exist."""
        ...


class Principals(Protocol):
    """The account's users and roles."""

    def exists(self, arn: str) -> bool:
        """Whether an IAM user or role of this account has that ARN."""
        ...
