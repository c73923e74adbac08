"""Random lakes: what a principal holds, what is tagged and filtered, and tables to ask about.

Everything is drawn from a ``random.Random``: hypothesis hands in one of its own, which it records and makes smaller, and
the long run a seeded one, which costs a twentieth of that.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from lakewarden.kernel.lake import ALL_ROWS, Column, RowFilter, Table
from lakewarden.permissions.facts import Facts, Holdings
from lakewarden.permissions.ledger import Ledger, Terms
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    PolicyResource,
    Resource,
    TableResource,
    TagResource,
)
from lakewarden.permissions.tags import Assignment
from tests.unit.permissions import naive
from tests.unit.permissions.notation import ME

T = TypeVar("T")
NAMES = ("a", "b", "c", "d", "k")
DATABASES, TABLES, FILTERS, KEYS, VALUES = ("one", "two"), ("t", "u"), ("f", "g"), ("x", "y"), ("1", "2")
EXPRESSIONS = ("n", "m")


def some(random: Random, among: Sequence[T], least: int, most: int) -> tuple[T, ...]:
    """Some different ones, in their order."""
    chosen = random.sample(range(len(among)), random.randint(least, min(most, len(among))))
    return tuple(among[position] for position in sorted(chosen))


def columns_resource(random: Random) -> ColumnsResource:
    place = random.choice(DATABASES), random.choice(TABLES)
    if random.random() < 0.5:
        return ColumnsResource(*place, include=some(random, NAMES, 1, 4))
    return ColumnsResource(*place, wildcard=True, exclude=some(random, NAMES, 0, 4))


def hybrid_resource(random: Random) -> Resource:
    database = random.choice(DATABASES)
    return random.choice((DatabaseResource(database), TableResource(database, random.choice((*TABLES, "")))))


def expression(random: Random) -> Expression:
    return tuple((key, some(random, VALUES, 1, 2)) for key in some(random, KEYS, 1, 2))


def policy(random: Random) -> PolicyResource:
    kind = random.choice(("TABLE", "TABLE", "DATABASE"))
    if random.random() < 0.25:
        return PolicyResource(kind, named=random.choice(EXPRESSIONS))
    return PolicyResource(kind, expression(random))


def filter_resource(random: Random) -> FilterResource:
    return FilterResource(random.choice(DATABASES), random.choice(TABLES), random.choice(FILTERS))


def tag_resource(random: Random) -> TagResource:
    return TagResource(random.choice(KEYS), random.choice((("*",), some(random, VALUES, 1, 2))))


def some_grant(random: Random) -> Grant:
    kinds: tuple[Callable[[Random], Resource], ...] = (
        hybrid_resource, columns_resource, policy, filter_resource, tag_resource
    )  # fmt: skip
    resource = random.choice(kinds)(random)
    permissions = some(random, sorted(resource.permissions), 1, 3)
    excluding = isinstance(resource, ColumnsResource) and resource.exclude
    grantable = () if excluding else some(random, permissions, 0, 2)
    return Grant(ME, resource, frozenset(permissions), frozenset(grantable))


def assignments(random: Random) -> list[Assignment]:
    found: dict[tuple[str, ...], Assignment] = {}
    for _ in range(random.randint(0, 6)):
        table = random.choice(("", *TABLES))
        column = random.choice(("", "", "a", "b", "k")) if table else ""
        one = Assignment(random.choice(DATABASES), table, column, random.choice(KEYS), random.choice(VALUES))
        found.setdefault((one.database, one.table, one.column, one.key), one)
    return list(found.values())


def cells_filters(random: Random) -> list[CellsFilter]:
    found: dict[tuple[str, ...], CellsFilter] = {}
    for _ in range(random.randint(0, 4)):
        named, columns = filter_resource(random), columns_resource(random)
        rows = random.choice((ALL_ROWS, RowFilter(False, ("p",)), RowFilter(False, ("q",))))
        one = CellsFilter(
            named.database, named.table, named.name, rows, "", columns.include, columns.wildcard, columns.exclude
        )
        found.setdefault((named.database, named.table, named.name), one)
    return list(found.values())


def from_the_ledger(held: Sequence[Grant]) -> Holdings:
    """As they come to the decision when all principals' grants were loaded at once."""
    others = Grant("somebody else", TableResource("one", "t"), frozenset({"ALL"}), frozenset())
    return Ledger(
        (grant.principal, Terms.of(grant.resource, grant.permissions, grant.grantable)) for grant in [*held, others]
    ).holdings(ME)


def some_lake(random: Random) -> tuple[Facts, naive.World]:
    """The same lake twice: as facts (without tags, which are loaded by database) and as plain lists."""
    own = [some_grant(random) for _ in range(random.randint(0, 6))]
    shared = [some_grant(random) for _ in range(random.randint(0, 2))]
    hybrid = [hybrid_resource(random) for _ in range(random.randint(0, 2))]
    opted_in = [hybrid_resource(random) for _ in range(random.randint(0, 2))]
    administrator, reader = random.random() < 0.2, random.random() < 0.1
    named = {name: expression(random) for name in some(random, EXPRESSIONS, 0, 2)}
    filters = cells_filters(random)
    facts = Facts(
        administrator=administrator,
        reader=reader,
        own=random.choice((Holdings.of, from_the_ledger))(own),
        shared=random.choice((Holdings.of, from_the_ledger))(shared),
        hybrid=frozenset(hybrid),
        opted_in=frozenset(opted_in),
        registered=Locations.of(["s3://lake"]),
        named=named,
        filters={FilterResource(one.database, one.table, one.name): one for one in filters},
    )
    sees_everything = administrator or reader
    return facts, naive.World(
        sees_everything, [*own, *shared], hybrid, opted_in, assignments(random), filters, tuple(named.items())
    )


def some_table(random: Random) -> Table:
    keys = random.choice(((), ("k",)))
    return Table(
        random.choice(DATABASES),
        random.choice(TABLES),
        tuple(Column(name, "string") for name in some(random, NAMES[:4], 0, 4)),
        tuple(Column(name, "string") for name in keys),
        "s3://lake/x",
    )
