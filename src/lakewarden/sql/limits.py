"""Bounds on a statement's size and depth, checked on its tokens, before any recursive code sees it."""

from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.positions import at

LONGEST = 262_144
_MOST_TOKENS = 50_000
_DEEPEST = 100
_LONGEST_CHAIN = 1_000
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_JOINING = frozenset(
    {
        TokenType.AND, TokenType.OR, TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.MOD,
        TokenType.DPIPE, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.NOT, TokenType.JOIN,
        TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.GT, TokenType.LTE, TokenType.GTE, TokenType.DOT,
        TokenType.ARROW, TokenType.DARROW, TokenType.DCOLON, TokenType.TILDE, TokenType.CARET, TokenType.PIPE,
        TokenType.AMP, TokenType.IS, TokenType.IN, TokenType.LIKE, TokenType.BETWEEN, TokenType.ALIAS,
    }
)  # fmt: skip


def check_length(text: str) -> None:
    """Athena takes 262,144 bytes at most."""
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise Unsupported(f"A query string of more than {LONGEST} bytes")


def check_tokens(tokens: list[Token], text: str) -> None:
    """Refuse what nests or chains too deeply for a recursive parser; raises :class:`SqlSyntaxError`."""
    if len(tokens) > _MOST_TOKENS:
        raise Unsupported(f"A statement of more than {_MOST_TOKENS} tokens")
    depth = 0
    chains = [0]
    for token in tokens:
        kind = token.token_type
        if kind in _OPENING:
            depth += 1
            chains.append(0)
        elif kind in _CLOSING:
            depth = max(0, depth - 1)
            if len(chains) > 1:
                chains.pop()
        elif kind in _JOINING:
            chains[-1] += 1
        elif kind is TokenType.COMMA:
            chains[-1] = 0
        if depth > _DEEPEST or chains[-1] > _LONGEST_CHAIN:
            raise SqlSyntaxError(*at(text, token.start), "the statement is nested too deeply")


def no_tokens(error: TokenError) -> SqlSyntaxError:
    """A statement that does not even fall into tokens."""
    return SqlSyntaxError(1, 1, "mismatched input: " + str(error).splitlines()[0][:80])
