"""Ranges and conditions of object requests (RFC 9110, as S3 applies it)."""

import re
from collections.abc import Mapping
from typing import Any

from lakewarden.storage.errors import InvalidArgument, InvalidRange, NoSuchKey, NotModified, PreconditionFailed
from lakewarden.storage.model import StoredObject
from lakewarden.storage.service import when

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


def range_of(header: str | None, size: int) -> tuple[int, int, bool]:
    """Start, length, and whether it is a part. A header that is not one byte range is ignored, as HTTP says.

    Raises :class:`InvalidRange` for a range outside the object.
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None or found.groups() == ("", ""):
        return 0, size, False
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return 0, size, False
    if start >= size or end < start:
        raise InvalidRange("The requested range is not satisfiable", {"ActualObjectSize": size})
    return start, end - start + 1, True


def check_conditions(params: Mapping[str, Any], stored: StoredObject) -> None:
    """If-Match, If-None-Match, If-(Un)modified-Since of a read; raises NotModified or PreconditionFailed."""
    etag = stored.etag
    modified = when(stored.modified).replace(microsecond=0)
    if params.get("IfMatch"):
        if not _names(params["IfMatch"], etag):
            raise _failed("If-Match")
    elif params.get("IfUnmodifiedSince") and modified > params["IfUnmodifiedSince"]:
        raise _failed("If-Unmodified-Since")
    if params.get("IfNoneMatch"):
        if _names(params["IfNoneMatch"], etag):
            raise NotModified("Not Modified")
    elif params.get("IfModifiedSince") and modified <= params["IfModifiedSince"]:
        raise NotModified("Not Modified")


def check_copy_conditions(params: Mapping[str, Any], source: StoredObject) -> None:
    """The same four of a copy's source; all of them end in PreconditionFailed."""
    named = {
        member: params[f"CopySource{member}"]
        for member in ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
        if params.get(f"CopySource{member}")
    }
    try:
        check_conditions(named, source)
    except (NotModified, PreconditionFailed) as error:
        raise _failed("x-amz-copy-source-If-*") from error


def copied_range(header: str, size: int) -> tuple[int, int]:
    """Start and length of ``x-amz-copy-source-range``, which must be exactly ``bytes=first-last`` within the source."""
    found = _RANGE.fullmatch(header)
    if found is None or not all(found.groups()):
        raise InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
    first, last = (int(one) for one in found.groups())
    if first > last or last >= size:
        raise InvalidArgument(f"Range specified is not valid for source object of size: {size}")
    return first, last - first + 1


def check_write_conditions(params: Mapping[str, Any], present: StoredObject | None) -> None:
    """If-Match and If-None-Match of a write."""
    if params.get("IfNoneMatch") and present is not None and _names(params["IfNoneMatch"], present.etag):
        raise _failed("If-None-Match")
    if params.get("IfMatch"):
        if present is None:
            raise NoSuchKey("The specified key does not exist.")
        if not _names(params["IfMatch"], present.etag):
            raise _failed("If-Match")


def _names(header: str, etag: str) -> bool:
    return any(one.strip().removeprefix("W/").strip('"') in {"*", etag} for one in header.split(","))


def _failed(condition: str) -> PreconditionFailed:
    return PreconditionFailed("At least one of the pre-conditions you specified did not hold", {"Condition": condition})
