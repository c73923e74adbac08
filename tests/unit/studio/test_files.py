"""Whatever lies in a home: it is measured, and deleted, and nothing outside is touched."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.studio.files import remove, size


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    yield made
    remove(made)


def _deep(top: Path, levels: int) -> None:
    """Deeper than any path can say: directories are made from their parents' descriptors."""
    handle = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


def test_a_bottomless_home_is_told_as_that_and_deleted(home: Path) -> None:
    _deep(home, 3000)
    handles = len(list(Path("/proc/self/fd").iterdir()))
    assert size([home]).excessive
    remove(home)
    assert not home.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == handles


def test_links_lead_nowhere(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"x" * 1_000_000)
    (home / "link").symlink_to(outside)
    (home / "inner").mkdir()
    (home / "inner" / "link").symlink_to(outside)
    (home / "inner" / "loop").symlink_to(home)
    os.mkfifo(home / "pipe")
    os.link(outside / "kept", home / "hard")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "socket"))
    assert 1_000_000 <= size([home]).bytes < 1_100_000  # the hard link's
    remove(home)
    assert not home.exists()
    assert (outside / "kept").stat().st_size == 1_000_000


def test_size_counts_what_lies_on_the_disk_once(home: Path) -> None:
    empty = size([home]).bytes
    (home / "a").write_bytes(b"x" * 300_000)
    once = size([home]).bytes - empty
    assert once >= 300_000
    os.link(home / "a", home / "b")
    assert size([home]).bytes - empty == once
    with (home / "sparse").open("wb") as file:
        file.truncate(10**12)
    assert size([home]).bytes - empty < once + 100_000
    assert size([home / "absent"]).bytes == 0


def test_closed_directories_go_too(home: Path) -> None:
    closed = home / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0)
    closed.chmod(0)
    home.chmod(0)
    remove(home)
    assert not home.exists()


def test_a_link_in_place_of_a_home_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match=r"."):
        remove(tmp_path / "link")
    assert (tmp_path / "real").is_dir()
