"""Partition expressions in the store, projection, and what may be told of partitions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import PartitionRecord
from lakewarden.catalog.partition_filter import partition_condition
from lakewarden.catalog.partitions import may_list_partitions
from lakewarden.catalog.projection import outside_roots, projected_sources
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Cells, Column, RowFilter, Table, TableAccess, rows_of
from lakewarden.state import Database

KEYS = (Column("dt", "string"), Column("n", "int"))
NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogStore]:
    path: Path = tmp_path_factory.mktemp("catalog") / "state.db"
    database = Database(f"sqlite:///{path}")
    database.create_schema()
    made = CatalogStore(database)
    with made.write() as entries:
        for day in ("a", "b", "B"):
            for number in ("-1", "5", "10", "__HIVE_DEFAULT_PARTITION__"):
                values = (day, number)
                entries.put_partition(PartitionRecord("db", "t", values, "2024-01-01T00:00:00+00:00", {}))
    yield made
    database.close()


def found(store: CatalogStore, text: str) -> set[tuple[str, ...]]:
    with store.read() as entries:
        where = partition_condition(text, KEYS, "sqlite")
        return {one.values for one in entries.partitions("db", "t", where=where)}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("dt = 'a'", 4), ("DT = 'a' and N = 5", 1), ("n > 5", 3), ("n >= -1", 9), ("5 < n", 3), ("n BETWEEN 0 AND 10", 6),
        ("n IN (5, 10)", 6), ("dt LIKE 'b'", 4), ("dt LIKE '_'", 12), ("dt LIKE '%*%'", 0), ("n IS NULL", 3),
        ("NOT n IS NULL", 9), ("dt <> 'a' OR n = 5", 9), ("n = 5.0", 3), ("dt > 'B'", 8), ("(dt = 'a' OR dt = 'b') AND n < 0", 2),
    ],
)  # fmt: skip
def test_expressions_are_evaluated_by_the_store(store: CatalogStore, text: str, count: int) -> None:
    assert len(found(store, text)) == count


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1", "x = 1", "n = (SELECT 1)", "dt = lower('A')", "dt = 'a'; DROP TABLE glue_partitions", "n = 'x'",
        "dt = dt", "t.dt = 'a'", "n IN (SELECT 1)", "n + 1 = 2", "dt", "true", "'", "dt = 'a' UNION SELECT 1",
        "(" * 200 + "n = 1" + ")" * 200, "n = 1 OR " * 400 + "n = 1", "dt = $1", "dt = :x", "dt LIKE n",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(store: CatalogStore, text: str) -> None:
    with pytest.raises(InvalidInputException):
        found(store, text)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_an_expression_or_refused(store: CatalogStore, text: str) -> None:
    try:
        found(store, text)
    except InvalidInputException:
        return


def test_injection_by_a_constant_finds_nothing(store: CatalogStore) -> None:
    assert found(store, "dt = 'x'' OR ''1''=''1'") == set()


def table(parameters: dict[str, str], *keys: str) -> Table:
    named = tuple(Column(key, "int" if key == "n" else "string") for key in keys)
    return Table("db", "t", (), named, "s3://lake/t", parameters=parameters)


def projected(
    wanted: dict[str, frozenset[str]] | None = None, /, **parameters: str
) -> list[tuple[tuple[str, ...], str]]:
    said = {name.replace("__", "."): value for name, value in parameters.items()}
    keys = dict.fromkeys(name.split(".")[1] for name in said if name.startswith("projection."))
    of = table(said, *keys)
    return [(one.values, one.location) for one in projected_sources(of, wanted or {}, NOW)]


def test_projection_of_each_type() -> None:
    assert projected(projection__n__type="integer", projection__n__range="8,12", projection__n__interval="2",
                     projection__n__digits="2") == [
        (("08",), "s3://lake/t/n=08/"), (("10",), "s3://lake/t/n=10/"), (("12",), "s3://lake/t/n=12/")
    ]  # fmt: skip
    days = projected(
        projection__d__type="date", projection__d__range="2024-02-28,NOW", projection__d__format="yyyy-MM-dd"
    )
    assert [values[0] for values, _ in days] == [
        "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04", "2024-03-05"
    ]  # fmt: skip
    months = projected(
        projection__d__type="date", projection__d__range="NOW-2MONTHS,NOW", projection__d__format="yyyy/MM"
    )
    assert [values[0] for values, _ in months] == ["2024/01", "2024/02", "2024/03"]
    both = projected({"e": frozenset({"b"})}, projection__e__type="enum", projection__e__values="a, b",
                     projection__i__type="enum", projection__i__values="x",
                     storage__location__template="s3://lake/t/${e}-${i}/")  # fmt: skip
    assert both == [(("b", "x"), "s3://lake/t/b-x/")]


def test_an_injected_key_needs_a_value_and_cannot_climb() -> None:
    with pytest.raises(InvalidInputException, match="CONSTRAINT_VIOLATION"):
        projected(projection__u__type="injected")
    wanted = {"u": frozenset({"a", "b/../../secret", ""})}
    assert projected(wanted, projection__u__type="injected") == [(("a",), "s3://lake/t/u=a/")]


@pytest.mark.parametrize(
    "parameters",
    [
        {"projection__n__type": "integer", "projection__n__range": "1,99999999999"},
        {"projection__n__type": "integer", "projection__n__range": "x,y"},
        {"projection__n__type": "integer", "projection__n__range": "1,5", "projection__n__interval": "0"},
        {"projection__n__type": "date", "projection__n__range": "NOW,NOW", "projection__n__format": "QQQ"},
        {"projection__n__type": "date", "projection__n__range": "0001-01-01,NOW", "projection__n__format": ""},
        {"projection__n__type": "else"},
    ],
)
def test_a_projection_that_cannot_be_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidInputException):
        projected(**parameters)


@pytest.mark.parametrize(
    ("parameters", "roots"),
    [
        ({"storage.location.template": "s3://lake/x/${d}/"}, {"s3://lake/x"}),
        ({"storage.location.template": "s3://lake/x${d}/"}, {"s3://lake"}),
        ({"storage.location.template": "s3://la${d}/x"}, {"s3:/"}),
        ({"metadata_location": "s3://lake/x/metadata/1.json"}, {"s3://lake/x/metadata"}),
        ({}, set()),
    ],
)
def test_where_parameters_lead_to(parameters: dict[str, str], roots: set[str]) -> None:
    assert outside_roots(table(parameters, "d")) == roots


def access(*cells: Cells) -> TableAccess:
    columns = tuple(sorted(frozenset[str]().union(*(one.columns for one in cells))))
    rows = rows_of(cells, columns)
    return TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), columns, rows, (), columns, cells)


def test_partitions_are_told_to_who_reads_every_row() -> None:
    of = table({}, "dt")
    some = Cells(frozenset({"a", "dt"}), RowFilter(False, ("x",)))
    every = Cells(frozenset({"b", "dt"}), ALL_ROWS)
    assert not may_list_partitions(of, access(some))
    assert may_list_partitions(of, access(some, every))
