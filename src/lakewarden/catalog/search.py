"""SearchTables over the records that the caller may see, as far as it may see them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import TableRecord

Params = Mapping[str, Any]
_FIELDS: Mapping[str, Callable[[TableRecord], str]] = {
    "name": lambda record: record.name,
    "databasename": lambda record: record.database,
    "description": lambda record: str(record.document.get("Description") or ""),
    "owner": lambda record: str(record.document.get("Owner") or ""),
    "tabletype": lambda record: str(record.document.get("TableType") or ""),
    "createtime": lambda record: record.created,
    "updatetime": lambda record: record.updated,
}
_COMPARATORS: Mapping[str, Callable[[str, str], bool]] = {
    "EQUALS": lambda a, b: a == b,
    "GREATER_THAN": lambda a, b: a > b,
    "LESS_THAN": lambda a, b: a < b,
    "GREATER_THAN_EQUALS": lambda a, b: a >= b,
    "LESS_THAN_EQUALS": lambda a, b: a <= b,
}


def found(records: Sequence[TableRecord], params: Params) -> list[TableRecord]:
    """Those that all filters and the search text fit, in the order asked for; raises InvalidInput."""
    kept = [record for record in records if _fits(record, params)]
    for one in reversed(params.get("SortCriteria") or ()):
        kept.sort(key=_field(one.get("FieldName", "")), reverse=one.get("Sort") == "DESC")
    return kept


def _fits(record: TableRecord, params: Params) -> bool:
    text = str(params.get("SearchText") or "").lower()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if quoted and text[1:-1] not in _texts(record):
        return False
    if text and not quoted and not any(text in one for one in _texts(record)):
        return False
    return all(_fits_filter(record, one) for one in params.get("Filters") or ())


def _fits_filter(record: TableRecord, one: Params) -> bool:
    key, value = str(one.get("Key", "")), str(one.get("Value", ""))
    compare = _COMPARATORS.get(one.get("Comparator") or "EQUALS")
    if compare is None:
        raise InvalidInputException("Comparator is invalid.")
    read = _FIELDS.get(key.lower())
    if read is not None:
        return compare(read(record), value)
    parameters: Mapping[str, str] = record.document.get("Parameters") or {}
    return key in parameters and compare(parameters[key], value)


def _texts(record: TableRecord) -> list[str]:
    """All texts of a record, its columns' names and comments included; lower case."""
    table = record.table()
    columns = [text for column in table.all_columns for text in (column.name, column.comment)]
    parameters = [text for pair in table.parameters.items() for text in pair]
    return [text.lower() for text in (record.name, record.database, table.comment, table.owner, *columns, *parameters)]


def _field(name: str) -> Callable[[TableRecord], str]:
    read = _FIELDS.get(name.lower())
    if read is None:
        raise InvalidInputException(f"Tables cannot be sorted by {name[:100]}.")
    return read
