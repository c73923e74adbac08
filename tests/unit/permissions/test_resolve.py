"""``resolve`` against a second, naive implementation, and what holds for every principal."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, RowFilter, Table, TableAccess
from lakewarden.permissions.facts import Facts, Holdings
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    DATABASE_PERMISSIONS,
    TABLE_PERMISSIONS,
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    FilterResource,
    Grant,
    PolicyResource,
    Resource,
    TableResource,
)
from lakewarden.permissions.resolve import database_access, may_grant, table_access, visible_tables
from lakewarden.permissions.tags import Assignment, DatabaseTags
from tests.unit.permissions import naive
from tests.unit.permissions.notation import ME

NAMES = ("a", "b", "c", "d", "k")
databases = st.sampled_from(["one", "two"])
tables = st.sampled_from(["t", "u"])
listed = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(lambda names: tuple(sorted(names)))
columns_of = st.one_of(
    st.builds(ColumnsResource, databases, tables, include=listed),
    st.builds(ColumnsResource, databases, tables, wildcard=st.just(True), exclude=st.one_of(st.just(()), listed)),
)
hybrid_resources: st.SearchStrategy[Resource] = st.one_of(
    st.builds(DatabaseResource, databases), st.builds(TableResource, databases, st.sampled_from(["t", "u", ""]))
)

expressions = st.dictionaries(
    st.sampled_from(["x", "y"]), st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=2, unique=True), min_size=1
).map(lambda one: tuple(sorted((key, tuple(sorted(values))) for key, values in one.items())))
policies = st.builds(PolicyResource, st.sampled_from(["TABLE", "TABLE", "DATABASE"]), expressions)
on_filters = st.builds(FilterResource, databases, tables, st.sampled_from(["f", "g"]))
assignments = st.lists(
    st.builds(
        Assignment,
        databases,
        st.sampled_from(["", "t", "u"]),
        st.sampled_from(["", "", "a", "b", "k"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["1", "2"]),
    ).filter(lambda one: bool(one.table) or not one.column),
    max_size=6,
    unique_by=lambda one: (one.database, one.table, one.column, one.key),
)
row_filters = st.one_of(st.just(ALL_ROWS), st.sampled_from(["p", "q"]).map(lambda text: RowFilter(False, (text,))))
cells_filters = st.lists(
    st.one_of(
        st.builds(CellsFilter, databases, tables, st.sampled_from(["f", "g"]), row_filters, include=listed),
        st.builds(
            CellsFilter, databases, tables, st.sampled_from(["f", "g"]), row_filters, wildcard=st.just(True),
            exclude=st.one_of(st.just(()), listed),
        ),
    ),
    max_size=4,
    unique_by=lambda one: (one.database, one.table, one.name),
)  # fmt: skip


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    resource: Resource = draw(st.one_of(hybrid_resources, columns_of, policies, on_filters))
    permissions = draw(st.frozensets(st.sampled_from(sorted(resource.permissions)), min_size=1, max_size=3))
    grantable = draw(st.frozensets(st.sampled_from(sorted(permissions)), max_size=2))
    excluding = isinstance(resource, ColumnsResource) and resource.exclude
    return Grant(ME, resource, permissions, frozenset() if excluding else grantable)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Facts, naive.World]:
    own, shared = draw(st.lists(grants(), max_size=6)), draw(st.lists(grants(), max_size=2))
    administrator = draw(st.sampled_from([False, False, False, True]))
    hybrid, opted_in = draw(st.lists(hybrid_resources, max_size=2)), draw(st.lists(hybrid_resources, max_size=2))
    tagged, filters = draw(assignments), draw(cells_filters)
    facts = Facts(
        administrator=administrator,
        own=Holdings.of(own),
        shared=Holdings.of(shared),
        hybrid=frozenset(hybrid),
        opted_in=frozenset(opted_in),
        registered=Locations.of(["s3://lake"]),
        filters={FilterResource(one.database, one.table, one.name): one for one in filters},
    )
    return facts, naive.World(administrator, [*own, *shared], hybrid, opted_in, tagged, filters)


@st.composite
def some_tables(draw: st.DrawFn) -> Table:
    names = draw(st.lists(st.sampled_from(NAMES[:4]), max_size=4, unique=True))
    keys = draw(st.sampled_from([(), ("k",)]))
    return Table(
        draw(databases),
        draw(tables),
        tuple(Column(name, "string") for name in names),
        tuple(Column(name, "string") for name in keys),
        "s3://lake/x",
    )


def about(world: tuple[Facts, naive.World], table: Table) -> tuple[Facts, naive.World]:
    """The facts with the tags of the table's database, as they are loaded when it is asked about."""
    facts, plain = world
    tags = DatabaseTags.of(one for one in plain.assignments if one.database == table.database)
    return replace(facts, tags=tags), plain


def agree(world: tuple[Facts, naive.World], table: Table) -> None:
    facts, plain = about(world, table)
    access = table_access(facts, table)
    assert access.actions == {one for one in naive.TABLE_ACTIONS if naive.may(plain, one, table)}
    assert list(access.columns) == [one.name for one in table.all_columns if naive.may_read(plain, one.name, table)]
    assert (access.mode is AccessMode.IAM) == naive.iam_decides(plain, table.database, table.name)
    assert set(access.columns) <= set(access.described)
    if access.mode is not AccessMode.IAM:
        agree_on_rows(plain, access, table)
    database = database_access(facts, table.database)
    assert database.actions == {
        one for one in naive.DATABASE_ACTIONS if naive.may_on_database(plain, one, table.database)
    }
    visible = visible_tables(facts, table.database)
    if access.visible:
        # What a listing does not even look at must be invisible, and a visible table has a visible database.
        assert visible is None or table.name in visible
        assert database.visible


def agree_on_rows(plain: naive.World, access: TableAccess, table: Table) -> None:
    """Column by column the same union; of several columns never a row that one of them is not read in."""
    for name in access.columns:
        found = access.rows_for([name])
        assert ({"all"} if found.all_rows else set(found.expressions)) == naive.rows(plain, name, table)
    for holds in ({"p"}, {"q"}, {"p", "q"}, set()):
        each = [naive.rows(plain, name, table) for name in access.columns]
        expected = bool(each) and all("all" in one or one & holds for one in each)
        assert is_true(access.rows, holds) == expected


def is_true(rows: RowFilter, holds: set[str]) -> bool:
    """Whether a row for which the predicates ``holds`` are true is among ``rows``."""
    words = {"AND": "and", "OR": "or", "(": "(", ")": ")", "p": str("p" in holds), "q": str("q" in holds)}
    return rows.all_rows or any(
        eval(" ".join(words[word] for word in re.findall(r"AND|OR|[()pq]", text))) for text in rows.expressions
    )


@given(worlds(), some_tables())
@settings(max_examples=250, deadline=None)
def test_resolve_agrees_with_the_naive_reading(world: tuple[Facts, naive.World], table: Table) -> None:
    agree(world, table)


@pytest.mark.long
@given(worlds(), some_tables())
@settings(max_examples=100_000, deadline=None)
def test_resolve_agrees_with_the_naive_reading_100_000_times(world: tuple[Facts, naive.World], table: Table) -> None:
    agree(world, table)


@given(worlds(), some_tables(), grants())
@settings(max_examples=250, deadline=None)
def test_no_escalation_by_what_is_passed_on(world: tuple[Facts, naive.World], table: Table, wanted: Grant) -> None:
    """Who receives a permitted grant can do nothing on a table that the giver could not."""
    facts, _ = about(world, table)
    names = tuple(column.name for column in table.all_columns)
    if facts.administrator or facts.hybrid or not may_grant(facts, wanted, names):
        return
    received = Facts(own=Holdings.of([wanted]), registered=facts.registered, tags=facts.tags, filters=facts.filters)
    giver, taker = table_access(facts, table), table_access(received, table)
    assert taker.actions <= giver.actions
    assert set(taker.columns) <= set(giver.columns)
    for holds in ({"p"}, {"q"}, {"p", "q"}, set()):
        for name in taker.columns:
            assert is_true(giver.rows_for([name]), holds) or not is_true(taker.rows_for([name]), holds)
    assert database_access(received, table.database).actions <= database_access(facts, table.database).actions


@given(worlds(), some_tables(), grants())
@settings(max_examples=150, deadline=None)
def test_a_grant_never_takes_anything_away(world: tuple[Facts, naive.World], table: Table, more: Grant) -> None:
    facts, plain = about(world, table)
    richer = Facts(
        facts.administrator, facts.reader, Holdings.of([*plain.grants, more]), Holdings(), facts.hybrid, facts.opted_in,
        facts.registered, facts.tags, facts.named, facts.filters,
    )  # fmt: skip
    before, after = table_access(facts, table), table_access(richer, table)
    assert before.actions <= after.actions
    assert set(before.columns) <= set(after.columns)


def test_every_permission_is_known_to_the_naive_reading() -> None:
    assert TABLE_PERMISSIONS - {"ALL"} == set(naive.TABLE_ACTIONS)
    assert DATABASE_PERMISSIONS - {"ALL"} == set(naive.DATABASE_ACTIONS)
