"""What the parser reads in its own way, put back into the form that the other steps expect."""

import re

from sqlglot import exp
from sqlglot.expressions import apply_index_offset

from lakewarden.sql.calls import name_of, unmark_aliases
from lakewarden.sql.errors import SqlError
from lakewarden.sql.transforms import prepare


def normalize(tree: exp.Expression) -> exp.Expression:
    """Aliases without marks, subscripts from 1, VALUES and TABLE(sequence(...)) as queries."""
    unmark_aliases(tree)
    for bracket in tree.find_all(exp.Bracket):
        # The parser has counted them down from 1 to 0.
        bracket.set("expressions", apply_index_offset(bracket.this, bracket.expressions, 1, dialect="trino"))
        bracket.set("offset", None)
    if isinstance(tree, exp.Values):
        tree = exp.Select(expressions=[exp.Star()]).from_(_named(tree))
    for values in tree.find_all(exp.Values):
        _named(values)
    for table in list(tree.find_all(exp.Table)):
        _sequence(table)
    for unnest in tree.find_all(exp.Unnest):
        _name_columns(unnest)
    for limit in list(tree.find_all(exp.Limit)):
        if isinstance(limit.expression, exp.Var) and limit.expression.name.upper() == "ALL":
            limit.pop()
    for string in list(tree.find_all(exp.UnicodeString)):
        string.replace(exp.Literal.string(_unescaped(string)))
    prepare(tree)
    return tree


def _unescaped(string: exp.UnicodeString) -> str:
    """``U&'\\0041\\+01F600'``; a character that does not exist is a syntax error."""
    escape = string.args["escape"].name if isinstance(string.args.get("escape"), exp.Expression) else "\\"
    mark = re.escape(escape)

    def character(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2)
        if code is None:
            return escape
        if int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) <= 0xDFFF:
            raise SqlError("SYNTAX_ERROR: Invalid escaped character")
        return chr(int(code, 16))

    return re.sub(rf"{mark}(?:([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|{mark})", character, string.name)


def _named(values: exp.Values) -> exp.Values:
    """VALUES without names of its own has the columns _col0, _col1, ..."""
    alias = values.args.get("alias")
    if alias is None:
        alias = exp.TableAlias(this=exp.to_identifier("_values", quoted=True))
        values.set("alias", alias)
    if not alias.args.get("columns") and values.expressions:
        first = values.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        alias.set("columns", [exp.to_identifier(f"_col{place}", quoted=True) for place in range(width)])
    return values


def _name_columns(unnest: exp.Unnest) -> None:
    """UNNEST without names of its own has the columns _col0, _col1, ...; arrays of rows and maps must be named."""
    alias = unnest.args.get("alias") or exp.TableAlias(this=exp.to_identifier("_unnest", quoted=True))
    if not alias.args.get("columns") and not unnest.args.get("offset"):
        names = [exp.to_identifier(f"_col{place}", quoted=True) for place in range(len(unnest.expressions))]
        alias.set("columns", names)
        unnest.set("alias", alias)


def _sequence(table: exp.Table) -> None:
    """``TABLE(sequence(1, 10))`` has one column, ``sequential_number``."""
    outer = table.this
    if not isinstance(outer, exp.Anonymous) or outer.name.lower() != "table" or len(outer.expressions) != 1:
        return
    made = outer.expressions[0]
    if not isinstance(made, exp.Anonymous) or name_of(made) != "sequence":
        return
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier("_sequence", quoted=True))
    if not alias.args.get("columns"):
        alias.set("columns", [exp.to_identifier("sequential_number", quoted=True)])
    table.replace(exp.Unnest(expressions=[made], alias=alias))
