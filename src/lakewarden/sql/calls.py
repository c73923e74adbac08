"""Keeps each function call as it was written: the parser would turn many into its own idea of them.

A marked name is unknown to sqlglot, so that the call stays a name and its arguments, and our tables alone decide what it
means.
"""

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from lakewarden.sql.functions import FUNCTIONS, MARK, REFUSED

_SYNTAX = frozenset({"position", "trim", "listagg", "map", "row", "normalize", "substring"})
"""Names with a syntax of their own; the parser reads these."""


def mark(tokens: list[Token]) -> list[Token]:
    """The tokens with the names of calls marked."""
    marked = []
    for number, token in enumerate(tokens):
        following = tokens[number + 1 : number + 3]
        if following and following[0].token_type is TokenType.L_PAREN and _names_call(token, following):
            token = Token(TokenType.VAR, MARK + token.text.lower(), token.line, token.col, token.start, token.end)
        marked.append(token)
    return marked


def _names_call(token: Token, following: list[Token]) -> bool:
    name = token.text.lower()
    if token.token_type is TokenType.STRING or name in _SYNTAX or (name not in FUNCTIONS and name not in REFUSED):
        return False
    return not (name == "filter" and len(following) > 1 and following[1].text.lower() == "where")


def unmark_aliases(tree: exp.Expression) -> None:
    """A derived table or CTE may be called like a function: ``WITH count(n) AS ...``."""
    for alias in tree.find_all(exp.TableAlias):
        name = alias.this
        if isinstance(name, exp.Identifier) and name.name.startswith(MARK):
            name.set("this", name.name.removeprefix(MARK))


def name_of(call: exp.Anonymous) -> str:
    """Trino's lower-case name of a marked call; empty for a call that is not marked."""
    name = call.name
    return name.removeprefix(MARK) if name.startswith(MARK) else ""
