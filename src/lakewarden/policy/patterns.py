"""Text with ``*``, ``?`` and policy variables, matched in linear time.

A value that a variable stands for is always literal: a user named ``*`` matches only a star
(IAM User Guide, "Policy variables").
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Context = Mapping[str, Sequence[str]]
"""Condition keys, lower case, to their values."""


class _Wild(Enum):
    STAR = "*"
    ANY = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """``${key}`` or ``${key, 'default'}``; ``key`` is lower case."""

    key: str
    default: str | None = None

    def resolve(self, context: Context) -> str | None:
        """The single value of the key, else the default, else None: unresolved."""
        values = context.get(self.key)
        if values is not None and len(values) == 1:
            return values[0]
        return self.default


class Tail(Enum):
    """What may follow the fixed beginning of a pattern: nothing, anything, or what its further pieces say."""

    NOTHING = 0
    ANYTHING = 1
    SEGMENTS = 2


_Token = str | _Wild | Variable
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAMED = re.compile(r"\s*([A-Za-z0-9:/_.@+=-]+(?: [A-Za-z0-9:/_.@+=-]+)*)\s*(?:,\s*'([^']*)'\s*)?")


class BadVariable(ValueError):
    """A ``${...}`` that is not a policy variable."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. ``pieces`` is None while variables are open."""

    tokens: tuple[_Token, ...]
    pieces: tuple[re.Pattern[str] | str, ...] | None

    def matches(self, value: str, context: Context) -> bool:
        """Whether ``value`` fits; an unresolved variable matches nothing."""
        pieces = self.pieces
        if pieces is None:
            resolved = self.resolve(context)
            if resolved is None:
                return False
            pieces = _pieces(resolved)
        return _fits(pieces, value)

    def resolve(self, context: Context) -> tuple[str | _Wild, ...] | None:
        """The tokens with every variable replaced by its literal value; None when one is unresolved."""
        resolved: list[str | _Wild] = []
        for token in self.tokens:
            if isinstance(token, Variable):
                value = token.resolve(context)
                if value is None:
                    return None
                resolved.append(value)
            else:
                resolved.append(token)
        return tuple(resolved)

    def literal(self, context: Context) -> str | None:
        """The text itself, wildcards being ordinary characters; None when a variable is unresolved."""
        resolved = self.resolve(context)
        if resolved is None:
            return None
        return "".join(token.value if isinstance(token, _Wild) else token for token in resolved)

    @property
    def head(self) -> tuple[str, Tail]:
        """The text that everything that fits begins with, and what may follow it."""
        fixed = ""
        for at, token in enumerate(self.tokens):
            if not isinstance(token, str):
                last = at == len(self.tokens) - 1
                return fixed, Tail.ANYTHING if last and token is _Wild.STAR else Tail.SEGMENTS
            fixed += token
        return fixed, Tail.NOTHING

    @property
    def has_variables(self) -> bool:
        """Whether the pattern depends on the context."""
        return self.pieces is None


def compile_pattern(text: str, *, variables: bool) -> Pattern:
    """Compile ``text``; with ``variables`` off, ``${`` is ordinary text. Raises :class:`BadVariable`."""
    tokens: list[_Token] = []
    position = 0
    if variables:
        for found in _VARIABLE.finditer(text):
            tokens += _wild_tokens(text[position : found.start()])
            tokens.append(_variable(found.group(1)))
            position = found.end()
        if "${" in text[position:]:
            raise BadVariable("a policy variable is not closed")
    tokens += _wild_tokens(text[position:])
    open_variables = any(isinstance(token, Variable) for token in tokens)
    frozen = tuple(tokens)
    closed = tuple(token for token in frozen if not isinstance(token, Variable))
    return Pattern(frozen, None if open_variables else _pieces(closed))


def _variable(body: str) -> Variable | str:
    if body in {"*", "?", "$"}:
        return body
    found = _NAMED.fullmatch(body)
    if found is None:
        raise BadVariable(f"not a policy variable: ${{{body[:60]}}}")
    return Variable(found.group(1).lower(), found.group(2))


def _wild_tokens(text: str) -> list[_Token]:
    return [_Wild(part) if part in {"*", "?"} else part for part in re.split(r"([*?])", text) if part]


def _pieces(tokens: Sequence[str | _Wild]) -> tuple[re.Pattern[str] | str, ...]:
    """What stands between the stars: text, or a star-free regular expression where a ``?`` is in it."""
    pieces: list[re.Pattern[str] | str] = []
    current: list[str | _Wild] = []
    for token in (*tokens, _Wild.STAR):
        if token is not _Wild.STAR:
            current.append(token)
            continue
        if _Wild.ANY in current:
            source = "".join("." if part is _Wild.ANY else re.escape(str(part)) for part in current)
            pieces.append(re.compile(source, re.DOTALL))
        else:
            pieces.append("".join(str(part) for part in current))
        current = []
    return tuple(pieces)


def _fits(pieces: Sequence[re.Pattern[str] | str], value: str) -> bool:
    first = pieces[0]
    if len(pieces) == 1:
        return value == first if isinstance(first, str) else first.fullmatch(value) is not None
    at = _starts(first, value)
    if at is None:
        return False
    for piece in pieces[1:-1]:
        found = _find(piece, value, at)
        if found is None:
            return False
        at = found
    return _ends(pieces[-1], value, at)


def _starts(piece: re.Pattern[str] | str, value: str) -> int | None:
    if isinstance(piece, str):
        return len(piece) if value.startswith(piece) else None
    found = piece.match(value)
    return found.end() if found is not None else None


def _find(piece: re.Pattern[str] | str, value: str, at: int) -> int | None:
    if isinstance(piece, str):
        found_at = value.find(piece, at)
        return None if found_at < 0 else found_at + len(piece)
    found = piece.search(value, at)
    return found.end() if found is not None else None


def _ends(piece: re.Pattern[str] | str, value: str, at: int) -> bool:
    if isinstance(piece, str):
        return len(value) - len(piece) >= at and value.endswith(piece)
    length = len(re.sub(r"\\(.)", r"\1", piece.pattern, flags=re.DOTALL))
    return len(value) - length >= at and piece.fullmatch(value, len(value) - length) is not None
