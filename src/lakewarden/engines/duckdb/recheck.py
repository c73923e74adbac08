"""The second wall before the engine: DuckDB's own parser reads the statement, and every node must be on a list.

Independent of the gate: another parser, another list, in another process. A statement that the gate passed by mistake
ends here, before it is bound.
"""

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from lakewarden.engines.duckdb.macros import macros, repetitions
from lakewarden.sql.functions import FUNCTIONS

_CLASSES = frozenset(
    {"COLUMN_REF", "CONSTANT", "FUNCTION", "CAST", "CASE", "COMPARISON", "CONJUNCTION", "OPERATOR", "SUBQUERY", "LAMBDA",
     "WINDOW", "BETWEEN", "STAR", "LAMBDA_REF"}
)  # fmt: skip
_LARGEST = 20_000
_FROM = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY"})
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_BUILT_IN = """
    + - * / // % ** || & | ^ ~ << >> ~~ !~~ like_escape not_like_escape
    abs ceil floor round trunc sign greatest least pow sum avg count min max list count_if count_star bit_and bit_or bit_xor
    approx_count_distinct approx_quantile string_agg histogram any_value array_agg random now try coalesce nullif
    substring left length octet_length lpad rpad ltrim rtrim trim replace reverse concat concat_ws upper lower strpos chr
    string_split string_split_regex regexp_matches regexp_replace regexp_extract regexp_extract_all regexp_full_match printf
    nfc_normalize encode decode hex unhex strftime strptime date_trunc date_sub date_part to_timestamp timezone
    to_milliseconds to_seconds to_minutes to_hours to_days to_weeks to_months to_quarters to_years
    list_append list_prepend list_concat list_reverse list_transform list_filter list_reduce list_sort list_extract
    list_distinct array_to_string generate_series range len cardinality struct_extract struct_pack row list_value array_extract
    map map_concat map_entries map_from_entries map_keys map_values unnest
    json_extract_string to_json json grouping array_slice java_double java_double_cast not repeat hash
"""
_ALLOWED = (
    frozenset(_BUILT_IN.split())
    | frozenset(function.engine.lower() for function in FUNCTIONS.values() if function.engine)
    | frozenset(macros())
)


class Refused(Exception):
    """The statement is not one that the server can have meant."""


def check(connection: duckdb.DuckDBPyConnection, sql: str, relations: frozenset[str]) -> None:
    """Raise :class:`Refused` unless ``sql`` is one query over ``relations`` and the functions on the list.

    INVARIANT (least_reach): what the engine runs names no file, setting or system table, whatever was asked.
    """
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree.get("error") or len(tree.get("statements", ())) != 1:
        raise Refused("not one query")
    _walk(tree["statements"][0]["node"], relations | _named(tree))
    try:
        size = _size(tree["statements"][0]["node"])
    except RecursionError as error:
        raise Refused("too deep") from error
    if size > _LARGEST:
        raise Refused("too large once its macros are spelled out")


def _size(node: object) -> int:
    """About how many nodes the binder will see: a macro repeats its arguments, and nested ones multiply."""
    if isinstance(node, list):
        return sum(_size(one) for one in node)
    if not isinstance(node, dict):
        return 0
    within = sum(_size(value) for key, value in node.items() if key not in {"value", "cast_type"})
    repeats = repetitions().get(str(node["function_name"]).lower(), 1) if "function_name" in node else 1
    return 1 + within * repeats


def _named(tree: object) -> frozenset[str]:
    """The names of the statement's own CTEs."""
    found: set[str] = set()
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "cte_map" in node:
                found |= {str(one["key"]).lower() for one in node["cte_map"]["map"]}
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    return frozenset(found)


def _walk(tree: object, relations: frozenset[str]) -> None:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            _look(node, relations)
            stack += [value for key, value in node.items() if key not in {"value", "cast_type"}]


def _look(node: Mapping[str, Any], relations: frozenset[str]) -> None:
    if "class" in node:
        if node["class"] not in _CLASSES:
            raise Refused(str(node["class"]))
        if node["class"] in {"FUNCTION", "WINDOW"}:
            _check_function(node)
    elif "sample" in node and "type" in node and "query_location" in node:
        if node["type"] not in _FROM:
            raise Refused(str(node["type"]))
        if node["type"] == "BASE_TABLE" and (
            node["schema_name"] or node["catalog_name"] or str(node["table_name"]).lower() not in relations
        ):
            raise Refused("a table")
        if node["type"] == "TABLE_FUNCTION" and node["function"].get("function_name") not in _TABLE_FUNCTIONS:
            raise Refused("a table function")


def _check_function(node: Mapping[str, Any]) -> None:
    # DuckDB's parser itself names the schema "main" for a few of its own ([1, 2] is main.list_value).
    odd = node.get("schema") not in {"", "main", None} or node.get("catalog")
    if odd or str(node["function_name"]).lower() not in _ALLOWED:
        raise Refused(f"the function {str(node['function_name'])[:60]}")
