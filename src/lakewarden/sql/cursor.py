"""A position in a statement's tokens, and the small pieces that every hand-written parser here reads with it."""

from collections.abc import Mapping

from sqlglot.tokens import Token, TokenType

from lakewarden.kernel.lake import Column
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.hive_types import UnknownType, duckdb_type
from lakewarden.sql.model import TableRef
from lakewarden.sql.positions import at

_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING})


class Cursor:
    """Reads tokens from left to right; every method consumes what it answers and raises what it does not expect."""

    def __init__(self, tokens: list[Token], text: str, database: str) -> None:
        self._tokens = tokens
        self._position = 0
        self.text = text
        self.database = database.lower()

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._position >= len(self._tokens)

    @property
    def rest(self) -> list[Token]:
        """The tokens that are left."""
        return self._tokens[self._position :]

    def end(self) -> None:
        """Raise unless nothing is left."""
        if not self.ended:
            raise self.unexpected()

    @property
    def transforms_ahead(self) -> bool:
        """Whether a name without a type follows: the end of the list, the next name, or a transform's parenthesis."""
        return len(self.rest) > 1 and self.rest[1].text in {",", ")", "("}

    @property
    def number_ahead(self) -> bool:
        """Whether a number follows."""
        return bool(self.rest) and self.rest[0].token_type is TokenType.NUMBER

    def columns(self) -> tuple[Column, ...]:
        """``name type [COMMENT 'c'], ...)``; the opening parenthesis is already taken."""
        columns: list[Column] = []
        while True:
            name = self.name()
            kind = self.type()
            comment = self.string() if self.accept("COMMENT") else ""
            columns.append(Column(name, kind, comment))
            if self.symbol(")"):
                return tuple(columns)
            self.expect(",")

    def type(self) -> str:
        """A type as written, checked: its text ends before a comma, a parenthesis or COMMENT of the outer level."""
        start = self._position
        depth = 0
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            if depth == 0 and (token.text in {",", ")"} or token.text.upper() == "COMMENT"):
                break
            depth += token.text.count("<") + token.text.count("(") - token.text.count(">") - token.text.count(")")
            self._position += 1
        if start == self._position:
            raise self.unexpected()
        first, last = self._tokens[start], self._tokens[self._position - 1]
        text = "".join(self.text[first.start : last.end + 1].split()).lower()
        try:
            duckdb_type(text)
        except UnknownType:
            raise SqlSyntaxError(*at(self.text, first.start), f"unknown type '{text[:60]}'") from None
        return text

    def properties(self) -> Mapping[str, str]:
        """``('name' = 'value', ...)``."""
        self.expect("(")
        properties: dict[str, str] = {}
        while True:
            name = self.string()
            self.expect("=")
            properties[name] = self.string()
            if self.symbol(")"):
                return properties
            self.expect(",")

    def pattern(self) -> str:
        """``[LIKE] 'pattern'``, or nothing."""
        liked = self.accept("LIKE")
        if liked or self._position < len(self._tokens):
            return self.string()
        return ""

    def table(self) -> TableRef:
        """``[[catalog.]database.]table``."""
        start = self._tokens[self._position].start if self._position < len(self._tokens) else len(self.text)
        parts = [self.name()]
        while self.symbol("."):
            parts.append(self.name())
        if len(parts) > 3 or (len(parts) == 3 and parts[0] != "awsdatacatalog"):
            raise Unsupported("A table of another catalog")
        database = parts[-2] if len(parts) > 1 else self.database
        return TableRef(database, parts[-1], *at(self.text, start))

    def name(self) -> str:
        """A name, lower case."""
        token = self.take()
        word = token.text
        if token.token_type in _NAMES or word.replace("_", "a").replace("-", "a").isalnum():
            return str(word).lower()
        self._position -= 1
        raise self.unexpected()

    def string(self) -> str:
        """A quoted text."""
        token = self.take()
        if token.token_type is not TokenType.STRING:
            self._position -= 1
            raise self.unexpected()
        return str(token.text)

    def word(self) -> str:
        """Any token, upper case."""
        return str(self.take().text).upper()

    def take(self) -> Token:
        """The next token."""
        if self._position >= len(self._tokens):
            raise self.unexpected()
        self._position += 1
        return self._tokens[self._position - 1]

    def peek(self) -> str:
        """The next token's text, upper case, left where it is."""
        return self._tokens[self._position].text.upper()[:60] if self._position < len(self._tokens) else "<EOF>"

    def accept(self, word: str) -> bool:
        """Whether the next token was ``word``."""
        if self._position < len(self._tokens) and self._tokens[self._position].token_type is not TokenType.STRING:
            # sqlglot joins some words into one token ("SHOW TABLES" stays two, "STORED AS" may not).
            text = self._tokens[self._position].text.upper()
            if text == word:
                self._position += 1
                return True
        return False

    def phrase(self, *words: str) -> bool:
        """All of ``words`` or none; sqlglot's tokenizer may have joined several into one token."""
        start = self._position
        left = list(words)
        while left and self._position < len(self._tokens):
            token = self._tokens[self._position]
            parts = token.text.upper().split()
            if token.token_type is TokenType.STRING or parts != left[: len(parts)]:
                break
            del left[: len(parts)]
            self._position += 1
        if left:
            self._position = start
            return False
        return True

    def symbol(self, symbol: str) -> bool:
        """Whether the next token was the symbol."""
        if self._position < len(self._tokens) and self._tokens[self._position].text == symbol:
            if self._tokens[self._position].token_type is TokenType.STRING:
                return False
            self._position += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        """Consume the symbol."""
        if not self.symbol(symbol):
            raise self.unexpected()

    def unexpected(self) -> SqlSyntaxError:
        """The error that the next token is."""
        if self._position >= len(self._tokens):
            return SqlSyntaxError(*at(self.text, len(self.text)), "mismatched input '<EOF>'")
        token = self._tokens[self._position]
        return SqlSyntaxError(*at(self.text, token.start), f"mismatched input '{token.text[:60]}'")

    def constant(self) -> str:
        """A text or a number, as its text."""
        token = self.take()
        if token.token_type in {TokenType.STRING, TokenType.NUMBER}:
            return str(token.text)
        if token.token_type is TokenType.DASH and self.rest and self.rest[0].token_type is TokenType.NUMBER:
            return f"-{self.take().text}"
        self._position -= 1
        raise self.unexpected()
