"""The scribe: what it writes is Iceberg to pyiceberg's own reader, and metadata reaches for nothing through it."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import read_manifest_list
from pyiceberg.serializers import FromInputFile
from pyiceberg.table.metadata import TableMetadata

from lakewarden.engines.duckdb.iceberg_rows import hash_decimal, hash_long, hash_text
from lakewarden.engines.iceberg import IcebergScribe
from lakewarden.engines.iceberg.files import GivenFiles
from lakewarden.kernel.iceberg import Alter, ChangeRows, ColumnOf, Create, Expire, NewFile, PartitionBy, Reach, Work
from lakewarden.query.errors import QueryFailed

AT = "s3://b/t"
PLACE = f"{AT}/metadata"


class Kept:
    """A table's files, kept as the server would keep them."""

    def __init__(self, root: Path, scribe: IcebergScribe) -> None:
        self.root, self.scribe = root / "objects", scribe
        self.files: dict[str, str] = {}
        self.base = ""

    def do(self, work: Work, now_ms: int = 1) -> Any:
        with self.scribe.work(work, base=self.base, place=PLACE, files=self.files, now_ms=now_ms) as done:
            for name, file in done.files.items():
                self.put(f"{PLACE}/{name}", file.read())
            self.base = f"{PLACE}/{done.metadata}" if done.metadata else self.base
            return done

    def put(self, uri: str, body: bytes) -> str:
        path = self.root / f"blob{len(list(self.root.iterdir()))}"
        path.write_bytes(body)
        self.files[uri] = str(path)
        return str(path)

    def rows(
        self, name: str, partition: tuple[Any, ...] = (), *, deletes: bool = False, **columns: list[Any]
    ) -> NewFile:
        sink = pa.BufferOutputStream()
        table = pa.table(columns)
        pq.write_table(table, sink)
        uri = f"{AT}/data/{name}.parquet"
        path = self.put(uri, sink.getvalue().to_pybytes())
        return NewFile(uri, path, Path(path).stat().st_size, table.num_rows, partition, 0, deletes)

    def metadata(self) -> TableMetadata:
        return FromInputFile.table_metadata(GivenFiles(self.files, "/nowhere").new_input(self.base))

    def live(self) -> Mapping[str, Any]:
        snapshot, files = self.metadata().current_snapshot(), GivenFiles(self.files, "/nowhere")
        assert snapshot is not None
        manifests = read_manifest_list(files.new_input(snapshot.manifest_list))
        entries = [entry for one in manifests for entry in one.fetch_manifest_entry(files)]
        return {entry.data_file.file_path.rpartition("/")[2]: entry for entry in entries}


@pytest.fixture(scope="module")
def scribe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IcebergScribe]:
    root = tmp_path_factory.mktemp("scribe")
    (root / "objects").mkdir()
    made = IcebergScribe(root / "objects", root / "spill")
    made.root = root  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.fixture
def kept(scribe: IcebergScribe) -> Kept:
    made = Kept(scribe.root, scribe)  # type: ignore[attr-defined]
    made.do(Create(AT, (ColumnOf("a", "bigint"), ColumnOf("b", "string")), (PartitionBy("b", "identity"),), {}))
    return made


def test_least_reach(scribe: IcebergScribe) -> None:
    assert scribe.confined


def test_snapshots_are_what_pyiceberg_reads(kept: Kept) -> None:
    first, second = kept.rows("1", ("x",), a=[1, 2]), kept.rows("2", ("y",), a=[3, None])
    kept.do(ChangeRows((first,), "append"))
    kept.do(ChangeRows((second,), "append"))
    gone = kept.rows("d", ("x",), deletes=True, file_path=[first.uri], pos=[0])
    kept.do(ChangeRows((gone,), "delete"))
    live = kept.live()
    assert {name: (entry.sequence_number, entry.data_file.content.value) for name, entry in live.items()} == {
        "1.parquet": (1, 0), "2.parquet": (2, 0), "d.parquet": (3, 1),
    }  # fmt: skip
    assert live["2.parquet"].data_file.null_value_counts[1] == 1
    assert live["1.parquet"].data_file.lower_bounds[1] == (1).to_bytes(8, "little")
    summary = kept.metadata().current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert (summary["total-data-files"], summary["total-delete-files"], summary["total-position-deletes"]) == (
        "2",
        "1",
        "1",
    )
    new = kept.rows("3", ("x",), a=[2])
    kept.do(ChangeRows((new,), "replace", (first.uri, gone.uri)))
    assert set(kept.live()) == {"2.parquet", "3.parquet"}
    done = kept.do(Expire(0, 1, 1), now_ms=1 << 50)
    assert {first.uri, gone.uri} < set(done.unreached)
    assert second.uri not in done.unreached
    assert len(kept.metadata().snapshots) == 1
    reached = set(kept.do(Reach()).unreached)
    assert {second.uri, new.uri, kept.base} < reached
    assert not reached & set(done.unreached)


def test_what_was_rewritten_meanwhile_is_no_base(kept: Kept) -> None:
    first = kept.rows("1", ("x",), a=[1])
    kept.do(ChangeRows((first,), "append"))
    with pytest.raises(QueryFailed, match="not in the table any more"):
        kept.do(ChangeRows((), "replace", (f"{AT}/data/other.parquet",)))


def test_columns_change_by_icebergs_rules(kept: Kept) -> None:
    done = kept.do(Alter(added=(ColumnOf("c", "struct<x:int>"),), changed=(("a", ColumnOf("a", "bigint", "said")),)))
    assert [(one.name, one.type, one.comment) for one in done.columns] == [
        ("a", "bigint", "said"), ("b", "string", ""), ("c", "struct<x:int>", ""),
    ]  # fmt: skip
    before = kept.metadata().schema().find_field("c").field_id
    kept.do(Alter(dropped=("c",)))
    kept.do(Alter(added=(ColumnOf("c", "struct<x:int>"),)))
    # INVARIANT (non_interference): the id of a column that is gone is not given again.
    assert kept.metadata().schema().find_field("c").field_id > before + 1
    for bad in (
        Alter(dropped=("b",)),
        Alter(changed=(("a", ColumnOf("a", "int")),)),
        Alter(added=(ColumnOf("a", "int"),)),
    ):
        with pytest.raises(QueryFailed, match="INVALID_TABLE_PROPERTY"):
            kept.do(bad)


def test_the_specifications_hashes() -> None:
    """Iceberg table specification, appendix B."""
    assert (hash_long(34), hash_text("iceberg"), hash_decimal("14.20")) == (2017239379, 1210000089, -500754589)
    assert hash_long(17486) == -653330422


@pytest.mark.parametrize("uri", ["/etc/passwd", "file:///etc/passwd", "s3://other/x.avro", "../../../state.db", ""])
def test_metadata_reaches_nothing_that_it_was_not_given(kept: Kept, uri: str) -> None:
    kept.do(ChangeRows((kept.rows("1", ("x",), a=[1]),), "append"))
    document = json.loads(Path(kept.files[kept.base]).read_text())
    document["snapshots"][0]["manifest-list"] = uri
    kept.base = f"{PLACE}/9-bent.metadata.json"
    kept.put(kept.base, json.dumps(document).encode())
    with pytest.raises(QueryFailed, match="ICEBERG_BAD_DATA"):
        kept.do(ChangeRows((), "append"))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"\xff\xfe", b'{"format-version": 2}', gzip.compress(b" " * (1 << 20))]
)
def test_metadata_that_is_none_is_refused(kept: Kept, body: bytes) -> None:
    kept.base = f"{PLACE}/9-bent.metadata.json"
    kept.put(kept.base, body)
    with pytest.raises(QueryFailed, match="ICEBERG_BAD_DATA"):
        kept.do(ChangeRows((), "append"))


def test_a_scribe_that_is_lost_is_replaced(kept: Kept) -> None:
    process = kept.scribe._process
    assert process is not None
    process.kill()
    kept.base = ""
    assert kept.do(Create(AT, (ColumnOf("a", "bigint"),), (), {})).metadata
