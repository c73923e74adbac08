"""Versions of objects on every database, beside a naive history of each key."""

import random
from dataclasses import dataclass, replace

import pytest

from lakewarden.state import Database
from lakewarden.storage import versions
from lakewarden.storage.model import Attributes, Bucket, Part, StoredObject
from lakewarden.storage.store import Index, StorageStore

NOW = "2026-01-31T09:30:00.000+00:00"
KEYS = ["a", "a/1", "a/\0", "a0", "ü", "\U0001f600", "\uffff"]


@dataclass(frozen=True)
class Entry:
    """One version in the naive history: its id (empty for null) and its blob (empty for a marker)."""

    version: str
    blob: str


class Naive:
    """What the S3 User Guide says ("How S3 Versioning works"): a list for each key, the newest first."""

    def __init__(self) -> None:
        self.keys: dict[str, list[Entry]] = {key: [] for key in KEYS}

    def add(self, key: str, entry: Entry, status: str) -> None:
        kept = self.keys[key] if status == "Enabled" else [one for one in self.keys[key] if one.version]
        self.keys[key] = [entry, *kept]

    def remove(self, key: str, version: str) -> None:
        self.keys[key] = [one for one in self.keys[key] if one.version != version]

    def current(self, key: str) -> str:
        return self.keys[key][0].blob if self.keys[key] else ""

    def listed(self) -> list[tuple[str, str, bool, bool]]:
        return [
            (key, one.version or "null", not one.blob, place == 0)
            for key in sorted(KEYS, key=str.encode)
            for place, one in enumerate(self.keys[key])
        ]


def listing(index: Index, limit: int) -> list[tuple[str, str, bool, bool]]:
    found: list[tuple[str, str, bool, bool]] = []
    after: tuple[str, int | None] = ("", None)
    while True:
        page = versions.page(index, "lake", "", "", after, limit, lambda _: True)
        found += [(one.stored.key, one.stored.version or "null", one.marker, one.latest) for one in page.versions]
        if not page.truncated:
            return found
        key, version = page.next_after
        after = (key, versions.sequence_of(index, "lake", key, version))


@pytest.mark.parametrize("seed", range(2))
def test_versions_are_those_of_a_naive_history(database: Database, seed: int) -> None:
    chance, store, naive = random.Random(seed), StorageStore(database), Naive()
    blobs: set[str] = set()
    with store.write(NOW) as index:
        bucket = Bucket("lake", "us-east-1", NOW)
        index.put_bucket(bucket)
        for step in range(120):
            bucket = replace(bucket, versioning=chance.choice(["Enabled", "Enabled", "Suspended"]))
            key = chance.choice(KEYS)
            kind = chance.random()
            if kind < 0.5:
                blob = f"{step:032x}"
                blobs.add(blob)
                made = versions.place(
                    index, bucket, StoredObject("lake", key, 1, "e", NOW, blob, Attributes(), parts=1), [Part(1, 1)]
                )
                naive.add(key, Entry(made.version, blob), bucket.versioning)
            elif kind < 0.7:
                done = versions.delete(index, bucket, key)
                naive.add(key, Entry("" if done.version == "null" else done.version, ""), bucket.versioning)
            elif naive.keys[key]:
                gone = chance.choice(naive.keys[key])
                done = versions.delete_version(index, "lake", key, gone.version or "null")
                assert done.marker is not bool(gone.blob)
                naive.remove(key, gone.version)
    with store.read() as index:
        for key in KEYS:
            present = index.get("lake", key)
            assert (present.blob if present is not None else "") == naive.current(key)
            for one in naive.keys[key]:
                found = versions.find(index, "lake", key, one.version or "null")
                assert found is not None
                assert (found.stored.blob, found.marker) == (one.blob, not one.blob)
                assert one.blob == "" or [part.number for part in index.parts_of(found.stored)] == [1]
        for limit in (1, 2, 1000):
            assert listing(index, limit) == naive.listed()
        # No bytes are forgotten: each blob is referred to, or noted as free.
        assert index.referred(blobs) == blobs
        held = {one.blob for entries in naive.keys.values() for one in entries if one.blob}
    with store.write(NOW) as index:
        _, unused = index.collect("2027", 1000)
        assert set(unused) == blobs - held
