"""Commits of Iceberg tables, on both databases: of those that start from one state, one is made."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from lakewarden.catalog.errors import ConcurrentModificationException, InsufficientPermissions
from lakewarden.catalog.iceberg import IcebergCommits, table_input
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.iceberg import ColumnOf
from lakewarden.kernel.lake import GovernedTable
from lakewarden.permissions.model import ColumnsResource, Grant, Resource, Settings, TableResource
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.state import Database

ACCOUNT, PLACE = "123456789012", "s3://free/t/metadata"
PUT_IN = frozenset({"INSERT"})


def who(name: str) -> Principal:
    return Principal(PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}", name, name)


class Everybody:
    def exists(self, arn: str) -> bool:
        return True


class House:
    def __init__(self, database: Database) -> None:
        store = CatalogStore(database)
        self.permissions = PermissionService(PermissionStore(database), store, Everybody(), ACCOUNT, clock)
        self.permissions.set_settings(None, Settings((who("admin").arn,), {}))
        self.catalog = CatalogService(store, self.permissions, clock)
        self.commits = IcebergCommits(store, self.permissions, clock)
        self.catalog.create_database(who("admin"), {"Name": "db"})
        columns = (ColumnOf("id", "bigint"), ColumnOf("ssn", "string"))
        self.catalog.create_table(who("admin"), "db", table_input("t", "s3://free/t/", f"{PLACE}/0.json", columns, ""))

    def table(self, name: str = "admin") -> GovernedTable:
        found = self.catalog.find(who(name), "db", "t")
        assert found is not None
        return found

    def grant(self, name: str, resource: Resource, *permissions: str) -> None:
        self.permissions.grants.grant(who("admin"), Grant(who(name).arn, resource, frozenset(permissions), frozenset()))


def clock() -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_of_commits_from_one_state_one_is_made(house: House) -> None:
    for turn in range(3):
        before = house.table()

        def commit(number: int, turn: int = turn, before: GovernedTable = before) -> bool:
            return house.commits.commit(who("admin"), before, PUT_IN, f"{PLACE}/{turn}-{number}.json", None)

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(commit, range(8)))
        assert sum(made) == 1
        now = house.table().table.parameters
        assert now["metadata_location"] == f"{PLACE}/{turn}-{made.index(True)}.json"
        assert now["previous_metadata_location"] == before.table.parameters["metadata_location"]


def test_revocation_is_immediate_for_a_statement_that_runs(house: House) -> None:
    house.grant("ann", TableResource("db", "t"), "INSERT")
    seen = house.table("ann")
    assert house.commits.commit(who("ann"), seen, PUT_IN, f"{PLACE}/1.json", None)
    seen = house.table("ann")
    taken = Grant(who("ann").arn, TableResource("db", "t"), PUT_IN, frozenset())
    house.permissions.grants.revoke(who("admin"), taken)
    with pytest.raises(InsufficientPermissions):
        house.commits.commit(who("ann"), seen, PUT_IN, f"{PLACE}/2.json", None)
    assert house.table().table.parameters["metadata_location"] == f"{PLACE}/1.json"


@pytest.mark.parametrize("actions", [{"SELECT", "DELETE"}, {"SELECT", "INSERT", "DELETE"}, {"ALTER"}])
def test_who_reads_a_part_commits_no_change(house: House, actions: set[str]) -> None:
    house.grant("eve", ColumnsResource("db", "t", include=("id",)), "SELECT")
    house.grant("eve", TableResource("db", "t"), "INSERT", "DELETE", "ALTER")
    with pytest.raises(InsufficientPermissions, match="all columns and rows"):
        house.commits.commit(who("eve"), house.table("eve"), frozenset(actions), f"{PLACE}/1.json", None)
    assert house.commits.commit(who("eve"), house.table("eve"), PUT_IN, f"{PLACE}/1.json", None)


def test_a_table_made_anew_is_another(house: House) -> None:
    before = house.table()
    house.catalog.delete_table(who("admin"), "db", "t")
    with pytest.raises(ConcurrentModificationException):
        house.commits.commit(who("admin"), before, PUT_IN, f"{PLACE}/1.json", None)
    columns = (ColumnOf("id", "bigint"),)
    house.catalog.create_table(who("admin"), "db", table_input("t", "s3://free/t/", f"{PLACE}/0.json", columns, ""))
    with pytest.raises(ConcurrentModificationException):
        house.commits.commit(who("admin"), before, PUT_IN, f"{PLACE}/1.json", None)
