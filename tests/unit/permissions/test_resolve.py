"""``resolve`` against a second, naive implementation, and what holds for every principal."""

import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.lake import AccessMode, RowFilter, Table, TableAccess
from lakewarden.permissions.facts import Facts, Holdings
from lakewarden.permissions.model import DATABASE_PERMISSIONS, TABLE_PERMISSIONS
from lakewarden.permissions.resolve import database_access, may_grant, table_access, visible_tables
from lakewarden.permissions.tags import DatabaseTags
from tests.unit.permissions import naive
from tests.unit.permissions.lakes import some_grant, some_lake, some_table

LONG_CASES = 100_000
randoms = st.randoms(use_true_random=False)


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


@given(randoms)
@settings(max_examples=250, deadline=None)
def test_resolve_agrees_with_the_naive_reading(random: Random) -> None:
    agree(some_lake(random), some_table(random))


@pytest.mark.long
def test_resolve_agrees_with_the_naive_reading_100_000_times() -> None:
    """Each case is a lake of its own, and one table; the seed that fails is named."""
    for seed in range(LONG_CASES):
        random = Random(seed)
        world, table = some_lake(random), some_table(random)
        try:
            agree(world, table)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {table} in {world[1]}") from error


@given(randoms)
@settings(max_examples=250, deadline=None)
def test_no_escalation_by_what_is_passed_on(random: Random) -> None:
    """Who receives a permitted grant can do nothing on a table that the giver could not."""
    world, table, wanted = some_lake(random), some_table(random), some_grant(random)
    facts, _ = about(world, table)
    names = tuple(column.name for column in table.all_columns)
    if facts.administrator or facts.hybrid or not may_grant(facts, wanted, names):
        return
    received = Facts(
        own=Holdings.of([wanted]),
        registered=facts.registered,
        tags=facts.tags,
        named=facts.named,
        filters=facts.filters,
    )
    giver, taker = table_access(facts, table), table_access(received, table)
    assert taker.actions <= giver.actions
    assert set(taker.columns) <= set(giver.columns)
    for holds in ({"p"}, {"q"}, {"p", "q"}, set()):
        for name in taker.columns:
            assert is_true(giver.rows_for([name]), holds) or not is_true(taker.rows_for([name]), holds)
    assert database_access(received, table.database).actions <= database_access(facts, table.database).actions


@given(randoms)
@settings(max_examples=150, deadline=None)
def test_a_grant_never_takes_anything_away(random: Random) -> None:
    world, table, more = some_lake(random), some_table(random), some_grant(random)
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
