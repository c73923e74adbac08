"""One page of a listing: keys and common prefixes in the order of UTF-8."""

from collections.abc import Callable
from typing import Final

from lakewarden.storage.model import Listing, StoredObject
from lakewarden.storage.store import Index, successor

_SCAN: Final = 1000

Visible = Callable[[StoredObject], bool]
"""Whether the caller may know that an object exists."""


def everything(_: StoredObject) -> bool:
    """No object is hidden."""
    return True


def page(index: Index, bucket: str, prefix: str, delimiter: str, after: str, limit: int, visible: Visible) -> Listing:
    """At most ``limit`` keys and common prefixes greater than ``after``.

    INVARIANT (non_interference): what is not visible makes no key, no common prefix and no "truncated".
    """
    objects: list[StoredObject] = []
    prefixes: list[str] = []
    last = ""
    start: bytes | None = _beyond(after, prefix, delimiter)
    while limit and start is not None:
        batch = index.scan(bucket, prefix.encode(), b"", _SCAN, start)
        start = batch[-1].key.encode() + b"\0" if len(batch) == _SCAN else None
        for one in batch:
            common = _common(one.key, prefix, delimiter)
            if (common and prefixes[-1:] == [common]) or not visible(one):
                continue
            if len(objects) + len(prefixes) >= limit:
                return Listing(tuple(objects), tuple(prefixes), True, last)
            if common:
                prefixes.append(common)
                last = common
            else:
                objects.append(one)
                last = one.key
        if batch and start is not None and prefixes and batch[-1].key.startswith(prefixes[-1]):
            start = successor(prefixes[-1].encode())  # a million keys below one prefix are one seek, not a scan
    return Listing(tuple(objects), tuple(prefixes), False, "")


def _beyond(after: str, prefix: str, delimiter: str) -> bytes | None:
    """The first key that may be on the page; None when there can be none."""
    if not after:
        return b""
    common = _common(after, prefix, delimiter) if after.startswith(prefix) else ""
    return successor(common.encode()) if common else after.encode() + b"\0"


def _common(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    at = key.find(delimiter, len(prefix))
    return "" if at < 0 else key[: at + len(delimiter)]
