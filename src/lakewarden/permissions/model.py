"""Grants and what they are made on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IAM_ALLOWED_PRINCIPALS = "IAM_ALLOWED_PRINCIPALS"
ALL = "ALL"
SELECT = "SELECT"
DESCRIBE = "DESCRIBE"
CREATE_DATABASE = "CREATE_DATABASE"
CREATE_TABLE = "CREATE_TABLE"

TABLE_PERMISSIONS = frozenset({ALL, SELECT, DESCRIBE, "INSERT", "DELETE", "ALTER", "DROP"})
COLUMN_PERMISSIONS = frozenset({SELECT})
DATABASE_PERMISSIONS = frozenset({ALL, DESCRIBE, CREATE_TABLE, "ALTER", "DROP"})
CATALOG_PERMISSIONS = frozenset({CREATE_DATABASE, DESCRIBE})
LOCATION_PERMISSIONS = frozenset({"DATA_LOCATION_ACCESS"})


@dataclass(frozen=True, slots=True)
class CatalogResource:
    """The whole catalog."""

    permissions = CATALOG_PERMISSIONS

    def __str__(self) -> str:
        return "Catalog"


@dataclass(frozen=True, slots=True)
class DatabaseResource:
    """A database itself; its tables are not meant."""

    database: str
    permissions = DATABASE_PERMISSIONS

    def __str__(self) -> str:
        return self.database


@dataclass(frozen=True, slots=True)
class TableResource:
    """One table, or with an empty name every table of the database, now and later."""

    database: str
    table: str
    permissions = TABLE_PERMISSIONS

    def __str__(self) -> str:
        return f"{self.database}.{self.table or '*'}"


@dataclass(frozen=True, slots=True)
class ColumnsResource:
    """Some columns of a table: those of ``include``, or with ``wildcard`` all but those of ``exclude``."""

    database: str
    table: str
    include: tuple[str, ...] = ()
    wildcard: bool = False
    exclude: tuple[str, ...] = ()
    permissions = COLUMN_PERMISSIONS

    def __str__(self) -> str:
        names = self.include or ("*", *(f"-{name}" for name in self.exclude))
        return f"{self.database}.{self.table}({', '.join(names)})"

    def among(self, columns: tuple[str, ...]) -> frozenset[str]:
        """Which of a table's ``columns`` are meant."""
        if self.wildcard:
            return frozenset(columns) - frozenset(self.exclude)
        return frozenset(columns) & frozenset(self.include)


@dataclass(frozen=True, slots=True)
class LocationResource:
    """A registered data location, by S3 ARN; its child paths are meant too."""

    arn: str
    permissions = LOCATION_PERMISSIONS

    def __str__(self) -> str:
        return self.arn


Resource = CatalogResource | DatabaseResource | TableResource | ColumnsResource | LocationResource


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal holds on one resource, in the form in which it was granted. ``grantable`` is part of it.

    Its text is the evidence that decisions cite.
    """

    principal: str
    resource: Resource
    permissions: frozenset[str]
    grantable: frozenset[str]

    def __str__(self) -> str:
        return f"{'+'.join(sorted(self.permissions))} on {self.resource} to {self.principal}"


@dataclass(frozen=True, slots=True)
class Registration:
    """A location under Lake Formation's control."""

    arn: str
    role_arn: str
    hybrid: bool
    modified: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The data lake settings: administrators' ARNs, and AWS's document (DataLakeSettings) for all else."""

    administrators: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def readers(self) -> frozenset[str]:
        """ReadOnlyAdmins: who may describe everything and change nothing."""
        return frozenset(
            one.get("DataLakePrincipalIdentifier", "") for one in self.document.get("ReadOnlyAdmins") or ()
        )
