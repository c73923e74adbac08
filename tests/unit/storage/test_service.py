"""The index and its blobs in a scratch directory: listings against a naive one, sharing, sweeping, uploads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.errors import AwsError
from lakewarden.state import Database
from lakewarden.storage.errors import InvalidPart, NoSuchKey, NoSuchUpload, OperationAborted
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.model import Attributes, Part, StoredObject
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.storage.sweep import GRACE, LONGEST_UPLOAD, Sweeper
from lakewarden.storage.uploads import Claims, Uploads


@dataclass
class World:
    storage: StorageService
    uploads: Uploads
    sweeper: Sweeper
    blobs: LocalBlobs
    database: Database
    now: datetime

    def put(self, key: str, body: bytes = b"x", **said: str) -> StoredObject:
        return self.storage.put("lake", key, [body], Attributes(**said))  # type: ignore[arg-type]

    def names(self) -> set[str]:
        return {name for name, _ in self.blobs.names()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.create_schema()
    index, blobs = StorageStore(database), LocalBlobs(tmp_path / "objects")
    made: list[World] = []

    def clock() -> datetime:
        return made[0].now if made else datetime.now(UTC)

    storage = StorageService(index, blobs, clock)
    found = World(
        storage, Uploads(storage, index, blobs), Sweeper(index, blobs, clock), blobs, database, datetime.now(UTC)
    )
    made.append(found)
    storage.create_bucket("lake", "us-east-1")
    yield found
    database.close()


def naive(keys: list[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """Keys, and common prefixes, as the S3 API reference describes them."""
    found: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        shown = key if at < 0 else key[: at + len(delimiter)]
        if shown not in found and not (after and shown.encode() <= after.encode()):
            found.append(shown)
    return found


KEYS = st.lists(st.text("ab/ü", min_size=1, max_size=5), max_size=12, unique=True)


def test_listings_page_as_a_naive_listing_does(world: World) -> None:
    @settings(max_examples=60, deadline=None)
    @given(KEYS, st.text("ab/", max_size=2), st.sampled_from(["", "/", "a", "/a"]), st.integers(1, 4))
    def check(keys: list[str], prefix: str, delimiter: str, limit: int) -> None:
        for one in world.storage.list("lake", "", "", "", 1000).objects:
            world.storage.delete("lake", one.key)
        for key in keys:
            world.put(key, owner="someone" if key.endswith("b") else "")
        open_keys = [key for key in keys if not key.endswith("b")]
        seen: list[str] = []
        after = ""
        while True:
            page = world.storage.list("lake", prefix, delimiter, after, limit, lambda one: not one.owner)
            seen += sorted([one.key for one in page.objects] + list(page.prefixes), key=str.encode)
            if not page.truncated:
                break
            after = page.next_after
        assert seen == naive(open_keys, prefix, delimiter, "")

    check()


def test_bytes_stay_while_anything_holds_them(world: World) -> None:
    first = world.put("a", b"shared")
    world.storage.copy(first, "lake", "b", first.attributes)
    world.storage.delete("lake", "a")
    world.now += GRACE * 2
    assert world.sweeper.sweep() == 0
    assert world.storage.read(world.storage.get("lake", "b"), 0, 9) == b"shared"
    world.storage.delete("lake", "b")
    assert world.sweeper.sweep() == 0  # somebody may just be reading it
    world.now += GRACE * 2
    assert world.sweeper.sweep() == 1
    assert world.names() == set()


def test_a_copy_of_what_was_just_replaced_is_refused(world: World) -> None:
    before = world.put("a", b"1")
    world.put("a", b"2")
    with pytest.raises(OperationAborted):
        world.storage.copy(before, "lake", "b", before.attributes)
    assert world.storage.find("lake", "b") is None


def test_blobs_that_no_row_knows_are_removed_after_their_grace(world: World) -> None:
    writer = world.blobs.writer()
    writer.write(b"the server died here")
    writer.finish()
    kept = world.put("a")
    assert world.sweeper.orphans() == 0
    world.now += GRACE * 2
    assert world.sweeper.orphans() == 1
    assert world.names() == {kept.blob}


def part(world: World, identifier: str, number: int, body: bytes) -> Part:
    writer = world.blobs.writer()
    writer.write(body)
    upload = world.uploads.get("lake", "k", identifier)
    return world.uploads.add(upload, number, writer.finish(), {"crc64nvme": "AAAAAAAAAAA="})


def test_unfinished_uploads_are_swept_by_age(world: World) -> None:
    old = world.uploads.create("lake", "k", Attributes(), "", "", "arn")
    part(world, old.id, 1, b"1")
    world.now += LONGEST_UPLOAD - timedelta(hours=2)
    young = world.uploads.create("lake", "k", Attributes(), "", "", "arn")
    kept = part(world, young.id, 1, b"2")
    world.now += timedelta(hours=3)
    world.sweeper.sweep()
    with pytest.raises(NoSuchUpload):
        world.uploads.get("lake", "k", old.id)
    world.now += GRACE * 2
    assert world.sweeper.sweep() == 1
    assert world.names() == {kept.blob}
    assert world.uploads.get("lake", "k", young.id) == young


def test_an_upload_is_completed_once_and_all_or_nothing(world: World) -> None:
    upload = world.uploads.create("lake", "k", Attributes(metadata={"a": "b"}), "", "", "arn")
    body = b"p" * (5 << 20)
    first, second = part(world, upload.id, 1, body), part(world, upload.id, 2, b"end")

    def refuse(_: StoredObject | None) -> None:
        raise AwsError("no")

    before = world.names()
    with pytest.raises(AwsError, match="no"):
        world.uploads.complete(upload, [first, second], Claims(), refuse)
    assert world.names() == before
    assert world.storage.find("lake", "k") is None
    replaced = part(world, upload.id, 2, b"END")
    with pytest.raises(InvalidPart):
        world.uploads.complete(upload, [first, second], Claims())
    stored = world.uploads.complete(upload, [first, replaced], Claims())
    assert world.storage.read(stored, 0, stored.size) == body + b"END"
    assert [one.size for one in world.storage.parts_of(stored)] == [len(body), 3]
    with pytest.raises(NoSuchUpload):
        world.uploads.complete(upload, [first, replaced], Claims())
    assert world.uploads.completed("lake", "k", upload.id) == stored
    world.storage.set_tags("lake", "k", {"t": "1"})
    assert len(world.storage.parts_of(world.storage.get("lake", "k"))) == 2


def test_tags_make_policies_look_for_tags(world: World) -> None:
    world.put("a")
    assert not world.storage.bucket("lake").tagged
    world.storage.set_tags("lake", "a", {"k": "v"})
    assert world.storage.bucket("lake").tagged
    with pytest.raises(NoSuchKey):
        world.storage.set_tags("lake", "b", {})


def test_files_of_a_table_hide_other_peoples_results(world: World) -> None:
    for key, owner in (("t/1", ""), ("t/2", "me"), ("t/3", "you"), ("t/_x", ""), ("t/.y", ""), ("tx/1", "")):
        world.put(key, owner=owner)
    world.put("t/empty", b"")
    assert [one.uri for one in world.storage.files_under("s3://lake/t")] == ["s3://lake/t/1"]
    assert [one.uri for one in world.storage.files_under("s3://lake/t/", "me")] == ["s3://lake/t/1", "s3://lake/t/2"]
    assert Path(world.storage.files_under("s3://lake/t")[0].path).read_bytes() == b"x"
