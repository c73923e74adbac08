"""MERGE, UPDATE and DELETE as the query whose columns become the changed table's. Pure."""

from sqlglot import exp


def asked(tree: exp.Expression) -> tuple[str, exp.Table, exp.Query] | None:
    """The statement's kind, the table that it changes, and what it asks; None for other statements.

    A column that several clauses set stands several times among the outputs.
    """
    table = tree.this
    if not isinstance(table, exp.Table):
        return None
    if isinstance(tree, exp.Merge):
        return "MERGE", table, _merge(tree, table)
    if isinstance(tree, exp.Update):
        return "UPDATE", table, _where(_select(_assigned(tree.expressions)).from_(table.copy()), tree)
    if isinstance(tree, exp.Delete):
        return "DELETE", table, _where(_select([]).from_(table.copy()), tree)
    return None


def _merge(tree: exp.Merge, table: exp.Table) -> exp.Query:
    values: list[exp.Expression] = []
    conditions: list[exp.Expression] = []
    whens = tree.args.get("whens")
    for when in whens.expressions if whens is not None else ():
        then = when.args.get("then")
        if isinstance(then, exp.Update):
            values += _assigned(then.expressions)
        elif isinstance(then, exp.Insert):
            values += _inserted(then)
        if when.args.get("condition") is not None:
            conditions.append(when.args["condition"].copy())
    query = (
        _select(values).from_(tree.args["using"].copy()).join(table.copy(), on=tree.args["on"].copy(), join_type="left")
    )
    return query.where(exp.or_(*conditions)) if conditions else query


def _select(values: list[exp.Expression]) -> exp.Select:
    return exp.Select(expressions=values or [exp.alias_(exp.true(), "_col0", quoted=True)])


def _where(query: exp.Select, tree: exp.Expression) -> exp.Select:
    where = tree.args.get("where")
    return query if where is None else query.where(where.this.copy())


def _assigned(items: list[exp.Expression]) -> list[exp.Expression]:
    return [
        exp.alias_(item.expression.copy(), item.this.name, quoted=True) for item in items if isinstance(item, exp.EQ)
    ]


def _inserted(then: exp.Insert) -> list[exp.Expression]:
    names, row = then.this, then.args.get("expression")
    if not isinstance(names, exp.Tuple) or not isinstance(row, exp.Tuple):
        return []
    pairs = zip(names.expressions, row.expressions, strict=False)
    return [exp.alias_(value.copy(), name.name, quoted=True) for name, value in pairs]
