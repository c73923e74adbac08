"""Athena's statements around a query: CTAS, INSERT, UNLOAD, views, EXPLAIN and prepared statements, in Trino's syntax.

Athena User Guide, "DML queries, functions, and operators". A clause or property that is not known is refused.
"""

from collections.abc import Callable, Mapping

from sqlglot.tokens import Token, TokenType

from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.model import (
    CreateTableAs,
    CreateView,
    Deallocate,
    Execute,
    Explain,
    Insert,
    Prepare,
    Select,
    Statement,
    Unload,
)

Query = Callable[[list[Token]], Select]
"""Reads a query from the tokens that it is given."""
Property = str | tuple[str, ...]


def statement(first: str, cursor: Cursor, query: Query) -> Statement:
    """What follows the statement's first word; raises :class:`SqlSyntaxError` or :class:`Unsupported`."""
    return _PARSERS[first](cursor, query)


def is_query_statement(first: str, tokens: list[Token]) -> bool:
    """Whether a CREATE statement has a query in it: CREATE VIEW, and CREATE TABLE with AS before any column list."""
    if first != "CREATE":
        return first in _PARSERS
    words = [token.text.upper() for token in tokens[:400]]
    if words[:1] == ["VIEW"] or words[:2] in (["OR", "REPLACE"], ["OR REPLACE", "VIEW"]):
        return True
    return words[:1] == ["TABLE"] and _has_query(tokens)


def _has_query(tokens: list[Token]) -> bool:
    """CREATE TABLE name AS, or CREATE TABLE name WITH (...) AS."""
    for position, token in enumerate(tokens[1:40], 1):
        if token.token_type is TokenType.L_PAREN:
            return bool(tokens[position - 1].text.upper() == "WITH")
        if token.text.upper() in {"AS", "WITH"} and token.token_type is not TokenType.IDENTIFIER:
            return True
    return False


def _create(cursor: Cursor, query: Query) -> Statement:
    or_replace = cursor.phrase("OR", "REPLACE")
    if cursor.accept("VIEW"):
        return _create_view(cursor, query, or_replace=or_replace)
    if or_replace or not cursor.accept("TABLE"):
        raise Unsupported(f"CREATE {cursor.peek()}")
    if_not_exists = cursor.phrase("IF", "NOT", "EXISTS")
    table = cursor.table()
    properties: Mapping[str, Property] = _properties(cursor) if cursor.accept("WITH") else {}
    if not cursor.accept("AS"):
        raise cursor.unexpected()
    tokens, with_data = _with_data(cursor.rest)
    return CreateTableAs(table, if_not_exists, properties, query(tokens), with_data)


def _with_data(tokens: list[Token]) -> tuple[list[Token], bool]:
    """A query without its trailing WITH [NO] DATA."""
    words = [token.text.upper() for token in tokens[-3:]]
    if words == ["WITH", "NO", "DATA"]:
        return tokens[:-3], False
    if words[1:] == ["WITH", "DATA"]:
        return tokens[:-2], True
    return tokens, True


def _create_view(cursor: Cursor, query: Query, *, or_replace: bool) -> Statement:
    table = cursor.table()
    if not cursor.accept("AS"):
        raise Unsupported(f"CREATE VIEW {cursor.peek()}")
    tokens = cursor.rest
    if not tokens:
        raise cursor.unexpected()
    text = cursor.text[tokens[0].start : tokens[-1].end + 1]
    return CreateView(table, or_replace, query(tokens), text)


def _insert(cursor: Cursor, query: Query) -> Statement:
    if not cursor.accept("INTO"):
        raise cursor.unexpected()
    table = cursor.table()
    columns: list[str] = []
    rest = cursor.rest
    if rest[:1] and rest[0].token_type is TokenType.L_PAREN and not _begins_query(rest[1:]):
        cursor.expect("(")
        while True:
            columns.append(cursor.name())
            if cursor.symbol(")"):
                break
            cursor.expect(",")
    if len(set(columns)) != len(columns):
        raise SqlSyntaxError(1, 1, "Insert query has a column name that stands twice")
    return Insert(table, tuple(columns), query(cursor.rest))


def _begins_query(tokens: list[Token]) -> bool:
    while tokens[:1] and tokens[0].token_type is TokenType.L_PAREN:
        tokens = tokens[1:]
    return bool(tokens) and tokens[0].text.upper() in {"SELECT", "WITH", "VALUES"}


def _unload(cursor: Cursor, query: Query) -> Statement:
    cursor.expect("(")
    inside: list[Token] = []
    depth = 1
    while depth:
        token = cursor.take()
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        inside.append(token)
    selected = query(inside[:-1])
    if not cursor.accept("TO"):
        raise cursor.unexpected()
    location = cursor.string()
    properties = _properties(cursor) if cursor.accept("WITH") else {}
    cursor.end()
    return Unload(selected, location, properties)


def _explain(cursor: Cursor, query: Query) -> Statement:
    analyze = cursor.accept("ANALYZE")
    verbose = analyze and cursor.accept("VERBOSE")
    form, validate = "TEXT", False
    if cursor.rest[:1] and cursor.rest[0].token_type is TokenType.L_PAREN and not _begins_query(cursor.rest):
        cursor.expect("(")
        while True:
            if cursor.accept("FORMAT"):
                form = cursor.word()
            elif cursor.accept("TYPE"):
                validate = _explained(cursor.word())
            else:
                raise cursor.unexpected()
            if cursor.symbol(")"):
                break
            cursor.expect(",")
    if form not in {"TEXT", "JSON"}:
        raise Unsupported(f"EXPLAIN (FORMAT {form})")
    del verbose
    return Explain(query(cursor.rest), analyze, form, validate)


def _explained(kind: str) -> bool:
    """Whether the type is VALIDATE; raises for one that is not given here."""
    if kind not in {"LOGICAL", "DISTRIBUTED", "VALIDATE"}:
        raise Unsupported(f"EXPLAIN (TYPE {kind})")
    return kind == "VALIDATE"


def _prepare(cursor: Cursor, query: Query) -> Statement:  # noqa: ARG001 - a parser's signature
    name = cursor.name()
    if not cursor.accept("FROM"):
        raise cursor.unexpected()
    tokens = cursor.rest
    if not tokens:
        raise cursor.unexpected()
    return Prepare(name, cursor.text[tokens[0].start : tokens[-1].end + 1])


def _execute(cursor: Cursor, query: Query) -> Statement:  # noqa: ARG001 - a parser's signature
    name = cursor.name()
    if cursor.ended:
        return Execute(name, ())
    if not cursor.accept("USING"):
        raise cursor.unexpected()
    return Execute(name, _separated(cursor))


def _separated(cursor: Cursor) -> tuple[str, ...]:
    """The texts between the commas of the outermost level."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in cursor.rest:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if token.token_type is TokenType.COMMA and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    if not all(parts):
        raise cursor.unexpected()
    return tuple(cursor.text[part[0].start : part[-1].end + 1] for part in parts)


def _deallocate(cursor: Cursor, query: Query) -> Statement:  # noqa: ARG001 - a parser's signature
    cursor.accept("PREPARE")
    name = cursor.name()
    cursor.end()
    return Deallocate(name)


def _properties(cursor: Cursor) -> Mapping[str, Property]:
    """``(name = 'text' | number | boolean | ARRAY['a', 'b'], ...)``."""
    cursor.expect("(")
    found: dict[str, Property] = {}
    while True:
        name = cursor.name()
        cursor.expect("=")
        found[name] = _value(cursor)
        if cursor.symbol(")"):
            return found
        cursor.expect(",")


def _value(cursor: Cursor) -> Property:
    if cursor.accept("TRUE"):
        return "true"
    if cursor.accept("FALSE"):
        return "false"
    if not cursor.accept("ARRAY"):
        return cursor.constant()
    cursor.expect("[")
    items: list[str] = []
    while not cursor.symbol("]"):
        items.append(cursor.string())
        cursor.symbol(",")
    return tuple(items)


_PARSERS: Mapping[str, Callable[[Cursor, Query], Statement]] = {
    "CREATE": _create,
    "INSERT": _insert,
    "UNLOAD": _unload,
    "EXPLAIN": _explain,
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "DEALLOCATE": _deallocate,
}
KEYWORDS = frozenset(_PARSERS)
"""The first words of the statements that are read here."""
