"""All grants of the account in memory, as small as they can be kept: for servers that many principals ask. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Self

from lakewarden.permissions.facts import NOTHING_HELD, Grants, Holdings, bears_on_reading
from lakewarden.permissions.model import ColumnsResource, Grant, Resource, TableResource


@dataclass(frozen=True, slots=True)
class Terms:
    """A grant without its principal. A million grants are made in far fewer terms, each of which is one value in memory.

    ``database`` is that of a grant which bears on reading a table, and else empty; ``only`` says that it does nothing else.
    """

    resource: Resource
    permissions: frozenset[str]
    grantable: frozenset[str]
    database: str
    only: bool

    @classmethod
    def of(cls, resource: Resource, permissions: frozenset[str], grantable: frozenset[str]) -> Self:
        """Of a grant's parts."""
        database = str(getattr(resource, "database", "")) if bears_on_reading(resource, permissions) else ""
        only = isinstance(resource, TableResource | ColumnsResource)
        return cls(resource, permissions, grantable, database, only)

    def grant(self, principal: str) -> Grant:
        """The grant that ``principal`` holds on these terms."""
        return Grant(principal, self.resource, self.permissions, self.grantable)


_DATABASE = attrgetter("database")


class TablesHeld(Mapping[str, Mapping[str, Grants]]):
    """One principal's grants on tables by database and table: put in order when first asked, made database by database.

    Doing so twice is harmless: both threads make the same.
    """

    def __init__(self, principal: str, terms: Sequence[Terms]) -> None:
        self._principal = principal
        self._terms = terms
        self._order: tuple[Sequence[Terms], Mapping[str, int]] | None = None
        self._made: dict[str, Mapping[str, Grants]] = {}

    def _ordered(self) -> tuple[Sequence[Terms], Mapping[str, int]]:
        """The terms by database, otherwise in the order of granting, and where each database's begin.

        One list and one table of numbers a principal: a list a database would keep the garbage collector busy.
        """
        found = self._order
        if found is None:
            ordered = sorted(self._terms, key=_DATABASE)
            begins = {terms.database: number for number, terms in reversed([*enumerate(ordered)])}
            found = self._order = ordered, begins
        return found

    def __getitem__(self, database: str) -> Mapping[str, Grants]:
        found = self._made.get(database)
        if found is None:
            ordered, begins = self._ordered()
            begin = begins[database]
            by_table: dict[str, Grants] = {}
            for terms in ordered[begin : bisect_right(ordered, database, begin, key=_DATABASE)]:
                table = getattr(terms.resource, "table", "")
                by_table[table] = (*by_table.get(table, ()), terms.grant(self._principal))
            found = self._made[database] = by_table
        return found

    def get(self, database: str, default: Any = None) -> Any:
        """As of any mapping, without the price of an exception where nothing is held."""
        return self[database] if database in self._ordered()[1] else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordered()[1])

    def __len__(self) -> int:
        return len(self._ordered()[1])


class Ledger:
    """Who holds what. ``entries`` are the principals and terms of every grant, in the order of granting."""

    def __init__(self, entries: Iterable[tuple[str, Terms]]) -> None:
        on_tables: dict[str, list[Terms]] = defaultdict(list)
        others: dict[str, list[Terms]] = defaultdict(list)
        for principal, terms in entries:
            if terms.database:
                on_tables[principal].append(terms)
            if not terms.only:
                others[principal].append(terms)
        self._on_tables: Mapping[str, Sequence[Terms]] = dict(on_tables)
        self._others: Mapping[str, Sequence[Terms]] = dict(others)

    def holdings(self, principal: str) -> Holdings:
        """What :meth:`Holdings.of` makes of the principal's grants, the grants on tables made as they are needed."""
        others = self._others.get(principal)
        held = NOTHING_HELD if others is None else Holdings.of(terms.grant(principal) for terms in others)
        on_tables = self._on_tables.get(principal)
        return held if on_tables is None else replace(held, tables=TablesHeld(principal, on_tables))
