"""What the catalog refuses, over real stores and the real permissions."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakewarden.catalog.errors import InsufficientPermissions, InvalidInputException
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import NO_ROWS
from lakewarden.permissions.model import CellsFilter, ColumnsResource, FilterResource, Grant, Settings, TableResource
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.state import Database

ACCOUNT = "123456789012"


def who(name: str) -> Principal:
    return Principal(PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}", name, name)


class Everybody:
    def exists(self, arn: str) -> bool:
        return True


@dataclasses.dataclass
class House:
    catalog: CatalogService
    partitions: PartitionService
    permissions: PermissionService

    def grant(self, name: str, resource: Any, *permissions: str) -> None:
        self.permissions.grants.grant(who("admin"), Grant(who(name).arn, resource, frozenset(permissions), frozenset()))


def table_input(*columns: str, **more: Any) -> dict[str, Any]:
    return {
        "Name": "t",
        "PartitionKeys": [{"Name": "dt", "Type": "string"}],
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": "string"} for name in columns], "Location": "s3://free/t"
        },
        **more,
    }  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.create_schema()
    store = CatalogStore(database)

    def clock() -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC)

    permissions = PermissionService(PermissionStore(database), store, Everybody(), ACCOUNT, clock)
    permissions.set_settings(None, Settings((who("admin").arn,), {}))
    catalog = CatalogService(store, permissions, clock)
    made = House(catalog, PartitionService(store, catalog, permissions, clock), permissions)
    catalog.create_database(who("admin"), {"Name": "db"})
    catalog.create_table(who("admin"), "db", table_input("id", "ssn"))
    for day in ("a", "b"):
        made.partitions.create(who("admin"), "db", "t", {"Values": [day]})
    yield made
    database.close()


def test_no_escalation_by_giving_a_hidden_column_another_name(house: House) -> None:
    house.grant("eve", ColumnsResource("db", "t", include=("id",)), "SELECT")
    house.grant("eve", TableResource("db", "t"), "ALTER", "INSERT")
    for document in (
        table_input("ssn", "id"),
        table_input("id", "other"),
        table_input("id", "ssn", Parameters={"skip.header.line.count": "1"}),
    ):
        with pytest.raises(InsufficientPermissions):
            house.catalog.update_table(who("eve"), "db", document, None)
    house.catalog.update_table(who("eve"), "db", table_input("id", "ssn", Description="harmless"), None)


def test_no_escalation_by_calling_other_rows_one_s_own(house: House) -> None:
    wanted = CellsFilter("db", "t", "mine", NO_ROWS, "dt = 'a'", wildcard=True)
    house.permissions.filters.create(who("admin"), wanted)
    house.grant("eve", FilterResource("db", "t", "mine"), "SELECT")
    house.grant("eve", TableResource("db", "t"), "ALTER", "INSERT")
    stolen = {"Values": ["a"], "StorageDescriptor": {"Location": "s3://free/t/dt=b/"}}
    with pytest.raises(InsufficientPermissions):
        house.partitions.update(who("eve"), "db", "t", ["a"], stolen)
    with pytest.raises(InsufficientPermissions):
        house.partitions.create(who("eve"), "db", "t", {**stolen, "Values": ["c"]})
    with pytest.raises(InsufficientPermissions):
        house.partitions.page(who("eve"), "db", "t")
    with pytest.raises(InsufficientPermissions):
        house.partitions.get(who("eve"), "db", "t", ["b"])


def test_hidden_and_absent_tables_are_refused_alike(house: House) -> None:
    def text(name: str) -> str:
        with pytest.raises(AwsError) as caught:
            house.partitions.page(who("eve"), "db", name)
        return caught.value.message.replace(f"on {name}", "on x")

    assert text("t") == text("u")
    with pytest.raises(AwsError) as hidden:
        house.partitions.history.versions(who("eve"), "db", "t")
    with pytest.raises(AwsError) as absent:
        house.partitions.history.versions(who("eve"), "db", "u")
    assert hidden.value.message.replace("on t", "") == absent.value.message.replace("on u", "")


def test_nothing_of_a_table_survives_into_its_namesake(house: House) -> None:
    wanted = CellsFilter("db", "t", "mine", NO_ROWS, "dt = 'a'", wildcard=True)
    house.permissions.filters.create(who("admin"), wanted)
    house.grant("eve", FilterResource("db", "t", "mine"), "SELECT")
    house.catalog.update_table(who("admin"), "db", table_input("id", "ssn", Description="2"), None)
    house.catalog.delete_table(who("admin"), "db", "t")
    house.catalog.create_table(who("admin"), "db", table_input("id", "ssn"))
    assert house.partitions.page(who("admin"), "db", "t")[0] == []
    assert len(house.partitions.history.versions(who("admin"), "db", "t")) == 1
    assert house.permissions.filters.listed(who("admin"), "db", "t") == []
    with pytest.raises(InsufficientPermissions):
        house.catalog.table(who("eve"), "db", "t")


@pytest.mark.parametrize(
    "kind", ["strin", "array<>", "struct<a>", "map<string>", "array<int", "decimal(a)", "int; drop", ""]
)
def test_a_type_that_is_none_is_refused(house: House, kind: str) -> None:
    document = table_input("id")
    document["Name"] = "odd"
    document["StorageDescriptor"]["Columns"] = [{"Name": "x", "Type": kind or "<"}]
    with pytest.raises(InvalidInputException):
        house.catalog.create_table(who("admin"), "db", document)


def test_deep_types_are_followed_so_far(house: House) -> None:
    document = table_input("id")
    document["Name"] = "deep"
    document["StorageDescriptor"]["Columns"] = [{"Name": "x", "Type": "array<" * 50 + "int" + ">" * 50}]
    house.catalog.create_table(who("admin"), "db", document)
    document["Name"] = "deeper"
    document["StorageDescriptor"]["Columns"] = [{"Name": "x", "Type": "array<" * 5000 + "int" + ">" * 5000}]
    with pytest.raises(InvalidInputException):
        house.catalog.create_table(who("admin"), "db", document)
