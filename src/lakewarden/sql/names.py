"""Which tables a tree names, and how: CTEs in scope are none of the catalog's."""

from sqlglot import exp

from lakewarden.sql.iceberg_time import version_of
from lakewarden.sql.model import TableRef
from lakewarden.sql.positions import position_of

_CATALOGS = frozenset({"", "awsdatacatalog"})


def catalog_tables(tree: exp.Query, text: str, database: str) -> list[TableRef]:
    """The catalog tables that are named, first mention first; names of CTEs in whose scope they stand are left out."""
    found: dict[tuple[str, str], TableRef] = {}
    for table in tree.find_all(exp.Table):
        if is_cte(table):
            continue
        ref = table_ref(table, text, database)
        found.setdefault(ref.key, ref)
    return list(found.values())


def table_ref(table: exp.Table, text: str, database: str) -> TableRef:
    """The reference that ``table`` makes. A foreign catalog becomes a database name that cannot exist."""
    line, column = position_of(table, text)
    catalog = table.catalog.lower()
    name = table.db.lower() or database.lower()
    if catalog not in _CATALOGS:
        name = f"{catalog}.{name}"
    return TableRef(name, table.name.lower(), line, column, version_of(table))


def is_cte(table: exp.Table) -> bool:
    """Whether an unqualified name means a CTE that is in scope where it stands."""
    if table.db or table.catalog:
        return False
    name = table.name.lower()
    node: exp.Expression | None = table
    while node is not None:
        above = node.parent
        with_ = node.args.get("with_") or node.args.get("with")
        if isinstance(with_, exp.With) and any(one.alias.lower() == name for one in _visible(with_, table)):
            return True
        node = above
    return False


def _visible(with_: exp.With, table: exp.Table) -> list[exp.CTE]:
    """The CTEs of ``with_`` that ``table`` can see: all of them, or within one of them those before it."""
    own = table.find_ancestor(exp.CTE)
    while own is not None and own.parent is not with_:
        own = own.find_ancestor(exp.CTE)
    if own is None:
        return list(with_.expressions)
    recursive = bool(with_.args.get("recursive"))
    position = next(number for number, one in enumerate(with_.expressions) if one is own)
    return list(with_.expressions[: position + recursive])
