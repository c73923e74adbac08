"""The database ``lakewarden_audit``: the trail's tables in the catalog, governed like any other."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from lakewarden.audit.datastores import DATABASE, IDS
from lakewarden.audit.rows import FIELDS
from lakewarden.audit.tables import AuditTables
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.lake import DataFile, Table
from lakewarden.permissions.model import Registration
from lakewarden.permissions.store import PermissionStore
from lakewarden.sql import formats

# No client can make a bucket of this name, so nothing but these tables ever lies there.
_BUCKET = "_lakewarden_audit"
_COMMENTS = {
    "events": "Every record of the audit log",
    "queries": "One row for each query: who, what, under which grants",
    "lineage": "Which columns each result's columns come from",
}
TABLE_IDS: Mapping[str, str] = {found: name for name, found in IDS.items()}
"""The tables' ids. They are fixed, and no table that a client makes can have them: a name opens nothing here."""


class AuditFiles:
    """The files of the audit tables, as fresh as the question."""

    def __init__(self, tables: AuditTables) -> None:
        self._tables = tables

    def files(self, table: Table) -> Sequence[DataFile] | None:
        """The files of an audit table; None for every other table.

        INVARIANT (least_reach): the id decides. A table that somebody else makes under the same name, or at the same
        location, does not get the trail's files.
        """
        name = TABLE_IDS.get(table.table_id)
        if name is None:
            return None
        return [
            DataFile(f"s3://{_BUCKET}/{name}/{path.name}", path.stat().st_size, str(path))
            for path in self._tables.files(name)
        ]


def ensure_catalog(catalog: CatalogStore, permissions: PermissionStore, now: datetime) -> None:
    """Have the database and its tables in the catalog, as they should be. Nobody is granted anything.

    Their location is registered, so that Lake Formation alone decides; data lake administrators see that the tables are
    there, and grant.
    """
    at = now.isoformat()
    wanted = {name: _record(name, at) for name in FIELDS}
    with catalog.write(permissions=True) as entries:
        if entries.database(DATABASE) is None:
            document = {"Name": DATABASE, "Description": "The audit trail"}
            entries.put_database(DatabaseRecord(DATABASE, str(uuid.uuid4()), at, document))
        for name, record in wanted.items():
            present = entries.table(DATABASE, name)
            if present is None or (present.id, present.document) != (record.id, record.document):
                entries.put_table(record)
    with permissions.write() as records:
        arn = f"arn:aws:s3:::{_BUCKET}"
        if records.location(arn) is None:
            records.put_location(Registration(arn, "", False, at))


def _record(name: str, at: str) -> TableRecord:
    layout = formats.Layout().stored_as("PARQUET")
    table_id = next(key for key, value in TABLE_IDS.items() if value == name)
    document = {
        "Name": name,
        "Description": _COMMENTS[name],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": one.name, "Type": one.type, "Comment": one.comment} for one in FIELDS[name]],
            "Location": f"s3://{_BUCKET}/{name}/",
            "InputFormat": layout.input_format,
            "OutputFormat": layout.output_format,
            "SerdeInfo": {"SerializationLibrary": layout.serde, "Parameters": {}},
        },
    }
    return TableRecord(DATABASE, name, table_id, 0, at, at, "lakewarden", document)
