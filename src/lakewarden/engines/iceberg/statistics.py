"""What a Parquet file's footer says of its columns, and partition values, in Iceberg's form."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.conversions import to_bytes
from pyiceberg.schema import Schema
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)
from pyiceberg.utils.truncate import truncate_upper_bound_text_string

from lakewarden.kernel.iceberg import Value

_TEXT_BOUND = 16
_BOUNDED = (
    IntegerType, LongType, FloatType, DoubleType, DateType, TimestampType, TimestamptzType, StringType, DecimalType,
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def statistics(path: str, schema: Schema) -> Mapping[str, Any]:
    """Sizes, counts and bounds of the top-level columns, by field id."""
    footer = pq.read_metadata(path)
    fields = {field.name: field for field in schema.fields}
    sizes: dict[int, int] = {}
    values: dict[int, int] = {}
    nulls: dict[int, int] = {}
    bounds: dict[int, tuple[Any, Any] | None] = {}
    for group in range(footer.num_row_groups):
        row_group = footer.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            field = fields.get(column.path_in_schema)
            if field is None or not isinstance(field.field_type, PrimitiveType):
                continue
            of = field.field_id
            sizes[of] = sizes.get(of, 0) + column.total_compressed_size
            values[of] = values.get(of, 0) + column.num_values
            found = column.statistics
            if found is not None and found.has_null_count:
                nulls[of] = nulls.get(of, 0) + found.null_count
            bounds[of] = _wider(bounds.get(of, ()), found, field)
    lower = {of: low for of, pair in bounds.items() if pair and (low := _lower(pair[0], schema, of)) is not None}
    upper = {of: high for of, pair in bounds.items() if pair and (high := _upper(pair[1], schema, of)) is not None}
    return {
        "column_sizes": sizes, "value_counts": values, "null_value_counts": nulls, "nan_value_counts": None,
        "lower_bounds": lower, "upper_bounds": upper, "split_offsets": None,
    }  # fmt: skip


def _wider(before: Any, found: Any, field: NestedField) -> tuple[Any, Any] | None:
    """Bounds of all row groups; None as soon as one does not say, or holds what is not ordered (NaN)."""
    if before is None or not isinstance(field.field_type, _BOUNDED) or found is None:
        return None
    if not found.has_min_max:
        # A row group of nulls alone has no bounds, and changes none.
        return before or ((None, None) if found.has_null_count and found.num_values == 0 else None)
    low, high = found.min, found.max
    if any(isinstance(one, float) and math.isnan(one) for one in (low, high)):
        return None
    if not before or before[0] is None:
        return low, high
    return min(before[0], low), max(before[1], high)


def _lower(value: Any, schema: Schema, of: int) -> bytes | None:
    kind = schema.find_type(of)
    if value is None or not isinstance(kind, PrimitiveType):
        return None
    if isinstance(value, str):
        value = value[:_TEXT_BOUND]
    return to_bytes(kind, _plain(value))


def _upper(value: Any, schema: Schema, of: int) -> bytes | None:
    kind = schema.find_type(of)
    if value is None or not isinstance(kind, PrimitiveType):
        return None
    if isinstance(value, str) and len(value) > _TEXT_BOUND:
        value = truncate_upper_bound_text_string(value, _TEXT_BOUND)
        if value is None:
            return None
    return to_bytes(kind, _plain(value))


def _plain(value: Any) -> Any:
    """Dates as days and timestamps as microseconds, as Iceberg keeps them."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        passed = aware - _EPOCH
        return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    return value


def partition_value(value: Value, kind: IcebergType) -> Any:
    """A value as pyiceberg's writers take it."""
    if isinstance(value, str) and isinstance(kind, DecimalType):
        return Decimal(value)
    return value
