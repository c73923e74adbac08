"""What the catalog asks of Lake Formation."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lakewarden.kernel.call import Principal
from lakewarden.kernel.lake import DatabaseAccess, Table, TableAccess


class TablePermissions(Protocol):
    """Implemented by the permissions context."""

    def table_access(self, principal: Principal, table: Table) -> TableAccess: ...

    def database_access(self, principal: Principal, database: str) -> DatabaseAccess: ...

    def require_create_database(self, principal: Principal, location: str) -> None: ...

    def require_create_table(
        self, principal: Principal, database: str, database_location: str, location: str
    ) -> None: ...

    def is_registered(self, location: str) -> bool: ...

    def database_created(self, principal: Principal, name: str) -> None: ...

    def table_created(
        self, principal: Principal, database: str, table: str, defaults: Sequence[Mapping[str, Any]] | None
    ) -> None: ...

    def database_dropping(self, name: str) -> None: ...

    def table_dropping(self, database: str, table: str) -> None: ...
