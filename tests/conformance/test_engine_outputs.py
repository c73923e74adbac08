"""A worker that lies about what it wrote: links, pipes and odd folders give it nothing of the server's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lakewarden.engines.duckdb.outputs import written_files
from lakewarden.kernel.lake import Column
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import OutputFormat

PLAIN = OutputFormat("PARQUET", "NONE", (Column("a", "bigint"), Column("k", "string")))
PARTED = OutputFormat("PARQUET", "NONE", (Column("a", "bigint"), Column("k", "string")), 1)


def link(folder: Path, secret: Path) -> None:
    (folder / "x").symlink_to(secret)


def hard_link(folder: Path, secret: Path) -> None:
    (folder / "x").hardlink_to(secret)


def pipe(folder: Path, secret: Path) -> None:
    os.mkfifo(folder / "x")


def device(folder: Path, secret: Path) -> None:
    (folder / "x").symlink_to("/dev/zero")


@pytest.mark.parametrize("lie", [link, hard_link, pipe, device])
def test_only_plain_files_are_taken(tmp_path: Path, lie: Callable[[Path, Path], None]) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "out"
    secret.write_text("secret")
    folder.mkdir()
    lie(folder, secret)
    with pytest.raises(QueryFailed), written_files(folder, PLAIN):
        pass


def test_a_linked_folder_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "secret").write_text("secret")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "k=1").symlink_to(tmp_path / "others")
    with written_files(folder, PARTED) as files:
        assert files == ()


@pytest.mark.parametrize("name", ["j=1", "k=1/k=2", ".", "k%3D1"])
def test_folders_are_exactly_the_partition_keys(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / name / "x").write_text("x")
    with pytest.raises(QueryFailed), written_files(tmp_path, PARTED):
        pass


def test_too_many_partitions_are_refused_as_athena_does(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"k={number}").mkdir()
        (tmp_path / f"k={number}" / "x").write_text("x")
    with pytest.raises(QueryFailed, match="TOO_MANY_OPEN_PARTITIONS"), written_files(tmp_path, PARTED):
        pass
