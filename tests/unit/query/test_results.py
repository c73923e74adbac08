"""Result files and their pages: what is written is read back, whatever the values and wherever a page ends."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.ports import ResultColumn
from lakewarden.query.results import columns_of, csv_chunks, metadata, offset_of, read_csv_page, token

CELLS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["", '"', "a,b", "\n", '""', "\r\n"]),
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=30).map(lambda rows: (width, rows))
)


@settings(max_examples=200, deadline=None)
@given(TABLES, st.integers(1, 7))
def test_pages_give_back_what_was_written(table: tuple[int, list[tuple[str | None, ...]]], limit: int) -> None:
    width, rows = table
    names = [f"c{number}" for number in range(width)]
    columns = [pa.array([row[number] for row in rows], pa.string()) for number in range(width)]
    body = b"".join(csv_chunks(names, [pa.RecordBatch.from_arrays(columns, names)]))
    read: list[tuple[str | None, ...]] = []
    offset = 0
    while True:
        page = read_csv_page(lambda start, length: body[start : start + length], offset, limit)
        assert len(page.rows) <= limit
        read += page.rows
        if page.next_offset is None:
            break
        assert page.next_offset > offset
        offset = page.next_offset
    assert read == [tuple(names), *rows]


def test_metadata_is_read_back() -> None:
    columns = (ResultColumn("a", "decimal", 10, 2), ResultColumn('"é\n', "varchar", 5))
    assert columns_of(metadata(columns)) == columns


@pytest.mark.parametrize("text", ["", "x", token("another", 5), token("mine", -1), "W10=", "bnVsbA=="])
def test_a_token_of_another_execution_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestException):
        offset_of(text, "mine")
