"""The rewritten tree as DuckDB's SQL, read back and checked by a second, independent look."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakewarden.sql.errors import Unsupported

_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")

# Names under which DuckDB could reach files, settings, other databases or the machine.
_FORBIDDEN_PARTS = (
    "read_", "write_", "glob", "sniff", "parquet_", "duckdb_", "pragma_", "pg_", "query", "getenv", "current_setting",
    "set_config", "which_secret", "http", "sql_auto", "json_execute", "json_serialize_sql", "from_substrait", "nextval",
    "currval", "getvariable", "copy", "attach", "install", "load", "import", "export", "checkpoint", "arrow_scan",
    "pandas_scan", "seq_scan", "index_scan", "summary", "test_", "icu_", "storage_info", "table_info", "show",
)  # fmt: skip


def render(tree: exp.Query, relations: frozenset[str]) -> str:
    """DuckDB's SQL for ``tree``, which may name nothing but ``relations`` and its own CTEs."""
    try:
        sql = tree.sql(dialect="duckdb", copy=False)
        again = sqlglot.parse(sql, dialect="duckdb")
    except SqlglotError as error:
        raise Unsupported("This statement") from error
    if len(again) != 1 or not isinstance(again[0], exp.Query):
        raise Unsupported("This statement")
    _check(again[0], relations)
    return str(sql)


def _check(tree: exp.Query, relations: frozenset[str]) -> None:
    """INVARIANT (least_reach): the text that the engine gets names known relations and harmless functions only."""
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    for node in tree.walk():
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Func):
                _check_function(node.this)
            elif node.db or node.catalog or node.name not in relations | own:
                raise Unsupported("This statement")
        elif isinstance(node, exp.Command | exp.Pragma | exp.Copy | exp.Attach | exp.Set | exp.Into | exp.Placeholder):
            raise Unsupported("This statement")
        elif isinstance(node, exp.Func):
            _check_function(node)


def _check_function(node: exp.Func) -> None:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    if isinstance(node, exp.ReadCSV | exp.ReadParquet) or any(name.startswith(part) for part in _FORBIDDEN_PARTS):
        raise Unsupported(f"The function {name[:60]}")
