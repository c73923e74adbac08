"""Grants and what they are made on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakewarden.kernel.lake import RowFilter

IAM_ALLOWED_PRINCIPALS = "IAM_ALLOWED_PRINCIPALS"
ALL = "ALL"
SELECT = "SELECT"
DESCRIBE = "DESCRIBE"
CREATE_DATABASE = "CREATE_DATABASE"
CREATE_TABLE = "CREATE_TABLE"
CREATE_LF_TAG = "CREATE_LF_TAG"
CREATE_LF_TAG_EXPRESSION = "CREATE_LF_TAG_EXPRESSION"
ASSOCIATE = "ASSOCIATE"
GRANT_WITH_EXPRESSION = "GRANT_WITH_LF_TAG_EXPRESSION"
EVERY_VALUE = "*"

TABLE_PERMISSIONS = frozenset({ALL, SELECT, DESCRIBE, "INSERT", "DELETE", "ALTER", "DROP"})
COLUMN_PERMISSIONS = frozenset({SELECT})
DATABASE_PERMISSIONS = frozenset({ALL, DESCRIBE, CREATE_TABLE, "ALTER", "DROP"})
CATALOG_PERMISSIONS = frozenset({CREATE_DATABASE, DESCRIBE, CREATE_LF_TAG, CREATE_LF_TAG_EXPRESSION})
LOCATION_PERMISSIONS = frozenset({"DATA_LOCATION_ACCESS"})
FILTER_PERMISSIONS = frozenset({SELECT, DESCRIBE, "DROP"})
TAG_PERMISSIONS = frozenset({DESCRIBE, ASSOCIATE, GRANT_WITH_EXPRESSION, "ALTER", "DROP"})
EXPRESSION_PERMISSIONS = frozenset({DESCRIBE, "ALTER", "DROP"})


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


@dataclass(frozen=True, slots=True)
class FilterResource:
    """A data cells filter of a table, by its name."""

    database: str
    table: str
    name: str
    permissions = FILTER_PERMISSIONS

    def __str__(self) -> str:
        return f"{self.database}.{self.table}[{self.name}]"


@dataclass(frozen=True, slots=True)
class TagResource:
    """Some values of an LF-tag; ``*`` among them means all, those to come included."""

    key: str
    values: tuple[str, ...]
    permissions = TAG_PERMISSIONS

    def __str__(self) -> str:
        return f"LF-tag {self.key}={'|'.join(self.values)}"

    def covers(self, values: Iterable[str]) -> bool:
        """Whether all of ``values`` are meant."""
        return EVERY_VALUE in self.values or frozenset(values) <= frozenset(self.values)


@dataclass(frozen=True, slots=True)
class TagExpressionResource:
    """A named LF-tag expression itself."""

    name: str
    permissions = EXPRESSION_PERMISSIONS

    def __str__(self) -> str:
        return f"LF-tag expression {self.name}"


Expression = tuple[tuple[str, tuple[str, ...]], ...]
"""LF-tag keys with the values that match: a resource must have every key, with any of its values."""


@dataclass(frozen=True, slots=True)
class PolicyResource:
    """An LF-tag policy: whatever databases, or tables, have matching tags. Either ``expression`` or ``named``."""

    kind: str
    expression: Expression = ()
    named: str = ""

    @property
    def permissions(self) -> frozenset[str]:
        """Those of a database or of a table."""
        return DATABASE_PERMISSIONS if self.kind == "DATABASE" else TABLE_PERMISSIONS

    def __str__(self) -> str:
        listed = " and ".join(f"{key}={'|'.join(values)}" for key, values in self.expression)
        return f"every {self.kind.lower()} with {self.named or listed}"


Resource = (
    CatalogResource
    | DatabaseResource
    | TableResource
    | ColumnsResource
    | LocationResource
    | FilterResource
    | TagResource
    | TagExpressionResource
    | PolicyResource
)


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
class CellsFilter:
    """A data cells filter. ``text`` is the row filter as it was given, ``rows`` what engines enforce."""

    database: str
    table: str
    name: str
    rows: RowFilter
    text: str = ""
    include: tuple[str, ...] = ()
    wildcard: bool = False
    exclude: tuple[str, ...] = ()
    version: str = ""

    def among(self, columns: tuple[str, ...]) -> frozenset[str]:
        """Which of a table's ``columns`` it gives."""
        return ColumnsResource(self.database, self.table, self.include, self.wildcard, self.exclude).among(columns)


@dataclass(frozen=True, slots=True)
class TagExpression:
    """A named LF-tag expression."""

    name: str
    expression: Expression
    description: str = ""


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
