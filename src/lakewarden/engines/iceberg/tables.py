"""Tables made and altered: schema, partition spec and properties (Iceberg table specification, version 2)."""

import itertools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import (
    AddSchemaUpdate,
    RemovePropertiesUpdate,
    SetCurrentSchemaUpdate,
    SetPropertiesUpdate,
    TableUpdate,
)
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import IcebergType, NestedField

from lakewarden.engines.iceberg.types import UnsupportedType, hive_type, iceberg_type
from lakewarden.kernel.iceberg import Alter, ColumnOf, Create, PartitionBy

_FIRST_PARTITION_ID = 1000
_PLAIN: Mapping[str, Callable[[], Transform[Any, Any]]] = {
    "identity": IdentityTransform, "year": YearTransform, "month": MonthTransform, "day": DayTransform,
    "hour": HourTransform,
}  # fmt: skip
_SUFFIX = {"identity": "", "truncate": "_trunc"}


class Invalid(Exception):
    """What was asked does not fit the table; the words are ours and name only what the statement names."""


def create(work: Create) -> TableMetadata:
    """The metadata of a new table, version 2."""
    ids = itertools.count(1)
    numbered = [(next(ids), column) for column in work.columns]
    schema = Schema(
        *(
            NestedField(number, column.name, iceberg_type(column.type, ids), required=False, doc=column.comment or None)
            for number, column in numbered
        )
    )
    fields = [_field(schema, number, by) for number, by in enumerate(work.partitioned_by, _FIRST_PARTITION_ID)]
    if len({field.name for field in fields}) != len(fields):
        raise Invalid("A partition field stands twice")
    properties = {"format-version": "2", **work.properties}
    return new_table_metadata(schema, PartitionSpec(*fields), UNSORTED_SORT_ORDER, work.location, properties)


def _field(schema: Schema, number: int, by: PartitionBy) -> PartitionField:
    try:
        source = schema.find_field(by.column)
    except ValueError:
        raise Invalid(f"Partition column {by.column} is not a column of the table") from None
    transform = _transform(by)
    if not transform.can_transform(source.field_type) or not source.field_type.is_primitive:
        raise Invalid(f"The transform {by.transform} does not take the type of {by.column}")
    name = by.column + _SUFFIX.get(by.transform, f"_{by.transform}")
    if by.transform != "identity" and any(field.name == name for field in schema.fields):
        raise Invalid(f"The partition field {name} is named like a column")
    return PartitionField(source.field_id, number, transform, name)


def _transform(by: PartitionBy) -> Transform[Any, Any]:
    if by.transform in _PLAIN:
        return _PLAIN[by.transform]()
    if by.width < 1:
        raise Invalid(f"The transform {by.transform} needs a number above 0")
    return BucketTransform(by.width) if by.transform == "bucket" else TruncateTransform(by.width)


def altered(base: TableMetadata, work: Alter) -> tuple[TableUpdate, ...]:
    """The updates that make the asked changes; raises :class:`Invalid`."""
    updates: list[TableUpdate] = []
    if work.added or work.dropped or work.changed:
        new = _schema(base, work)
        updates += [AddSchemaUpdate(schema=new), SetCurrentSchemaUpdate.model_validate({"schema-id": -1})]
    if work.properties:
        updates.append(SetPropertiesUpdate(updates=dict(work.properties)))
    present = [name for name in work.unset if name in base.properties]
    if present:
        updates.append(RemovePropertiesUpdate(removals=present))
    return tuple(updates)


def _schema(base: TableMetadata, work: Alter) -> Schema:
    # INVARIANT (non_interference): ids of columns that are gone are never given again, so that no column that is added
    # later shows what an old file holds under its name.
    update = UpdateSchema(cast("Any", SimpleNamespace(table_metadata=base)), case_sensitive=False)
    try:
        for column in work.added:
            update.add_column((column.name,), _fresh(column.type), doc=column.comment or None)
        for name in work.dropped:
            _check_unused(base, name)
            update.delete_column((name,))
        for name, column in work.changed:
            update.update_column((name,), field_type=_kept(base, name, column), doc=column.comment or None)
            if column.name != name:
                update.rename_column((name,), column.name)
        new = update._apply()
    except (Invalid, UnsupportedType):
        raise
    except Exception as error:
        raise Invalid(f"The columns cannot be changed: {error}"[:400]) from error
    if not new.fields:
        raise Invalid("A table needs a column")
    return new


def _fresh(hive: str) -> IcebergType:
    """The type; the table numbers its fields itself."""
    return iceberg_type(hive, itertools.count(1))


def _kept(base: TableMetadata, name: str, column: ColumnOf) -> IcebergType | None:
    """The new type of a column; None where it keeps the one that it has."""
    present = base.schema().find_field(name, case_sensitive=False).field_type
    if hive_type(present) == "".join(column.type.split()).lower().replace("integer", "int"):
        return None
    return _fresh(column.type)


def _check_unused(base: TableMetadata, name: str) -> None:
    field = base.schema().find_field(name, case_sensitive=False)
    for spec in base.partition_specs:
        if any(one.source_id == field.field_id for one in spec.fields):
            raise Invalid(f"Cannot drop column {name}, which partitions are made by")


def columns(metadata: TableMetadata) -> tuple[ColumnOf, ...]:
    """The table's columns as the catalog calls them."""
    return tuple(
        ColumnOf(one.name.lower(), hive_type(one.field_type), one.doc or "") for one in metadata.schema().fields
    )
