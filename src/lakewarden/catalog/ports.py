"""What the catalog asks of Lake Formation."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Protocol

import sqlalchemy as sa

from lakewarden.kernel.call import Principal
from lakewarden.kernel.lake import DatabaseAccess, GovernedTable, Table, TableAccess

Defaults = Sequence[Mapping[str, Any]] | None
"""Glue's CreateTableDefaultPermissions; None where nothing is said."""


class TablePermissions(Protocol):
    """Implemented by the permissions context. Every ``require_`` raises AccessDeniedException.

    What is reported with a connection is written in the catalog's own transaction, which moves the scope
    ``permissions``: a table and the rights on it come together, and go together.
    """

    def table_access(self, principal: Principal, table: Table) -> TableAccess: ...

    def database_access(self, principal: Principal, database: str) -> DatabaseAccess: ...

    def visible_tables(self, principal: Principal, database: str) -> frozenset[str] | None: ...

    def require_engine(self, principal: Principal, governed: GovernedTable, supported: Set[str]) -> None: ...

    def require_create_database(self, principal: Principal, location: str) -> None: ...

    def require_create_table(
        self, principal: Principal, database: str, database_location: str, location: str
    ) -> None: ...

    def require_location(self, principal: Principal, location: str, database_location: str) -> None: ...

    def require_defaults(self, principal: Principal, defaults: Defaults) -> None: ...

    def require_give_away(self, principal: Principal, database: str, table: str) -> None: ...

    def is_registered(self, location: str) -> bool: ...

    def database_created(self, connection: sa.Connection, principal: Principal, name: str) -> None: ...

    def table_created(
        self, connection: sa.Connection, principal: Principal, database: str, table: str, defaults: Defaults
    ) -> None: ...

    def database_dropped(self, connection: sa.Connection, name: str) -> None: ...

    def table_dropped(self, connection: sa.Connection, database: str, table: str) -> None: ...
