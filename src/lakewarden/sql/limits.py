"""Bounds on a statement's size and depth, checked on its tokens, before any recursive code sees it."""

from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.positions import at

LONGEST = 262_144
_MOST_TOKENS = 50_000
_DEEPEST = 60
_LONGEST_CHAIN = 1_000
_LONGEST_RUN = 50
_DEEPEST_DOUBLING = 10
"""Within their like: scalar queries and lambdas (DuckDB's binder), brackets and rows (sqlglot's parser) take twice the time
for each level."""
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
_UNARY = frozenset({TokenType.DASH, TokenType.PLUS, TokenType.NOT, TokenType.TILDE})
_QUERY = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.VALUES})


def check_length(text: str) -> None:
    """Athena takes 262,144 bytes at most."""
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise Unsupported(f"A query string of more than {LONGEST} bytes")


def check_tokens(tokens: list[Token], text: str) -> None:
    """Refuse what nests or chains too deeply for a recursive parser; raises :class:`SqlSyntaxError`."""
    if len(tokens) > _MOST_TOKENS:
        raise Unsupported(f"A statement of more than {_MOST_TOKENS} tokens")
    _check_runs(tokens, text)
    _check_nesting(tokens, text)
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


def _check_runs(tokens: list[Token], text: str) -> None:
    """Signs and NOTs in a row: each nests the parser once more."""
    run = 0
    for token in tokens:
        run = run + 1 if token.token_type in _UNARY else 0
        if run > _LONGEST_RUN:
            raise SqlSyntaxError(*at(text, token.start), "the statement is nested too deeply")


def _check_nesting(tokens: list[Token], text: str) -> None:
    """Queries, brackets and rows, and lambdas within their like: each level doubles someone's work."""
    stack: list[str] = []
    depths = {"query": 0, "row": 0, "lambda": 0, "": 0}
    for number, token in enumerate(tokens):
        kind = token.token_type
        if kind in _OPENING:
            stack.append(_level(tokens, number))
            depths[stack[-1]] += 1
        elif kind in _CLOSING and stack:
            depths[stack.pop()] -= 1
        elif kind is TokenType.ARROW and stack:
            depths[stack[-1]] -= 1
            stack[-1] = "lambda"
            depths["lambda"] += 1
        if max(depths["query"], depths["row"], depths["lambda"]) > _DEEPEST_DOUBLING:
            raise SqlSyntaxError(*at(text, token.start), "the statement is nested too deeply")


def _level(tokens: list[Token], number: int) -> str:
    """What the opening token at ``number`` opens."""
    if number + 1 < len(tokens) and tokens[number + 1].token_type in _QUERY:
        return "query"
    before = tokens[number - 1].text.upper() if number else ""
    return "row" if tokens[number].token_type is TokenType.L_BRACKET or before == "ROW" else ""


def no_tokens(error: TokenError) -> SqlSyntaxError:
    """A statement that does not even fall into tokens."""
    return SqlSyntaxError(1, 1, "mismatched input: " + str(error).splitlines()[0][:80])
