"""Lambdas: their parameters replaced, where DuckDB's functions call them otherwise than Trino's."""

from collections.abc import Sequence

from sqlglot import exp

from lakewarden.sql.errors import Unsupported


def lambda_of(node: exp.Expression, parameters: int) -> exp.Lambda:
    """``node`` as a lambda of that many parameters; raises :class:`Unsupported` for anything else."""
    if not isinstance(node, exp.Lambda) or len(node.expressions) != parameters:
        raise Unsupported("An argument that is not a lambda")
    return node


def applied(node: exp.Lambda, values: Sequence[exp.Expression]) -> exp.Expression:
    """The lambda's body with ``values`` in the place of its parameters."""
    body = node.this.copy()
    given = {parameter.name: value for parameter, value in zip(node.expressions, values, strict=True)}
    holder = exp.Paren(this=body)
    for name in list(holder.find_all(exp.Column, exp.Identifier)):
        value = given.get(name.name)
        if value is None or not _parameter(name):
            continue
        name.replace(exp.Paren(this=value.copy()))
    return holder


def _parameter(node: exp.Expression) -> bool:
    """Whether a name stands by itself: not qualified, no field, no alias, and not hidden by an inner lambda."""
    if isinstance(node, exp.Column):
        return not node.table and not _shadowed(node)
    parent = node.parent
    if isinstance(parent, exp.Column | exp.Table | exp.TableAlias | exp.PropertyEQ | exp.ColumnDef | exp.Alias):
        return False
    if isinstance(parent, exp.Lambda) and node is not parent.this:
        return False
    if isinstance(parent, exp.Dot) and parent.expression is node:
        return False
    return not _shadowed(node)


def _shadowed(node: exp.Expression) -> bool:
    around = node.find_ancestor(exp.Lambda)
    while around is not None:
        if node.name in {parameter.name for parameter in around.expressions}:
            return True
        around = around.find_ancestor(exp.Lambda)
    return False


def made(parameters: Sequence[str], body: exp.Expression) -> exp.Lambda:
    """A lambda of the engine's."""
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name, quoted=True) for name in parameters])


def name(of: str) -> exp.Expression:
    """The use of a parameter in a lambda that we make."""
    return exp.Column(this=exp.to_identifier(of, quoted=True))


def field(of: exp.Expression, key: str) -> exp.Expression:
    """A field of a struct."""
    return exp.Dot(this=exp.Paren(this=of), expression=exp.to_identifier(key, quoted=True))
