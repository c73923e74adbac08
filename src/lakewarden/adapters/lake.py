"""``query.ports.Lake``: the catalog as one caller may see it, through Athena."""

from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from typing import Any

from lakewarden.adapters.altering import altered, members
from lakewarden.adapters.glue_rights import FORWARDED, GlueRights
from lakewarden.catalog.errors import AlreadyExistsException, EntityNotFoundException, InsufficientPermissions
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import EVERY_PARTITION, AccessMode, Column, DataFile, GovernedTable, Table, Wanted
from lakewarden.query.errors import QueryFailed
from lakewarden.query.reading import VIEW
from lakewarden.sql.model import AlterDatabase, AlterTable, CreateDatabase, CreateTable, TableRef
from lakewarden.sql.views import EXPANDED_TEXT
from lakewarden.storage.service import StorageService, split_uri

OwnFiles = Callable[[Table], Sequence[DataFile] | None]
"""The files of the server's own tables, which are no objects of any bucket; None for every other table."""


class GovernedLake:
    """Asks IAM (as Athena does, in the caller's name) and Lake Formation for everything that a query touches."""

    def __init__(
        self,
        catalog: CatalogService,
        partitions: PartitionService,
        storage: StorageService,
        guard: Guard,
        account: str,
        region: str,
        own_files: OwnFiles = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._partitions = partitions
        self._storage = storage
        self._guard = guard
        self._glue = GlueRights(guard, catalog.attached, account, region)
        self._own_files = own_files

    def database_names(self, call: Call) -> Sequence[str]:
        """The databases that the caller may see."""
        self._glue.require(call, "glue:GetDatabases", "catalog")
        return [database.name for database in self._catalog.databases(call.principal)]

    def table_names(self, call: Call, database: str) -> Sequence[str]:
        """The tables that the caller may see; none of a database that is hidden or absent."""
        return [governed.table.name for governed in self.tables(call, database)]

    def tables(self, call: Call, database: str) -> Sequence[GovernedTable]:
        """The same with what the caller may do with each."""
        database = database.lower()
        self._glue.require(call, "glue:GetTables", "catalog", f"database/{database}")
        try:
            return [governed for governed, _ in self._catalog.tables(call.principal, database)]
        except (InsufficientPermissions, EntityNotFoundException):
            raise QueryFailed(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist", 2, 1004) from None

    def table(self, call: Call, database: str, name: str) -> GovernedTable | None:
        """The table with what the caller may do; None alike for hidden, absent and not allowed by IAM."""
        if not self._glue.allowed_table(call, "glue:GetTable", database, name):
            return None
        found = self._catalog.find(call.principal, database, name)
        if found is None or not found.access.columns:
            return found
        return found if self._may_read(call, found) else None

    def _may_read(self, call: Call, governed: GovernedTable) -> bool:
        """Lake Formation vends access to who may lakeformation:GetDataAccess; in hybrid mode IAM on S3 decides alone."""
        if not governed.table.location:
            # A view has no data of its own.
            return True
        mode, table = governed.access.mode, governed.table
        if mode is AccessMode.LAKE_FORMATION and not self._vended(call):
            return False
        # INVARIANT (least_reach): what a partition or a parameter leads to outside the table's location is opened by Lake
        # Formation only where that place is registered too; else, as everywhere in hybrid mode, by IAM on S3.
        places = set(self._partitions.outside(table))
        if mode is not AccessMode.IAM:
            places = {place for place in places if not self._catalog.is_registered(place)}
        if mode is not AccessMode.LAKE_FORMATION:
            places.add(table.location)
        return all(self._may_read_at(call, place) for place in places)

    def _vended(self, call: Call) -> bool:
        return self._guard.check(call, Access("lakeformation:GetDataAccess", "*", FORWARDED)).allowed

    def _may_read_at(self, call: Call, location: str) -> bool:
        bucket, prefix = split_uri(location)
        policy = self._storage.policy(bucket)
        prefix = prefix.rstrip("/")
        return all(
            self._guard.check(call, Access(action, s3(resource), {**context, **FORWARDED}, policy)).allowed
            for action, resource, context in (
                ("s3:GetObject", f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*", {}),
                ("s3:ListBucket", bucket, {"s3:prefix": prefix}),
            )
        )

    def files(self, call: Call, table: Table, wanted: Wanted = EVERY_PARTITION) -> Sequence[DataFile]:
        """The table's objects, partition by partition; of the partitions only those that are ``wanted``.

        Objects that belong to a principal (query results, and tables made among them) are that principal's alone.
        """
        reader = call.principal.grantee_arn
        own = self._own_files(table)
        if own is not None:
            return own
        if not table.location:
            return ()
        if not table.partition_keys:
            return self._storage.files_under(table.location, reader)
        return [
            changed(file, partition=source.values)
            for source in self._partitions.sources(table, wanted)
            for file in self._storage.files_under(source.location, reader)
        ]

    def create_database(self, call: Call, statement: CreateDatabase) -> None:
        """CREATE DATABASE."""
        self._glue.require(call, "glue:CreateDatabase", "catalog", f"database/{statement.name}")
        document = {
            "Name": statement.name,
            "Description": statement.comment,
            "Parameters": dict(statement.properties),
            **({"LocationUri": statement.location} if statement.location else {}),
        }
        try:
            self._catalog.create_database(call.principal, document)
        except AlreadyExistsException:
            if not statement.if_not_exists:
                raise

    def alter_database(self, call: Call, statement: AlterDatabase) -> None:
        """ALTER DATABASE SET DBPROPERTIES."""
        self._glue.require(call, "glue:UpdateDatabase", "catalog", f"database/{statement.name}")
        found = self._catalog.database(call.principal, statement.name).document
        parameters = {**(found.get("Parameters") or {}), **statement.properties}
        self._catalog.update_database(call.principal, statement.name, {**found, "Parameters": parameters})

    def drop_database(self, call: Call, name: str, *, if_exists: bool, cascade: bool) -> None:
        """DROP DATABASE; without CASCADE only an empty one."""
        self._glue.require(call, "glue:DeleteDatabase", "catalog", f"database/{name}")
        try:
            if not cascade and self._catalog.tables(call.principal, name):
                raise QueryFailed(f"FAILED: Database {name} is not empty. One or more tables exist.", 2, 1301)
            self._catalog.delete_database(call.principal, name)
        except EntityNotFoundException:
            if not if_exists:
                raise

    def create_table(self, call: Call, statement: CreateTable) -> None:
        """CREATE EXTERNAL TABLE."""
        database, name = statement.table.key
        self._glue.require_table(call, "glue:CreateTable", database, name)
        try:
            self._catalog.create_table(call.principal, database, table_input(statement))
        except AlreadyExistsException:
            if not statement.if_not_exists:
                raise

    def create_view(self, call: Call, table: TableRef, text: str, columns: Sequence[Column], *, replace: bool) -> None:
        """CREATE [OR REPLACE] VIEW; only a view is replaced."""
        database, name = table.key
        resources = ("catalog", f"database/{database}", f"table/{database}/{name}")
        present = self._catalog.find(call.principal, database, name) if replace else None
        if present is None:
            self._glue.require(call, "glue:CreateTable", *resources)
            self._catalog.create_table(call.principal, database, view_input(name, text, columns))
            return
        if present.table.table_type != VIEW:
            raise QueryFailed(f"TABLE_ALREADY_EXISTS: '{database}.{name}' is a table, not a view", 2, 1301)
        self._glue.require(call, "glue:UpdateTable", *resources)
        self._catalog.update_table(call.principal, database, view_input(name, text, columns), None)

    def alter_table(self, call: Call, statement: AlterTable) -> None:
        """ALTER TABLE; a right on the whole table is needed, and its holder sees the whole document."""
        database, name = statement.table.key
        self._glue.require_table(call, "glue:UpdateTable", database, name)
        governed, record = self._catalog.table(call.principal, database, name)
        if "ALTER" not in governed.access.actions:
            raise InsufficientPermissions("Alter", name)
        if governed.table.table_type == VIEW:
            raise QueryFailed("NOT_SUPPORTED: ALTER TABLE of a view is not supported", 2, 1303)
        if governed.table.parameters.get("table_type", "").upper() == "ICEBERG":
            raise QueryFailed("NOT_SUPPORTED: ALTER TABLE of an Iceberg table is not supported", 2, 1303)
        changed = {**altered(record.document, statement.change), "Name": name}
        self._catalog.update_table(call.principal, database, changed, str(record.version))

    def drop_table(self, call: Call, table: TableRef, *, if_exists: bool, view: bool = False) -> None:
        """DROP TABLE or VIEW."""
        database, name = table.key
        self._glue.require_table(call, "glue:DeleteTable", database, name)
        found = self._catalog.find(call.principal, database, name)
        if found is not None and (found.table.table_type == VIEW) != view:
            kind = "view" if not view else "table"
            raise QueryFailed(f"FAILED: {database}.{name} is a {kind}", 2, 1301)
        try:
            self._catalog.delete_table(call.principal, database, name)
        except (EntityNotFoundException, InsufficientPermissions):
            # Of what cannot be seen nothing is said; what can be seen and not be dropped is refused.
            if not if_exists or found is not None:
                raise


def table_input(statement: CreateTable) -> dict[str, Any]:
    """Glue's TableInput of a CREATE TABLE statement."""
    return {
        "Name": statement.table.name,
        "Description": statement.comment,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": dict(statement.parameters),
        "PartitionKeys": members(statement.partition_keys),
        "StorageDescriptor": {
            "Columns": members(statement.columns),
            "Location": statement.location,
            "InputFormat": statement.input_format,
            "OutputFormat": statement.output_format,
            "SerdeInfo": {
                "SerializationLibrary": statement.serde,
                "Parameters": dict(statement.serde_parameters),
            },
        },
    }


def view_input(name: str, text: str, columns: Sequence[Column]) -> dict[str, Any]:
    """Glue's TableInput of a view, as Athena writes it."""
    return {
        "Name": name,
        "TableType": VIEW,
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "ViewOriginalText": text,
        "ViewExpandedText": EXPANDED_TEXT,
        "StorageDescriptor": {"Columns": members(columns), "Location": "", "SerdeInfo": {}},
    }
