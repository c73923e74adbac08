"""What SHOW CREATE TABLE and DESCRIBE print. Pure."""

from collections.abc import Mapping

from lakewarden.kernel.lake import Column, Table

_WIDTH = 20


def show_create_table(table: Table) -> tuple[str, ...]:
    """The lines of Athena's SHOW CREATE TABLE."""
    lines = [f"CREATE EXTERNAL TABLE `{table.database}.{table.name}`("]
    lines += _column_lines(table.columns)
    if table.comment:
        lines.append(f"COMMENT {_quoted(table.comment)}")
    if table.partition_keys:
        lines += ["PARTITIONED BY ( ", *_column_lines(table.partition_keys)]
    lines += ["ROW FORMAT SERDE ", f"  {_quoted(table.serde)} "]
    if table.serde_parameters:
        lines += ["WITH SERDEPROPERTIES ( ", *_property_lines(table.serde_parameters)]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quoted(table.input_format)} "]
    lines += ["OUTPUTFORMAT ", f"  {_quoted(table.output_format)}"]
    lines += ["LOCATION", f"  {_quoted(table.location)}"]
    if table.parameters:
        lines += ["TBLPROPERTIES (", *_property_lines(table.parameters)]
    return tuple(lines)


def describe(columns: tuple[Column, ...], keys: tuple[Column, ...]) -> tuple[str, ...]:
    """The tab-separated lines of DESCRIBE, each field padded to twenty characters."""
    lines = [_described(column) for column in (*columns, *keys)]
    if keys:
        lines += ["\t \t ", "# Partition Information\t \t ", _padded("# col_name", "data_type", "comment"), "\t \t "]
        lines += [_described(column) for column in keys]
    return tuple(lines)


def _described(column: Column) -> str:
    return _padded(column.name, column.type, column.comment)


def _padded(*fields: str) -> str:
    return "\t".join(field.ljust(_WIDTH) for field in fields)


def _column_lines(columns: tuple[Column, ...]) -> list[str]:
    texts = [
        f"  `{column.name}` {column.type}" + (f" COMMENT {_quoted(column.comment)}" if column.comment else "")
        for column in columns
    ]
    return [text + ", " for text in texts[:-1]] + [texts[-1] + ")"] if texts else [")"]


def _property_lines(properties: Mapping[str, str]) -> list[str]:
    texts = [f"  {_quoted(name)}={_quoted(value)}" for name, value in sorted(properties.items())]
    return [text + ", " for text in texts[:-1]] + [texts[-1] + ") "]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
