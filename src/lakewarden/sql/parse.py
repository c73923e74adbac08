"""Statement text to a :data:`Statement`: one statement, of a kind that is known."""

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from lakewarden.sql import calls, ddl, gate, iceberg_statements, statements
from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.iceberg_model import AnyStatement
from lakewarden.sql.limits import check_length, check_tokens, no_tokens
from lakewarden.sql.model import Select, Statement
from lakewarden.sql.names import catalog_tables
from lakewarden.sql.normalize import normalize
from lakewarden.sql.parameters import bind
from lakewarden.sql.positions import at

_TRINO = sqlglot.Dialect.get_or_raise("trino")
_HIVE = sqlglot.Dialect.get_or_raise("hive")
_QUERIES = frozenset({"SELECT", "WITH", "(", "VALUES"})


def parse(text: str, database: str, parameters: Sequence[str] = ()) -> AnyStatement:
    """Parse ``text``; tables without a database get ``database``, question marks the ``parameters`` (literals).

    Raises :class:`SqlError`'s kinds.
    """
    check_length(text)
    first, start = _first_word(text)
    if first in _QUERIES:
        return _query(bind(_tokens(_TRINO, text), parameters), text, database)
    if first in iceberg_statements.KEYWORDS:
        whole = _blanked(text, first, start) if first in iceberg_statements.MAINTENANCE else text
        return iceberg_statements.statement(first, _bound(_TRINO, whole, parameters), text, database)
    if first in ddl.KEYWORDS | statements.KEYWORDS:
        rest = _blanked(text, first, start)
        if first in statements.KEYWORDS:
            tokens = _raw_tokens(_TRINO, rest)
            if statements.is_query_statement(first, tokens):
                return _around_query(first, tokens, text, database, parameters)
        return ddl.statement(first, Cursor(_tokens(_HIVE, rest), text, database))
    raise _unknown(text, first)


def output_of(text: str) -> str:
    """How Athena ends the name of a statement's result: ``.csv``, ``.txt``, or nothing where the result is files."""
    first, start = _first_word(text)
    if first in {"INSERT", "UNLOAD"} | iceberg_statements.KEYWORDS:
        return ""
    if first == "CREATE":
        try:
            tokens = _raw_tokens(_TRINO, _blanked(text, first, start)[:20_000])
        except SqlSyntaxError:
            return ".txt"
        table = bool(tokens) and tokens[0].text.upper() == "TABLE"
        return "" if table and statements.is_query_statement(first, tokens) else ".txt"
    return ".txt" if first in ddl.KEYWORDS | {"EXPLAIN", "PREPARE", "DEALLOCATE"} else ".csv"


def executed_name(text: str) -> str:
    """The prepared statement that an EXECUTE names; empty for every other statement."""
    first, start = _first_word(text)
    if first != "EXECUTE":
        return ""
    tokens = _raw_tokens(_TRINO, _blanked(text, first, start))
    return tokens[0].text.lower() if tokens else ""


_CHANGING = (
    exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentUser, exp.Localtime, exp.Localtimestamp, exp.TableSample,
)  # fmt: skip
_CHANGING_CALLS = frozenset(
    {"rand", "random", "uuid", "shuffle", "now", "current_timestamp", "localtimestamp", "localtime", "current_time"}
)


def is_repeatable(query: Select) -> bool:
    """Whether the same query over the same data always answers the same."""
    if any(True for _ in query.tree.find_all(*_CHANGING)):
        return False
    return not any(calls.name_of(call) in _CHANGING_CALLS for call in query.tree.find_all(exp.Anonymous))


def _blanked(text: str, first: str, start: int) -> str:
    """``text`` without its first word: sqlglot's tokenizer swallows whatever follows some first words (SHOW)."""
    return text[:start] + " " * len(first) + text[start + len(first) :]


def _around_query(first: str, tokens: list[Token], text: str, database: str, parameters: Sequence[str]) -> Statement:
    _check(tokens, text)
    if first != "PREPARE":
        # EXECUTE binds its own USING; the parameters of the call are its prepared statement's.
        tokens = tokens if first == "EXECUTE" else bind(tokens, parameters)
    return statements.statement(first, Cursor(tokens, text, database), lambda rest: _query(rest, text, database))


def _bound(dialect: sqlglot.Dialect, text: str, parameters: Sequence[str]) -> list[Token]:
    return bind(_tokens(dialect, text), parameters)


def _tokens(dialect: sqlglot.Dialect, text: str) -> list[Token]:
    tokens = _raw_tokens(dialect, text)
    _check(tokens, text)
    return tokens


def _raw_tokens(dialect: sqlglot.Dialect, text: str) -> list[Token]:
    try:
        tokens = list(dialect.tokenize(text))
    except TokenError as error:
        raise no_tokens(error) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def _check(tokens: list[Token], text: str) -> None:
    check_tokens(tokens, text)
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            raise SqlSyntaxError(*at(text, token.start), "Only one sql statement is allowed")


def _first_word(text: str) -> tuple[str, int]:
    """The statement's first word, upper case, behind any comments, and where it stands."""
    try:
        tokens = list(_TRINO.tokenize(text[:10_000]))
    except TokenError:
        tokens = []
    if not tokens:
        word = (text.split() or [""])[0]
        return word.upper(), text.find(word)
    # sqlglot joins some words into one token (DEALLOCATE PREPARE).
    return tokens[0].text.split()[0].upper() if tokens[0].text.split() else "", tokens[0].start


def _unknown(text: str, first: str) -> Exception:
    if first.isidentifier() and first in _REFUSED:
        return Unsupported(first)
    offset = len(text) - len(text.lstrip())
    return SqlSyntaxError(*at(text, offset), f"mismatched input '{first[:40].lower()}'. Expecting: <query>")


_REFUSED = frozenset(
    {
        "ANALYZE", "ATTACH", "CALL", "CHECKPOINT", "COPY", "DETACH", "EXPORT", "GRANT", "IMPORT", "INSTALL",
        "LOAD", "PIVOT", "PRAGMA", "REFRESH", "REPLACE", "RESET", "REVOKE", "SET", "SUMMARIZE",
        "TRUNCATE", "USE",
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
    return Select(tree, tuple(catalog_tables(tree, text, database)))


def _syntax_error(error: ParseError, text: str) -> SqlSyntaxError:
    found = error.errors[0] if error.errors else {}
    line, end = found.get("line") or 1, found.get("col") or 1
    word = str(found.get("highlight") or "<EOF>")
    column = max(1, end - len(word) + 1)
    del text
    return SqlSyntaxError(line, column, f"mismatched input '{word[:60]}'")
