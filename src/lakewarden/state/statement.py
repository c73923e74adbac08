"""Statements of the paths that every call and query takes, without SQLAlchemy's ceremony around each.

Building, caching and wrapping a statement costs forty times what SQLite needs to answer it (3 to 300 microseconds).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

Words = tuple[str, tuple[str, ...] | None, Mapping[str, Any]]
"""The text in the driver's notation, the order of its values (None where they are given by name), and its constants."""


class Statement:
    """A statement that is put into the driver's words once for each dialect. Values have plain types of the driver.

    Its place is inside :meth:`Database.read` and :meth:`Database.write`, whose transaction it is part of.
    """

    __slots__ = ("_clause", "_words")

    def __init__(self, clause: sa.ClauseElement) -> None:
        self._clause = clause
        self._words: dict[str, Words] = {}

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor. Raises what SQLAlchemy would raise, without the statement and its values."""
        text, names, constants = self._words.get(connection.dialect.name) or self._put(connection.dialect)
        named = {**constants, **values} if constants else values
        given = named if names is None else tuple([named[name] for name in names])
        try:
            return driver(connection).execute(text, given)
        except error_of(connection) as error:
            raise told(connection, error) from error

    def first(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """The first row as a tuple, or None."""
        return self.run(connection, values).fetchone()

    def _put(self, dialect: sa.Dialect) -> Words:
        compiled: Any = self._clause.compile(dialect=dialect)
        order = compiled.positiontup
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        words = self._words[dialect.name] = (str(compiled), None if order is None else tuple(order), constants)
        return words


def run_many(connection: sa.Connection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """A statement in the driver's own notation, once for each row."""
    try:
        driver(connection).cursor().executemany(text, rows)
    except error_of(connection) as error:
        raise told(connection, error) from error


def driver(connection: sa.Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def error_of(connection: sa.Connection) -> type[Exception]:
    """The class of all errors of the driver."""
    found: type[Exception] = connection.dialect.loaded_dbapi.Error
    return found


def told(connection: sa.Connection, error: Exception) -> BaseException:
    """The driver's error as SQLAlchemy names it."""
    base = error_of(connection)
    return sa.exc.DBAPIError.instance(None, None, error, base, dialect=connection.dialect)
