"""Iceberg tables that pyiceberg has written through our own S3, read through Athena."""

import io
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType

from lakewarden.demo.walkthrough import LIMITED
from tests.e2e.conftest import Lake


@pytest.fixture
def iceberg(tmp_path: Path) -> Iterator[Any]:
    """pyiceberg on the local disk; :func:`publish` carries what it wrote into the lake."""
    catalog = SqlCatalog("local", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/ice")
    catalog.create_namespace("n")
    yield catalog
    catalog.engine.dispose()


def publish(lake: Lake, name: str, table: Any, columns: dict[str, str]) -> None:
    here, there = table.location(), f"s3://{lake.results}/ice/{name}"
    s3, glue = lake.client("admin", "s3"), lake.client("admin", "glue")
    root = Path(here.removeprefix("file://"))
    for file in root.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            key = f"ice/{name}/{file.relative_to(root)}"
            s3.put_object(Bucket=lake.results, Key=key, Body=moved(file, here, there))
    document = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", "metadata_location": table.metadata_location.replace(here, there)},
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
            "Location": there,
        },
    }
    try:
        glue.create_table(DatabaseName=lake.dataset.database, TableInput=document)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=lake.dataset.database, TableInput=document)


def moved(file: Path, here: str, there: str) -> bytes:
    """A file with its absolute paths changed: metadata as text, manifests as Avro."""
    if file.suffix == ".json":
        return file.read_text().replace(here, there).encode()
    if file.suffix != ".avro":
        return file.read_bytes()
    with file.open("rb") as opened:
        reader = fastavro.reader(opened)
        records = [changed(record, here, there) for record in reader]
        body = io.BytesIO()
        fastavro.writer(body, reader.writer_schema, records)
    return body.getvalue()


def changed(value: Any, here: str, there: str) -> Any:
    if isinstance(value, dict):
        return {key: changed(one, here, there) for key, one in value.items()}
    return value.replace(here, there) if isinstance(value, str) else value


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_the_current_snapshot_is_read_through_renames_and_deletes(lake: Lake, iceberg: Any) -> None:
    name = f"ice_{secrets.token_hex(4)}"
    rows = pa.table({"a": pa.array([1, 2, 3], pa.int64()), "secret": ["x", "y", "z"]})
    table = iceberg.create_table(f"n.{name}", schema=rows.schema)
    publish(lake, name, table, {"a": "bigint", "secret": "string"})
    assert lake.query("admin", f"SELECT * FROM {name}").rows == [["a", "secret"]]
    table.append(rows)
    table.append(pa.table({"a": pa.array([4], pa.int64()), "secret": ["w"]}))
    publish(lake, name, table, {"a": "bigint", "secret": "string"})
    found = lake.query("admin", f"SELECT * FROM {name} ORDER BY a")
    assert found.rows[1:] == [["1", "x"], ["2", "y"], ["3", "z"], ["4", "w"]], found.reason
    table.delete("a = 2")
    with table.update_schema() as update:
        update.rename_column("secret", "hidden")
        update.add_column("late", StringType())
    publish(lake, name, table, {"a": "bigint", "hidden": "string", "late": "string"})
    found = lake.query("admin", f"SELECT * FROM {name} ORDER BY a")
    assert found.rows[1:] == [["1", "x", None], ["3", "z", None], ["4", "w", None]], found.reason
    assert lake.query("admin", f"INSERT INTO {name} VALUES (9, 'a', 'b')").state == "SUCCEEDED"
    assert lake.query("admin", f"SELECT * FROM {name} WHERE a = 9").rows[1:] == [["9", "a", "b"]]
    assert lake.query(LIMITED, f"SELECT a FROM {name}").reason.startswith("TABLE_NOT_FOUND")
    account = lake.server.administrator["AccountId"]
    lake.client("admin", "lakeformation").grant_permissions(
        Principal={
            "DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{LIMITED}"
        },
        Resource={"TableWithColumns": {"DatabaseName": lake.dataset.database, "Name": name, "ColumnNames": ["a"]}},
        Permissions=["SELECT"],
    )
    assert lake.query(LIMITED, f"SELECT hidden FROM {name}").state == "FAILED"
    lake.query("admin", f"DROP TABLE {name}")


def test_metadata_that_names_files_of_others_reads_nothing(lake: Lake) -> None:
    """Whoever writes metadata could name any object: only files below the table's own location are given to the worker."""
    name = f"ice_{secrets.token_hex(4)}"
    glue = lake.client("admin", "glue")
    dataset = lake.dataset
    glue.create_table(
        DatabaseName=dataset.database,
        TableInput={
            "Name": name,
            "Parameters": {
                "table_type": "ICEBERG",
                "metadata_location": f"s3://{dataset.bucket}/{dataset.prefix}{dataset.file_name}",
            },
            "StorageDescriptor": {
                "Columns": [{"Name": "a", "Type": "string"}],
                "Location": f"s3://{lake.results}/ice-of-others/{name}",
            },
        },
    )
    lake.client("admin", "s3").put_object(Bucket=lake.results, Key=f"ice-of-others/{name}/x", Body=b"x")
    assert lake.query("admin", f"SELECT * FROM {name}").reason.startswith("HIVE_BAD_DATA")
