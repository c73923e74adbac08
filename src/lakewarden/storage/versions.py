"""Versions of objects within one transaction: what is replaced or deleted in a versioned bucket stays, under its id.

The object that *is* lies in ``storage_objects`` as in any bucket, so that reading and listing know nothing of versions.
Older ones, and markers of deletions, lie in ``storage_versions``. INVARIANT: where no object is, the newest of these is a
marker, or there is none.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from lakewarden.storage.listing import Visible
from lakewarden.storage.model import Attributes, Bucket, Part, StoredObject, Version, VersionListing
from lakewarden.storage.store import Index, successor
from lakewarden.storage.tables import OBJECTS, VERSIONS, object_of, object_row, parts_text

ENABLED: Final = "Enabled"
NULL: Final = "null"
_CURRENT: Final = (1 << 63) - 1
_SCAN: Final = 1000
_SHARED = tuple(column.name for column in VERSIONS.c if column.name not in {"sequence", "version"})


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deletion did: whether ``version`` (an id, empty where there are none) is or was a delete marker."""

    version: str = ""
    marker: bool = False


def place(index: Index, bucket: Bucket, stored: StoredObject, parts: list[Part] | None = None) -> StoredObject:
    """Make ``stored`` the object, under the version id that the answer bears."""
    if not bucket.versioning:
        index.put(stored, parts)
        return stored
    present = index.get(stored.bucket, stored.key)
    if bucket.versioning == ENABLED:
        stored = replace(stored, version=_new_id())
        _retire(index, present)
    else:
        stored = replace(stored, version="")
        _make_room_for_null(index, present, stored.bucket, stored.key)
    index.put(stored, parts)
    return stored


def delete(index: Index, bucket: Bucket, key: str) -> Removed:
    """DeleteObject without a version: nothing goes in a versioned bucket, a marker says that it is deleted."""
    if not bucket.versioning:
        index.remove(bucket.name, key)
        return Removed()
    present = index.get(bucket.name, key)
    owner = present.owner if present is not None else _owner_of_newest(index, bucket.name, key)
    if bucket.versioning == ENABLED:
        version = _new_id()
        _retire(index, present)
    else:
        version = ""
        _make_room_for_null(index, present, bucket.name, key)
    # INVARIANT (non_interference): the marker of somebody's deleted result is as private as the result was.
    marker = StoredObject(bucket.name, key, 0, "", index.now, "", Attributes(owner=owner), version=version)
    _insert(index, object_row(marker, ""), version)
    return Removed(version or NULL, marker=True)


def delete_version(index: Index, bucket: str, key: str, version: str) -> Removed:
    """Remove one version for good; the one before it becomes the object. An absent version is no error."""
    found = find(index, bucket, key, version)
    if found is None:
        return Removed(version)
    if found.latest and not found.marker:
        index.remove(bucket, key)
    else:
        index.connection.execute(sa.delete(VERSIONS).where(*_named(bucket, key, version)))
        if not found.marker:
            index.release(found.stored.blob)
    _promote(index, bucket, key)
    return Removed(version, found.marker)


def find(index: Index, bucket: str, key: str, version: str) -> Version | None:
    """The version with this id (``null`` for the one without)."""
    present = index.get(bucket, key)
    if present is not None and present.version == _id(version):
        return Version(present, latest=True)
    row = index.connection.execute(sa.select(VERSIONS).where(*_named(bucket, key, version))).mappings().one_or_none()
    if row is None:
        return None
    newest = _newest(index, bucket, key)
    latest = present is None and newest is not None and newest["sequence"] == row["sequence"]
    return Version(object_of(row), not row["blob"], latest)


def newest_marker(index: Index, bucket: str, key: str) -> Version | None:
    """The marker that hides an object, if one does."""
    row = _newest(index, bucket, key)
    if row is None or row["blob"] or index.get(bucket, key) is not None:
        return None
    return Version(object_of(row), marker=True, latest=True)


def change_tags(index: Index, stored: StoredObject, tags: Mapping[str, str]) -> None:
    """Replace the tags of an object or of one of its versions."""
    changed = replace(stored, attributes=replace(stored.attributes, tags=dict(tags)))
    details = object_row(changed, "")["details"]
    present = index.get(stored.bucket, stored.key)
    if present is not None and present.version == stored.version:
        where = (OBJECTS.c.bucket == stored.bucket, OBJECTS.c.key == stored.key.encode())
        index.connection.execute(sa.update(OBJECTS).where(*where).values(details=details))
    else:
        named = _named(stored.bucket, stored.key, stored.version or NULL)
        index.connection.execute(sa.update(VERSIONS).where(*named).values(details=details))


def page(
    index: Index, bucket: str, prefix: str, delimiter: str, after: tuple[str, int | None], limit: int,
    visible: Visible,
) -> VersionListing:  # fmt: skip
    """At most ``limit`` versions and common prefixes behind ``after``: a key, and a sequence within it or None.

    INVARIANT (non_interference): what is not visible makes no entry, no common prefix and no "truncated".
    """
    shown: list[Version] = []
    prefixes: list[str] = []
    last = ("", "")
    key, sequence = after
    begun = key if sequence is not None else ""  # the newest version of this key is behind us
    start = _start(key, sequence, prefix, delimiter)
    while limit and start[0] is not None:
        batch = _scan(index, bucket, prefix.encode(), start, _SCAN)
        for row in batch:
            one = object_of(row)
            common = _common(one.key, prefix, delimiter)
            latest, begun = one.key != begun, one.key
            if (common and prefixes[-1:] == [common]) or not visible(one):
                continue
            if len(shown) + len(prefixes) >= limit:
                return VersionListing(tuple(shown), tuple(prefixes), True, last)
            if common:
                prefixes.append(common)
                last = (common, "")
            else:
                shown.append(Version(one, not row["blob"], latest))
                last = (one.key, one.version or NULL)
        if len(batch) < _SCAN:
            break
        start = (batch[-1]["key"], batch[-1]["sequence"])
    return VersionListing(tuple(shown), tuple(prefixes), False, ("", ""))


def walk(index: Index, bucket: str, start: tuple[bytes, int | None], limit: int) -> list[tuple[Version, int]]:
    """Every version of every key behind ``start`` (key, sequence), the newest of each first, with its sequence."""
    key, before = (bytes(start[0]), start[1] is not None)
    found: list[tuple[Version, int]] = []
    for row in _scan(index, bucket, b"", start, limit):
        latest = not (before and bytes(row["key"]) == key)
        key, before = bytes(row["key"]), True
        found.append((Version(object_of(row), not row["blob"], latest), row["sequence"]))
    return found


def sequence_of(index: Index, bucket: str, key: str, version: str) -> int | None:
    """Where a version stands among those of its key; None when there is none of this id."""
    present = index.get(bucket, key)
    if present is not None and present.version == _id(version):
        return _CURRENT
    query = sa.select(VERSIONS.c.sequence).where(*_named(bucket, key, version))
    found: int | None = index.connection.execute(query).scalar_one_or_none()
    return found


def _scan(
    index: Index, bucket: str, prefix: bytes, start: tuple[bytes | None, int | None], limit: int
) -> list[dict[str, Any]]:
    """Rows of both tables in the order of key and age, behind (key, sequence), or from the key on."""
    key, sequence = start
    found: list[dict[str, Any]] = []
    for table in (OBJECTS, VERSIONS):
        order = VERSIONS.c.sequence if table is VERSIONS else sa.literal(_CURRENT, sa.BigInteger)
        behind = table.c.key >= key
        if sequence is not None:
            older = sa.and_(table.c.key == key, order < sequence)
            behind = sa.or_(table.c.key > key, older) if table is VERSIONS else table.c.key > key
        query = sa.select(*(table.c[name] for name in _SHARED), order.label("sequence")).where(
            table.c.bucket == bucket, table.c.key >= prefix, behind
        )
        end = successor(prefix)
        if end is not None:
            query = query.where(table.c.key < end)
        within = (order.desc(),) if table is VERSIONS else ()
        rows = index.connection.execute(query.order_by(table.c.key, *within).limit(limit)).mappings()
        found += [dict(row) for row in rows]
    return sorted(found, key=lambda row: (bytes(row["key"]), -row["sequence"]))[:limit]


def _start(key: str, sequence: int | None, prefix: str, delimiter: str) -> tuple[bytes | None, int | None]:
    """Where the page begins; no key at all where there can be nothing behind a common prefix."""
    common = _common(key, prefix, delimiter) if key.startswith(prefix) else ""
    return (successor(common.encode()), None) if common else (key.encode(), sequence)


def _common(key: str, prefix: str, delimiter: str) -> str:
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return "" if at < 0 else key[: at + len(delimiter)]


def _retire(index: Index, present: StoredObject | None) -> None:
    """The object that is becomes an older version; its bytes are still referred to."""
    if present is not None:
        _insert(index, object_row(present, _parts(index, present)), present.version)
        _forget(index, present)


def _make_room_for_null(index: Index, present: StoredObject | None, bucket: str, key: str) -> None:
    """There is one version ``null`` at most: the one that was goes for good."""
    if present is not None and not present.version:
        index.remove(bucket, key)
    else:
        _retire(index, present)
    query = sa.select(VERSIONS.c.blob).where(*_named(bucket, key, NULL))
    blob = index.connection.execute(query).scalar_one_or_none()
    if blob is not None:
        index.connection.execute(sa.delete(VERSIONS).where(*_named(bucket, key, NULL)))
        if blob:
            index.release(blob)


def _promote(index: Index, bucket: str, key: str) -> None:
    """Where no object is and the newest version is none that marks a deletion, that version is the object."""
    newest = _newest(index, bucket, key)
    if newest is None or not newest["blob"] or index.get(bucket, key) is not None:
        return
    stored = object_of(newest)
    index.connection.execute(sa.delete(VERSIONS).where(*_named(bucket, key, newest["version"] or NULL)))
    index.connection.execute(sa.insert(OBJECTS).values(object_row(stored, newest["parts"])))


def _forget(index: Index, present: StoredObject) -> None:
    where = (OBJECTS.c.bucket == present.bucket, OBJECTS.c.key == present.key.encode())
    index.connection.execute(sa.delete(OBJECTS).where(*where))


def _parts(index: Index, stored: StoredObject) -> str:
    parts = index.parts_of(stored)
    return parts_text(parts) if parts else ""


def _insert(index: Index, row: Mapping[str, Any], version: str) -> None:
    newest = _newest(index, row["bucket"], bytes(row["key"]).decode())
    sequence = newest["sequence"] + 1 if newest is not None else 1
    index.connection.execute(sa.insert(VERSIONS).values(**row, sequence=sequence, version=version))


def _newest(index: Index, bucket: str, key: str) -> sa.RowMapping | None:
    query = (
        sa.select(VERSIONS)
        .where(VERSIONS.c.bucket == bucket, VERSIONS.c.key == key.encode())
        .order_by(VERSIONS.c.sequence.desc())
        .limit(1)
    )
    return index.connection.execute(query).mappings().one_or_none()


def _owner_of_newest(index: Index, bucket: str, key: str) -> str:
    newest = _newest(index, bucket, key)
    return newest["owner"] if newest is not None else ""


def _named(bucket: str, key: str, version: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (VERSIONS.c.bucket == bucket, VERSIONS.c.key == key.encode(), VERSIONS.c.version == _id(version))


def _id(version: str) -> str:
    return "" if version == NULL else version


def _new_id() -> str:
    return secrets.token_urlsafe(24)
