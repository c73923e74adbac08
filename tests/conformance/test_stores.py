"""Every context's store gives back what was put into it, on both databases, whatever the names look like."""

from dataclasses import replace
from typing import Any

import pytest

from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.store import CatalogStore
from lakewarden.identity.model import AccessKey, Group, Policy, PolicyVersion, Role, User
from lakewarden.identity.store import IdentityStore
from lakewarden.kernel.errors import ValidationError
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Registration,
    Resource,
    Settings,
    TableResource,
)
from lakewarden.permissions.store import PermissionStore
from lakewarden.query.model import Caller, Execution, Failure, WorkGroup
from lakewarden.query.store import QueryStore
from lakewarden.state import Database
from lakewarden.storage.model import Attributes, Bucket, StoredObject
from lakewarden.storage.store import StorageStore

NOW = "2026-01-31T09:30:00+00:00"
NAMES = ["plain", "with space", "ünï-çødé", "日本語", "quote'\"`;--", "per%cent_under", "back\\slash", "a", "B", "Z"]
PERMISSIONS = frozenset({"SELECT", "DESCRIBE"})


# Identity


@pytest.mark.parametrize("name", ["plain", "with+=,.@-"])
def test_identities_are_given_back_and_names_are_unique_in_any_case(database: Database, name: str) -> None:
    store = IdentityStore(database)
    entities: tuple[User | Group | Role | Policy, ...] = (
        User(name=name, id="AIDA1", created=NOW, tags={"Team": "ünï'\"\\"}, groups=("G",), inline={"p": '{"a": "%"}'}),
        Group(name=name, id="AGPA1", created=NOW, attached=("arn:aws:iam::aws:policy/ReadOnlyAccess",)),
        Role(name=name, id="AROA1", created=NOW, trust="{}", max_session=7200),
        Policy(
            name=name, id="ANPA1", created=NOW, default="v1", next_version=2,
            versions={"v1": PolicyVersion(document="{}", created=NOW)},
        ),
    )  # fmt: skip
    with store.write() as identities:
        for entity in entities:
            identities.put(entity)
    with store.read() as identities:
        for entity in entities:
            assert identities.get(type(entity), name.upper()) == entity
            assert identities.all(type(entity)) == [entity]
        assert identities.members("G") == [entities[0]]
        assert identities.get(User, "nobody") is None
    with store.write() as identities:
        identities.delete(entities[0])
    with store.read() as identities:
        assert identities.all(User) == []
        assert identities.get(Role, name) == entities[2]


def test_keys_are_listed_oldest_first(database: Database) -> None:
    store = IdentityStore(database)
    newer = AccessKey(id="AKIA1", user="Anna", secret="sealed", created="2026-02-01T00:00:00+00:00")
    older = AccessKey(id="AKIA2", user="Anna", secret="sealed", created=NOW)
    with store.write() as identities:
        identities.put_key(newer)
        identities.put_key(older)
    with store.read() as identities:
        assert list(identities.keys_of("ANNA")) == [older, newer]
        assert identities.key("AKIA1") == newer
        assert identities.key("AKIA9") is None


# Catalog


def record(name: str, database: str = "db") -> TableRecord:
    document: dict[str, Any] = {"Name": name, "StorageDescriptor": {"Columns": [{"Name": "c\0", "Type": "string"}]}}
    return TableRecord(database, name, "id", 3, NOW, NOW, "arn:aws:iam::123456789012:user/a", document)


def test_the_catalog_gives_back_tables_in_order(database: Database) -> None:
    store = CatalogStore(database)
    with store.write() as entries:
        entries.put_database(DatabaseRecord("db", "id", NOW, {"Name": "db", "Description": "ünï\0"}))
        for name in NAMES:
            entries.put_table(record(name))
        entries.put_table(record("elsewhere", "db2"))
    with store.read() as entries:
        assert [one.name for one in entries.tables("db")] == sorted(NAMES)
        assert [one.name for one in entries.tables_after("db", "a")] == [name for name in sorted(NAMES) if name > "a"]
        assert [one.name for one in entries.named_tables("db", ["Z", "a", "absent"])] == ["Z", "a"]
        assert all(entries.table("db", name) == record(name) for name in NAMES)
        assert entries.table("db", "PLAIN") is None
        assert entries.database("db") == DatabaseRecord("db", "id", NOW, {"Name": "db", "Description": "ünï\0"})
    with store.write() as entries:
        entries.put_table(replace(record("a"), version=4))
        entries.remove_table("db", "B")
    with store.read() as entries:
        changed = entries.table("db", "a")
        assert changed is not None
        assert changed.version == 4
        assert entries.table("db", "B") is None


# Permissions


@pytest.mark.parametrize(
    "resource",
    [
        CatalogResource(),
        DatabaseResource("db"),
        TableResource("db", "ünï'\"%"),
        ColumnsResource("db", "t", include=("a", "B")),
        ColumnsResource("db", "t", wildcard=True, exclude=("x",)),
        LocationResource("arn:aws:s3:::lake/päth"),
    ],
    ids=lambda resource: type(resource).__name__,
)
def test_grants_are_given_back_in_the_form_in_which_they_were_made(database: Database, resource: Resource) -> None:
    store = PermissionStore(database)
    grant = Grant("arn:aws:iam::123456789012:role/r", resource, PERMISSIONS, frozenset({"SELECT"}))
    before = database.version("permissions")
    with store.write() as records:
        records.put_grant(grant)
        records.put_grant(grant)
        records.put_grant(replace(grant, principal="arn:aws:iam::123456789012:role/R"))
    with store.read() as records:
        assert records.grants_of(grant.principal) == [grant]
        assert len(records.grants()) == 2
    with store.write() as records:
        records.put_grant(replace(grant, permissions=frozenset(), grantable=frozenset()))
    with store.read() as records:
        assert records.grants_of(grant.principal) == []
    assert database.version("permissions") == before + 2


def test_locations_and_settings_are_given_back(database: Database) -> None:
    store = PermissionStore(database)
    location = Registration("arn:aws:s3:::lake/a", "arn:aws:iam::123456789012:role/r", True, NOW)
    settings = Settings(("arn:aws:iam::123456789012:user/a",), {"Parameters": {"v": "ünï"}})
    with store.write() as records:
        records.put_location(location)
        records.put_location(replace(location, hybrid=False))
        records.put_settings(Settings())
        records.put_settings(settings)
    with store.read() as records:
        assert records.locations() == [replace(location, hybrid=False)]
        assert records.settings() == settings


# Storage


def test_objects_are_listed_by_the_bytes_of_their_keys(database: Database) -> None:
    store = StorageStore(database)
    keys = [*NAMES, "dir/", "dir/a", "dir/\0nul", "dir0", "dir.", "\U0001f600", "\uffff", "x" * 1024]
    made = {
        key: StoredObject("lake", key, 1 << 40, "etag", NOW, "0" * 32, Attributes(metadata={"ü": "\0"})) for key in keys
    }
    with store.write(NOW) as index:
        index.put_bucket(Bucket("lake", "us-east-1", NOW))
        for one in made.values():
            index.put(one)
    with store.read() as index:
        assert [one.key for one in index.scan("lake", b"", b"", 100)] == sorted(keys, key=str.encode)
        assert [one.key for one in index.scan("lake", b"dir/", b"", 100)] == ["dir/", "dir/\0nul", "dir/a"]
        assert [one.key for one in index.scan("lake", b"dir", b"dir/\0", 2)] == ["dir/\0nul", "dir/a"]
        assert all(index.get("lake", key) == one for key, one in made.items())
    with store.write(NOW) as index:
        index.put(replace(made["a"], size=7))
        index.remove("lake", "B")
    with store.read() as index:
        found = index.get("lake", "a")
        assert found is not None
        assert found.size == 7
        assert index.get("lake", "B") is None


# Queries


def execution(identifier: str, **changes: Any) -> Execution:
    caller = Caller("AssumedRole", "1", "arn", "id", "name", "AKIA", {}, "us-east-1", "", "", "request", None)
    fields: dict[str, Any] = {
        "id": identifier, "owner": "arn:me", "workgroup": "primary", "sql": "SELECT '\0ünï'", "database": "db",
        "output": "s3://b/k.csv", "submitted": NOW, "caller": caller,
    }  # fmt: skip
    return Execution(**(fields | changes))


def test_executions_are_given_back_newest_first(database: Database) -> None:
    presence = database.join()
    store = QueryStore(database, presence)
    first = execution("1", token="t")
    second = execution("2", submitted="2026-02-01T00:00:00+00:00", owner="arn:other")
    with store.write() as records:
        records.put(first)
        records.put(second)
    ended = execution("1", token="t", state="FAILED", failure=Failure(2, 1301, "no"))
    with store.write() as records:
        records.put(ended)
    with store.read() as records:
        assert records.execution("1") == ended
        assert records.listed("primary", None, 0, 10) == ["2", "1"]
        assert records.listed("primary", "arn:me", 0, 10) == ["1"]
        assert records.by_token("arn:me", "t") == ended
        assert records.by_token("arn:other", "t") is None
    presence.leave()


def test_a_living_servers_queries_are_not_taken_for_a_dead_ones(database: Database, url: str) -> None:
    mine, theirs = database.join(), Database(url)
    with QueryStore(database, mine).write() as records:
        records.put(execution("1"))
    successor = theirs.join()
    with QueryStore(theirs, successor).read() as records:
        assert [one.id for one in records.unfinished()] == ([] if database.shared else ["1"])
    mine.leave()
    with QueryStore(theirs, successor).read() as records:
        assert [one.id for one in records.unfinished()] == ["1"]
    successor.leave()
    theirs.close()


def test_workgroups_are_given_back(database: Database) -> None:
    presence = database.join()
    store = QueryStore(database, presence)
    groups = [WorkGroup(name=name, created=NOW, output="s3://b/") for name in ("b", "A", "primary")]
    with store.write() as records:
        for group in groups:
            records.put_workgroup(group)
    with store.read() as records:
        assert [group.name for group in records.workgroups()] == ["A", "b", "primary"]
    presence.leave()


# What no text column takes


def test_a_name_that_cannot_be_stored_is_the_callers_fault_or_absent(database: Database) -> None:
    store = CatalogStore(database)
    if database.shared:
        with pytest.raises(ValidationError, match="cannot be stored"):
            store.column_names("db", "a\0b")
    else:
        assert store.column_names("db", "a\0b") is None
    assert store.column_names("db", "ab") is None
