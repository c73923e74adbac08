"""A grant is given back in the form in which it was made: what an infrastructure tool plans stays as it is."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.permissions.errors import EntityNotFoundException, InvalidInputException
from lakewarden.permissions.model import (
    CatalogResource,
    FilterResource,
    Grant,
    LocationResource,
    TableResource,
    TagExpressionResource,
)
from lakewarden.permissions.shapes import grant_answer, grant_of
from lakewarden.permissions.store import PermissionStore
from lakewarden.state import Database
from tests.unit.permissions.lakes import some, some_grant
from tests.unit.permissions.notation import ME

ACCOUNT = "123456789012"
OTHERS = (
    CatalogResource(),
    TableResource("ünï.code", "a 'table' \"x\""),
    LocationResource("arn:aws:s3:::lake/a b/ü%20"),
    FilterResource("one", "t", "Ä filter"),
    TagExpressionResource("Named"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PermissionStore]:
    path: Path = tmp_path_factory.mktemp("forms") / "state.db"
    database = Database(f"sqlite:///{path}")
    database.create_schema()
    yield PermissionStore(database)
    database.close()


def any_grant(random: Random) -> Grant:
    if random.random() < 0.6:
        return some_grant(random)
    resource = random.choice(OTHERS)
    permissions = some(random, sorted(resource.permissions), 1, 3)
    return Grant(ME, resource, frozenset(permissions), frozenset(some(random, permissions, 0, 2)))


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_a_grant_comes_back_in_its_own_form(store: PermissionStore, random: Random) -> None:
    made = any_grant(random)
    asked = grant_answer(made, ACCOUNT)
    assert grant_of(asked, ACCOUNT) == made
    # Members that clients may leave out, and lists in another order, mean the same grant.
    assert grant_of(without_catalog(asked), ACCOUNT) == made
    with store.write() as records:
        records.put_grant(made)
        held = records.grants_of(ME)
        assert [grant_answer(one, ACCOUNT) for one in held] == [asked]
        records.put_grant(Grant(ME, made.resource, frozenset(), frozenset()))
        assert records.grants_of(ME) == []


def without_catalog(shape: Any) -> Any:
    if isinstance(shape, dict):
        kept = {name: value for name, value in shape.items() if name not in {"CatalogId", "TableCatalogId"}}
        return {name: without_catalog(value) for name, value in kept.items()}
    if isinstance(shape, list):
        return [without_catalog(one) for one in reversed(shape)]
    return shape


@given(st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_another_account_s_resource_is_none_of_ours(random: Random) -> None:
    asked = grant_answer(any_grant(random), ACCOUNT)
    kind, body = next(iter(asked["Resource"].items()))
    member = "TableCatalogId" if kind == "DataCellsFilter" else "CatalogId"
    with pytest.raises(EntityNotFoundException):
        grant_of({**asked, "Resource": {kind: {**body, member: "999999999999"}}}, ACCOUNT)


def test_two_kinds_of_resource_at_once_are_refused() -> None:
    with pytest.raises(InvalidInputException):
        grant_of({"Resource": {"Catalog": {}, "Database": {"Name": "d"}}}, ACCOUNT)
