"""Values for the ``?`` of a statement: literals only, put in as tokens and never as text."""

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from lakewarden.sql.errors import SqlError, SqlSyntaxError

_TRINO = sqlglot.Dialect.get_or_raise("trino")
_LONGEST = 1024


def bind(tokens: list[Token], parameters: Sequence[str]) -> list[Token]:
    """``tokens`` with the literals in place of their question marks; raises where the numbers differ.

    INVARIANT (deny_by_default): a parameter that is not exactly one literal is refused, so that no value can become a
    name, a function or a clause.
    """
    marks = sum(token.token_type is TokenType.PLACEHOLDER for token in tokens)
    if marks != len(parameters):
        raise SqlError(
            f"INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected {marks} but found {len(parameters)}"
        )
    values = iter(parameters)
    bound: list[Token] = []
    for token in tokens:
        if token.token_type is TokenType.PLACEHOLDER:
            bound += _literal(next(values), token)
        else:
            bound.append(token)
    return bound


def _literal(text: str, at: Token) -> list[Token]:
    """The tokens of a literal, all standing where the question mark stands."""
    try:
        tokens = _TRINO.tokenize(text) if len(text) <= _LONGEST else []
        trees = _TRINO.parser().parse(list(tokens), text) if tokens else []
    except (SqlglotError, RecursionError):
        trees = []
    if len(trees) != 1 or not _is_literal(trees[0]):
        raise SqlSyntaxError(at.line, max(1, at.col), "a parameter must be a literal")
    return [
        Token(one.token_type, one.text, line=at.line, col=at.col, start=at.start, end=at.end)
        for one in tokens
        if one.token_type is not TokenType.SEMICOLON
    ]


def _is_literal(node: exp.Expression | None) -> bool:
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
        return True
    if isinstance(node, exp.Neg):
        return isinstance(node.this, exp.Literal) and not node.this.is_string
    # DATE '2020-01-01', TIMESTAMP '...', DECIMAL '1.5'
    return isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and isinstance(node.to, exp.DataType)
