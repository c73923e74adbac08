"""UNNEST in FROM: several arrays side by side, maps as two columns, rows as their fields, WITH ORDINALITY."""

from sqlglot import exp

from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.transforms.build import call
from lakewarden.sql.types import D, field_names, item, kind


def rewrite(node: exp.Expression) -> exp.Expression:
    """``UNNEST(a, m) WITH ORDINALITY AS t(x, k, v, n)`` -> ``LATERAL (SELECT unnest(a) AS x, ...) AS t``."""
    alias = node.args.get("alias")
    names = [one.name for one in alias.columns] if alias is not None else []
    offset = node.args.get("offset")
    if isinstance(offset, exp.Identifier):
        names.append(offset.name)
    elif offset:
        raise Unsupported("UNNEST WITH ORDINALITY without column names")
    inner, outer = _columns(node.expressions)
    if offset:
        sizes = [call("coalesce", _size(one), exp.Literal.number(0)) for one in node.expressions]
        longest = call("greatest", *sizes) if len(sizes) > 1 else sizes[0]
        inner.append(exp.alias_(call("unnest", call("t_up_to", longest)), "n", quoted=True))
        outer.append(exp.column("n", quoted=True))
    if len(outer) != len(names):
        raise SqlError(
            f"MISMATCHED_COLUMN_ALIASES: Column alias list has {len(names)} entries but relation has {len(outer)} columns"
        )
    source = exp.Subquery(
        this=exp.Select(expressions=inner), alias=exp.TableAlias(this=exp.to_identifier("u", quoted=True))
    )
    query = exp.Select(
        expressions=[exp.alias_(one, name, quoted=True) for one, name in zip(outer, names, strict=True)]
    ).from_(source)
    return exp.Lateral(this=exp.Subquery(this=query), alias=exp.TableAlias(this=alias.this.copy()) if alias else None)


def _columns(values: list[exp.Expression]) -> tuple[list[exp.Expression], list[exp.Expression]]:
    inner: list[exp.Expression] = []
    outer: list[exp.Expression] = []
    for place, value in enumerate(values):
        name = f"c{place}"
        column = exp.column(name, quoted=True)
        if kind(value) is D.MAP:
            inner.append(exp.alias_(call("unnest", call("map_entries", value)), name, quoted=True))
            outer += [_field(column, "key"), _field(column, "value")]
            continue
        inner.append(exp.alias_(call("unnest", value), name, quoted=True))
        of = item(value.type)
        if of.this is D.STRUCT:
            outer += [_field(column, one) for one in field_names(of)]
        else:
            outer.append(column)
    return inner, outer


def _size(value: exp.Expression) -> exp.Expression:
    return call("cardinality" if kind(value) is D.MAP else "len", value.copy())


def _field(column: exp.Expression, key: str) -> exp.Expression:
    return exp.Dot(this=exp.Paren(this=column.copy()), expression=exp.to_identifier(key, quoted=True))
