"""Hive's types as Iceberg's and back (Athena User Guide, "Supported data types for Iceberg tables")."""

import re
from collections.abc import Iterator, Mapping

from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

from lakewarden.sql.hive_types import split

_SIMPLE: Mapping[str, type[IcebergType]] = {
    "boolean": BooleanType, "int": IntegerType, "integer": IntegerType, "bigint": LongType, "long": LongType,
    "float": FloatType, "real": FloatType, "double": DoubleType, "string": StringType, "binary": BinaryType,
    "date": DateType, "timestamp": TimestampType, "timestamp with time zone": TimestamptzType,
}  # fmt: skip
_HIVE: Mapping[type, str] = {
    BooleanType: "boolean", IntegerType: "int", LongType: "bigint", FloatType: "float", DoubleType: "double",
    StringType: "string", BinaryType: "binary", DateType: "date", TimestampType: "timestamp", TimestamptzType: "timestamp",
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\(([0-9]{1,2})(?:,([0-9]{1,2}))?\)")


class UnsupportedType(ValueError):
    """A type that an Iceberg table does not have here."""


def iceberg_type(hive: str, ids: Iterator[int]) -> IcebergType:
    """``array<struct<a:int>>`` as Iceberg's type, its fields numbered by ``ids``; raises :class:`UnsupportedType`."""
    text = hive.strip().lower()
    if text in _SIMPLE:
        return _SIMPLE[text]()
    found = _DECIMAL.fullmatch(text.replace(" ", ""))
    if found is not None:
        return DecimalType(int(found.group(1)), int(found.group(2) or 0))
    kind, _, inner = text.partition("<")
    parts = split(inner[:-1]) if inner.endswith(">") else []
    if kind == "array" and len(parts) == 1:
        number = next(ids)
        return ListType(element_id=number, element_type=iceberg_type(parts[0], ids), element_required=False)
    if kind == "map" and len(parts) == 2:
        key, value = next(ids), next(ids)
        return MapType(
            key_id=key, key_type=iceberg_type(parts[0], ids),
            value_id=value, value_type=iceberg_type(parts[1], ids), value_required=False,
        )  # fmt: skip
    if kind == "struct" and parts:
        fields = [one.partition(":") for one in parts]
        numbers = [next(ids) for _ in fields]
        return StructType(
            *(
                NestedField(number, name.strip(), iceberg_type(of, ids), required=False)
                for number, (name, _, of) in zip(numbers, fields, strict=True)
            )
        )
    raise UnsupportedType(hive[:100])


def hive_type(kind: IcebergType) -> str:
    """Iceberg's type as the catalog calls it; raises :class:`UnsupportedType`."""
    if isinstance(kind, DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, ListType):
        return f"array<{hive_type(kind.element_type)}>"
    if isinstance(kind, MapType):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.value_type)}>"
    if isinstance(kind, StructType):
        return f"struct<{','.join(f'{field.name}:{hive_type(field.field_type)}' for field in kind.fields)}>"
    found = _HIVE.get(type(kind))
    if found is None:
        raise UnsupportedType(str(kind)[:100])
    return found
