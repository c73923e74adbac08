"""What permissions need to know from elsewhere."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import GovernedTable, Table


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

    def partition_location(self, database: str, table: str, values: Sequence[str]) -> str | None:
        """Where a partition lies; None when there is none of those values."""
        ...

    def located(self) -> Iterator[tuple[str, str, str]]:
        """Databases (with an empty table name) and tables, each with its location."""
        ...


class Principals(Protocol):
    """The account's users and roles."""

    def exists(self, arn: str) -> bool:
        """Whether an IAM user or role of this account has that ARN."""
        ...


@dataclass(frozen=True, slots=True)
class Vended:
    """Temporary credentials; the secrets never show in a repr."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime
    location: str = ""


class RoleSessions(Protocol):
    """The identity side of vending."""

    def issue(self, call: Call, role_arn: str, session_name: str, policy: str, ends: datetime) -> Vended:
        """A session of the role, limited by ``policy``; raises AccessDenied when the role is gone."""
        ...


class Disclosures(Protocol):
    """The audit log. Returns only when the record is durable."""

    def data_access(
        self,
        call: Call,
        governed: GovernedTable | None,
        location: str,
        permissions: Set[str],
        session_name: str,
        context: str,
    ) -> None:
        """One GetDataAccess record, before credentials are handed out."""
        ...
