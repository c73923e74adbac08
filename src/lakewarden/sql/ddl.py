"""Athena's Hive DDL and SHOW statements, by recursive descent over sqlglot's Hive tokens.

Athena User Guide, "DDL statements". A clause that is not known is refused.
"""

from collections.abc import Mapping

from sqlglot.tokens import Token, TokenType

from lakewarden.kernel.lake import Column
from lakewarden.sql import formats
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.hive_types import UnknownType, duckdb_type
from lakewarden.sql.model import (
    CreateDatabase,
    CreateTable,
    Describe,
    DropDatabase,
    DropTable,
    ShowColumns,
    ShowCreateTable,
    ShowDatabases,
    ShowTables,
    Statement,
    TableRef,
)
from lakewarden.sql.positions import at

KEYWORDS = frozenset({"CREATE", "DROP", "SHOW", "DESCRIBE", "DESC"})
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING})


class Parser:
    """Parses what follows the first word of a statement; every method consumes what it returns."""

    def __init__(self, first: str, tokens: list[Token], text: str, database: str) -> None:
        self._first = first
        self._tokens = tokens
        self._text = text
        self._database = database.lower()
        self._position = 0

    def statement(self) -> Statement:
        """The statement; raises :class:`SqlSyntaxError` or :class:`Unsupported`."""
        parsers = {
            "CREATE": self._create,
            "DROP": self._drop,
            "SHOW": self._show,
            "DESCRIBE": self._describe,
            "DESC": self._describe,
        }
        found = parsers[self._first]()
        if self._position < len(self._tokens):
            raise self._unexpected()
        return found

    # Statements

    def _create(self) -> Statement:
        if self._accept("DATABASE") or self._accept("SCHEMA"):
            return self._create_database()
        self._accept("EXTERNAL")
        if not self._accept("TABLE"):
            raise Unsupported(f"CREATE {self._peek()}")
        if_not_exists = self._phrase("IF", "NOT", "EXISTS")
        table = self._table()
        if not self._symbol("("):
            raise Unsupported("CREATE TABLE without a column list")
        columns = self._columns()
        return self._table_clauses(table, columns, if_not_exists=if_not_exists)

    def _create_database(self) -> CreateDatabase:
        if_not_exists = self._phrase("IF", "NOT", "EXISTS")
        name = self._name()
        comment = location = ""
        properties: Mapping[str, str] = {}
        while self._position < len(self._tokens):
            if self._accept("COMMENT"):
                comment = self._string()
            elif self._accept("LOCATION"):
                location = self._string()
            elif self._phrase("WITH", "DBPROPERTIES"):
                properties = self._properties()
            else:
                raise self._unexpected()
        return CreateDatabase(name, if_not_exists, comment, location, properties)

    def _table_clauses(self, table: TableRef, columns: tuple[Column, ...], *, if_not_exists: bool) -> CreateTable:
        comment = location = ""
        keys: tuple[Column, ...] = ()
        parameters: Mapping[str, str] = {}
        layout = formats.Layout()
        while self._position < len(self._tokens):
            if self._accept("COMMENT"):
                comment = self._string()
            elif self._phrase("PARTITIONED", "BY"):
                self._expect("(")
                keys = self._columns()
            elif self._phrase("ROW", "FORMAT"):
                layout = self._row_format(layout)
            elif self._phrase("STORED", "AS"):
                layout = self._stored_as(layout)
            elif self._phrase("WITH", "SERDEPROPERTIES"):
                layout = layout.with_properties(self._properties())
            elif self._accept("LOCATION"):
                location = self._string()
            elif self._accept("TBLPROPERTIES"):
                parameters = self._properties()
            else:
                raise self._unexpected()
        if not location:
            raise SqlSyntaxError(1, 1, "LOCATION is required for an external table")
        resolved = layout.resolve()
        return CreateTable(
            table, if_not_exists, columns, keys, location, resolved.input_format, resolved.output_format,
            resolved.serde, resolved.properties, {"EXTERNAL": "TRUE", **parameters}, comment,
        )  # fmt: skip

    def _row_format(self, layout: formats.Layout) -> formats.Layout:
        if self._accept("SERDE"):
            return layout.with_serde(self._string())
        if not self._accept("DELIMITED"):
            raise self._unexpected()
        properties: dict[str, str] = {}
        clauses = {
            ("FIELDS", "TERMINATED", "BY"): "field.delim",
            ("ESCAPED", "BY"): "escape.delim",
            ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "collection.delim",
            ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
            ("LINES", "TERMINATED", "BY"): "line.delim",
            ("NULL", "DEFINED", "AS"): "serialization.null.format",
        }
        while True:
            key = next((name for words, name in clauses.items() if self._phrase(*words)), None)
            if key is None:
                break
            properties[key] = self._string()
        if "field.delim" in properties:
            properties["serialization.format"] = properties["field.delim"]
        return layout.with_serde(formats.LAZY_SIMPLE).with_properties(properties)

    def _stored_as(self, layout: formats.Layout) -> formats.Layout:
        if self._accept("INPUTFORMAT"):
            input_format = self._string()
            if not self._accept("OUTPUTFORMAT"):
                raise self._unexpected()
            return layout.with_formats(input_format, self._string())
        name = self._word()
        try:
            return layout.stored_as(name)
        except KeyError:
            raise Unsupported(f"STORED AS {name}") from None

    def _drop(self) -> Statement:
        if self._accept("DATABASE") or self._accept("SCHEMA"):
            if_exists = self._phrase("IF", "EXISTS")
            name = self._name()
            cascade = self._accept("CASCADE")
            if not cascade:
                self._accept("RESTRICT")
            return DropDatabase(name, if_exists, cascade)
        if self._accept("TABLE"):
            if_exists = self._phrase("IF", "EXISTS")
            return DropTable(self._table(), if_exists)
        raise Unsupported(f"DROP {self._peek()}")

    def _show(self) -> Statement:
        if self._accept("DATABASES") or self._accept("SCHEMAS"):
            return ShowDatabases(self._pattern())
        if self._accept("TABLES"):
            named = self._accept("IN") or self._accept("FROM")
            database = self._name() if named else self._database
            return ShowTables(database, self._pattern())
        if self._accept("COLUMNS"):
            if not (self._accept("IN") or self._accept("FROM")):
                raise self._unexpected()
            table = self._table()
            if self._accept("IN") or self._accept("FROM"):
                table = TableRef(self._name(), table.name, table.line, table.column)
            return ShowColumns(table)
        if self._phrase("CREATE", "TABLE"):
            return ShowCreateTable(self._table())
        raise Unsupported(f"SHOW {self._peek()}")

    def _describe(self) -> Statement:
        if not self._accept("EXTENDED"):
            self._accept("FORMATTED")
        return Describe(self._table())

    # Pieces

    def _columns(self) -> tuple[Column, ...]:
        """``name type [COMMENT 'c'], ...)``; the opening parenthesis is already taken."""
        columns: list[Column] = []
        while True:
            name = self._name()
            kind = self._type()
            comment = self._string() if self._accept("COMMENT") else ""
            columns.append(Column(name, kind, comment))
            if self._symbol(")"):
                return tuple(columns)
            self._expect(",")

    def _type(self) -> str:
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
            raise self._unexpected()
        first, last = self._tokens[start], self._tokens[self._position - 1]
        text = "".join(self._text[first.start : last.end + 1].split()).lower()
        try:
            duckdb_type(text)
        except UnknownType:
            raise SqlSyntaxError(*at(self._text, first.start), f"unknown type '{text[:60]}'") from None
        return text

    def _properties(self) -> Mapping[str, str]:
        self._expect("(")
        properties: dict[str, str] = {}
        while True:
            name = self._string()
            self._expect("=")
            properties[name] = self._string()
            if self._symbol(")"):
                return properties
            self._expect(",")

    def _pattern(self) -> str:
        liked = self._accept("LIKE")
        if liked or self._position < len(self._tokens):
            return self._string()
        return ""

    def _table(self) -> TableRef:
        start = self._tokens[self._position].start if self._position < len(self._tokens) else len(self._text)
        parts = [self._name()]
        while self._symbol("."):
            parts.append(self._name())
        if len(parts) > 3 or (len(parts) == 3 and parts[0] != "awsdatacatalog"):
            raise Unsupported("A table of another catalog")
        database = parts[-2] if len(parts) > 1 else self._database
        return TableRef(database, parts[-1], *at(self._text, start))

    def _name(self) -> str:
        token = self._take()
        word = token.text
        if token.token_type in _NAMES or word.replace("_", "a").replace("-", "a").isalnum():
            return str(word).lower()
        self._position -= 1
        raise self._unexpected()

    def _string(self) -> str:
        token = self._take()
        if token.token_type is not TokenType.STRING:
            self._position -= 1
            raise self._unexpected()
        return str(token.text)

    def _word(self) -> str:
        return str(self._take().text).upper()

    def _take(self) -> Token:
        if self._position >= len(self._tokens):
            raise self._unexpected()
        self._position += 1
        return self._tokens[self._position - 1]

    def _peek(self) -> str:
        return self._tokens[self._position].text.upper()[:60] if self._position < len(self._tokens) else "<EOF>"

    def _accept(self, word: str) -> bool:
        if self._position < len(self._tokens) and self._tokens[self._position].token_type is not TokenType.STRING:
            # sqlglot joins some words into one token ("SHOW TABLES" stays two, "STORED AS" may not).
            text = self._tokens[self._position].text.upper()
            if text == word:
                self._position += 1
                return True
        return False

    def _phrase(self, *words: str) -> bool:
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

    def _symbol(self, symbol: str) -> bool:
        if self._position < len(self._tokens) and self._tokens[self._position].text == symbol:
            if self._tokens[self._position].token_type is TokenType.STRING:
                return False
            self._position += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise self._unexpected()

    def _unexpected(self) -> SqlSyntaxError:
        if self._position >= len(self._tokens):
            return SqlSyntaxError(*at(self._text, len(self._text)), "mismatched input '<EOF>'")
        token = self._tokens[self._position]
        return SqlSyntaxError(*at(self._text, token.start), f"mismatched input '{token.text[:60]}'")
