"""Statement text to a :data:`Statement`: one statement, of a kind that is known."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from lakewarden.sql import calls, ddl, gate
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.limits import check_length, check_tokens, no_tokens
from lakewarden.sql.model import Select, Statement, TableRef
from lakewarden.sql.normalize import normalize
from lakewarden.sql.positions import at, position_of

_TRINO = sqlglot.Dialect.get_or_raise("trino")
_HIVE = sqlglot.Dialect.get_or_raise("hive")
_CATALOGS = frozenset({"", "awsdatacatalog"})
_QUERIES = frozenset({"SELECT", "WITH", "(", "VALUES"})


def parse(text: str, database: str) -> Statement:
    """Parse ``text``; tables without a database get ``database``. Raises :class:`SqlError`'s kinds."""
    check_length(text)
    first = _first_word(text)
    if first in ddl.KEYWORDS:
        # sqlglot's tokenizer swallows whatever follows some first words (SHOW), so the first word is blanked out.
        start = text.upper().index(first)
        rest = text[:start] + " " * len(first) + text[start + len(first) :]
        return ddl.Parser(first, _tokens(_HIVE, rest), text, database).statement()
    if first not in _QUERIES:
        raise _unknown(text, first)
    tokens = _tokens(_TRINO, text)
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        position = next(token.start for token in tokens if token.token_type is TokenType.SEMICOLON)
        raise SqlSyntaxError(*at(text, position), "Only one sql statement is allowed")
    return _query(tokens, text, database)


def _tokens(dialect: sqlglot.Dialect, text: str) -> list[Token]:
    try:
        tokens = list(dialect.tokenize(text))
    except TokenError as error:
        raise no_tokens(error) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    check_tokens(tokens, text)
    return tokens


def _first_word(text: str) -> str:
    try:
        tokens = list(_TRINO.tokenize(text[:2000]))
    except TokenError:
        tokens = []
    word = tokens[0].text if tokens else (text.split() or [""])[0]
    return word.upper()


def _unknown(text: str, first: str) -> Exception:
    if first.isidentifier() and first in _REFUSED:
        return Unsupported(first)
    offset = len(text) - len(text.lstrip())
    return SqlSyntaxError(*at(text, offset), f"mismatched input '{first[:40].lower()}'. Expecting: <query>")


_REFUSED = frozenset(
    {
        "ALTER", "ANALYZE", "ATTACH", "CALL", "CHECKPOINT", "COPY", "DEALLOCATE", "DELETE", "DETACH", "EXECUTE", "EXPLAIN",
        "EXPORT", "GRANT", "IMPORT", "INSERT", "INSTALL", "LOAD", "MERGE", "MSCK", "OPTIMIZE", "PIVOT", "PRAGMA", "PREPARE",
        "REFRESH", "REPLACE", "RESET", "REVOKE", "SET", "SUMMARIZE", "TRUNCATE", "UNLOAD", "UPDATE", "USE", "VACUUM",
    }
)  # fmt: skip


def _query(tokens: list[Token], text: str, database: str) -> Select:
    try:
        trees = _TRINO.parser().parse(calls.mark(tokens), text)
    except ParseError as error:
        raise _syntax_error(error, text) from error
    except RecursionError as error:
        raise SqlSyntaxError(1, 1, "the statement is nested too deeply") from error
    tree = normalize(trees[0]) if len(trees) == 1 and trees[0] is not None else None
    if not isinstance(tree, exp.Query):
        raise Unsupported("This statement")
    gate.check(tree, text)
    return Select(tree, tuple(_tables(tree, text, database)))


def _syntax_error(error: ParseError, text: str) -> SqlSyntaxError:
    found = error.errors[0] if error.errors else {}
    line, end = found.get("line") or 1, found.get("col") or 1
    word = str(found.get("highlight") or "<EOF>")
    column = max(1, end - len(word) + 1)
    del text
    return SqlSyntaxError(line, column, f"mismatched input '{word[:60]}'")


def _tables(tree: exp.Query, text: str, database: str) -> list[TableRef]:
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
    return TableRef(name, table.name.lower(), line, column)


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
