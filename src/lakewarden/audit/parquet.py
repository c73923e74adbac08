"""Reading and writing the trail's Parquet files. Apart from :mod:`lakewarden.audit.tables`, which loads it when needed."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def write(table: pa.Table, path: Path) -> None:
    """A whole file."""
    pq.write_table(table, path, compression="zstd", row_group_size=100_000)


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """A whole file."""
    return pq.read_table(path, schema=schema)


def after(table: pa.Table, sequence: int) -> pa.Table:
    """The rows with a later sequence number."""
    return table.filter(pc.field("sequence") > sequence)
