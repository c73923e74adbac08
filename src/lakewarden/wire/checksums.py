"""The headers that S3 clients send checksums in."""

from lakewarden.kernel.checksums import KINDS, Checksum, start, text
from lakewarden.wire.errors import InvalidRequest

PREFIX = "x-amz-checksum-"
_NOT_CHECKSUMS = frozenset({"algorithm", "mode", "type"})


def kind_of(header: str) -> str | None:
    """The kind that a header such as ``x-amz-checksum-crc32`` carries, None for other headers.

    Raises InvalidRequest for a kind that is not known: an unverified checksum would be a false promise.
    """
    if not header.startswith(PREFIX) or header[len(PREFIX) :] in _NOT_CHECKSUMS:
        return None
    kind = header[len(PREFIX) :]
    if kind not in KINDS:
        raise InvalidRequest(f"The checksum kind {kind[:40]!r} is not supported.")
    return kind


__all__ = ["PREFIX", "Checksum", "kind_of", "start", "text"]
