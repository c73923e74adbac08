"""Partitions, filters, LF-tags and crawlers on both databases: the same answers to the same conditions."""

from dataclasses import replace

import pytest

from lakewarden.catalog.attached import Attached
from lakewarden.catalog.crawler_store import ClassifierRecord, CrawlerRecord, CrawlerStore, Run, finished
from lakewarden.catalog.details import position_of
from lakewarden.catalog.model import PartitionRecord
from lakewarden.catalog.partition_filter import partition_condition
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.lake import ALL_ROWS, Column, RowFilter, Table
from lakewarden.permissions.model import (
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    FilterResource,
    Grant,
    PolicyResource,
    Resource,
    TableResource,
    TagExpression,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.resolve import database_access, table_access
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore
from lakewarden.permissions.tags import Assignment
from lakewarden.state import Database

NOW = "2026-01-31T09:30:00+00:00"
KEYS = (Column("dt", "string"), Column("n", "int"))
NULL = "__HIVE_DEFAULT_PARTITION__"


def partition(*values: str) -> PartitionRecord:
    return PartitionRecord("db", "t", values, NOW, {"Values": list(values)})


def test_partition_conditions_mean_the_same(database: Database) -> None:
    store = CatalogStore(database)
    with store.write() as entries:
        for day in ("a", "b", "B", "ü'\"%_\\"):
            for number in ("-1", "5", "10", NULL):
                entries.put_partition(partition(day, number))

    def found(text: str) -> int:
        with store.read() as entries:
            where = partition_condition(text, KEYS, entries.connection.dialect.name)
            return len(list(entries.partitions("db", "t", where=where)))

    expected = {
        "dt = 'a'": 4, "dt = 'b' AND n = 5": 1, "n > 5": 4, "n >= -1": 12, "5 < n": 4, "n BETWEEN 0 AND 10": 8,
        "n IN (5, 10)": 8, "dt LIKE 'b'": 4, "dt LIKE '_'": 12, "n IS NULL": 4, "NOT n IS NULL": 12, "dt > 'B'": 12,
        "dt <> 'a'": 12, "n = 5.0": 4, "dt = 'ü''\"%_\\'": 4, "n < 99999999999999999999": 12,
    }  # fmt: skip
    assert {text: found(text) for text in expected} == expected
    with store.read() as entries:
        pages, after = [], ""
        while page := list(entries.partitions("db", "t", after=after, limit=3)):
            pages += [one.values for one in page]
            after = position_of(page[-1].values)
        assert len(pages) == len(set(pages)) == 16
        segments = [list(entries.partitions("db", "t", segment=(number, 4))) for number in range(4)]
        assert sum(map(len, segments)) == 16


def test_versions_and_statistics(database: Database) -> None:
    store = CatalogStore(database)
    with store.write() as entries:
        entries.put_statistics("db", "t", (), "c", {"ColumnName": "c"})
        entries.put_statistics("db", "t", ("a",), "c", {"ColumnName": "d"})
        assert entries.statistics("db", "t") == {"c": {"ColumnName": "c"}}
        assert entries.statistics("db", "t", ("a",)) == {"c": {"ColumnName": "d"}}
        assert entries.remove_statistics("db", "t", (), ("c",)) == 1
        entries.forget("db", "t")
        assert entries.statistics("db", "t", ("a",)) == {}


@pytest.mark.parametrize(
    "resource",
    [
        FilterResource("db", "t", "f"),
        TagResource("k", ("*",)),
        TagExpressionResource("ünï 'name'"),
        PolicyResource("TABLE", (("a", ("1", "2")), ("b", ("x",)))),
        PolicyResource("DATABASE", (), "named"),
    ],
)
def test_grants_of_every_new_kind_are_given_back(database: Database, resource: Resource) -> None:
    store = PermissionStore(database)
    grant = Grant("p", resource, frozenset({"DESCRIBE"}), frozenset({"DESCRIBE"}))
    with store.write() as records:
        records.put_grant(grant)
        assert records.grants_of("p") == records.grants_on(resource) == [grant]
        records.put_grant(replace(grant, permissions=frozenset()))
        assert records.grants_of("p") == []


def test_filters_tags_and_expressions_are_given_back(database: Database) -> None:
    store = PermissionStore(database)
    limited = CellsFilter("db", "t", "f", RowFilter(False, ('"a" = 1',)), "a = 1", ("a", "b"), version="v")
    whole = CellsFilter("db", "t", "g", ALL_ROWS, "", wildcard=True, exclude=("c",), version="w")
    tagged = [
        Assignment("db", "", "", "k", "1"),
        Assignment("db", "t", "", "k", "2"),
        Assignment("db", "t", "c", "k", "1"),
    ]
    named = TagExpression("n", (("k", ("1", "2")),), "described")
    with store.write() as records:
        for one in (limited, whole):
            records.put_filter(one)
        for assignment in tagged:
            records.assign(assignment)
        records.put_tag("k", ("1", "2"))
        records.put_expression(named)
        records.put_grant(Grant("p", FilterResource("db", "t", "f"), frozenset({"SELECT"}), frozenset()))
    with store.read() as records:
        assert records.filters("db", "t") == [limited, whole]
        assert records.assignments("db") == tagged
        assert records.tags() == {"k": ("1", "2")}
        assert records.expressions() == {"n": named}
        assert records.tagged_databases() == {"db"}
    with store.write() as records:
        records.drop_filter(limited)
        assert records.grants_of("p") == []
        records.drop_grants("db", "t")
        assert records.filters() == []
        assert records.assignments() == tagged[:1]
        records.remove_tag("k")
        assert records.assignments() == []


def test_crawlers_and_what_is_attached(database: Database) -> None:
    crawlers = CrawlerStore(database)
    record = CrawlerRecord("c", {"Name": "c"}, "RUNNING", 1, NOW, NOW, (Run("1", NOW),))
    with crawlers.write() as inside:
        inside.put(record)
        assert inside.get("c") == record
        inside.put(finished(record, replace(record.runs[0], status="SUCCEEDED", created=3)))
        found = inside.get("c")
    assert found is not None
    assert (found.state, [run.created for run in found.runs]) == ("READY", [3])
    attached = Attached(database)
    attached.tag("arn:aws:glue:r:1:database/d", {"a": "1", "b": "2"})
    attached.untag("arn:aws:glue:r:1:database/d", ["b"])
    assert attached.tags("arn:aws:glue:r:1:database/d") == {"a": "1"}
    document = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"glue:*","Resource":"*"}]}'
    )
    digest = attached.put_policy(document, NOW, "", "NOT_EXIST")
    policy = attached.policy()
    assert policy is not None
    assert policy.hash == digest
    attached.delete_policy(digest)
    assert attached.policy() is None


def test_revocation_is_immediate_for_the_hundredth_principal_too(database: Database) -> None:
    """Those that ask first are loaded one by one, the rest all at once; both decide alike, and neither is ever old."""
    store = PermissionStore(database)
    book = FactBook(store, "123456789012")
    table = Table("db", "t", (Column("a", "string"), Column("b", "string")), location="s3://lake/t")
    on_columns = ColumnsResource("db", "t", include=("a",))
    people = [f"arn:aws:iam::123456789012:role/r{number}" for number in range(100)]

    def readable() -> list[tuple[str, ...]]:
        return [table_access(book.facts(one, "db"), table).columns for one in people]

    with store.write() as records:
        for number, one in enumerate(people):
            resource = on_columns if number % 2 else TableResource("db", "t")
            records.put_grant(Grant(one, resource, frozenset({"SELECT"}), frozenset()))
            records.put_grant(Grant(one, DatabaseResource(f"d{number}"), frozenset({"DESCRIBE"}), frozenset()))
    assert readable() == [("a",) if number % 2 else ("a", "b") for number in range(100)]
    assert all(database_access(book.facts(one), f"d{number}").visible for number, one in enumerate(people))
    assert not database_access(book.facts(people[99]), "d98").visible
    with store.write() as records:
        records.put_grant(Grant(people[99], on_columns, frozenset(), frozenset()))
        records.put_grant(Grant(people[0], TableResource("db", "t"), frozenset(), frozenset()))
    assert readable()[99] == readable()[0] == ()
    assert readable()[98] == ("a", "b")
    with store.write() as records:
        records.drop_grants("db", "t")
    assert readable() == [()] * 100


def test_due_crawlers_and_classifiers(database: Database) -> None:
    store = CrawlerStore(database)
    with store.write() as crawlers:
        for name, due in (("never", ""), ("early", "2026-01-31T09:00:00+00:00"), ("late", "2026-01-31T10:00:00+00:00")):
            crawlers.put(CrawlerRecord(name, {"Name": name}, "READY", 1, NOW, NOW, due=due))
        crawlers.put_classifier(ClassifierRecord("ü", {"CsvClassifier": {"Name": "ü"}}, 2, NOW, NOW))
    with store.read() as crawlers:
        assert [one.name for one in crawlers.due(NOW)] == ["early"]
        assert [one.name for one in crawlers.due("2026-01-31T10:00:00.000001+00:00")] == ["early", "late"]
        assert crawlers.classifiers() == [crawlers.classifier("ü")]
    with store.write() as crawlers:
        crawlers.remove_classifier("ü")
        assert crawlers.classifier("ü") is None
