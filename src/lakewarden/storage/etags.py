"""PURE: what an object's ETag is made of (docs/adr/0015-etags-of-large-objects.md).

An object that was put whole has the MD5 of its bytes, up to :data:`LONGEST_MD5`; so has every part. MD5 cannot be split
over processors, and is slower than disks are: beyond that the ETag is made of a SHA-256, in the form of an object in one
part, so that no client takes it for an MD5.
"""

from typing import Final

LONGEST_MD5: Final = 64 * 1024 * 1024
"""Bytes. SDKs upload in parts long before."""


def kind_of(length: int | None) -> str:
    """Which digest an upload of ``length`` bytes (None: not announced) needs for its ETag."""
    return "sha256" if length is not None and length > LONGEST_MD5 else "md5"


def etag_of(kind: str, digest: str) -> str:
    """The ETag, without quotes, of an object with this digest (hex)."""
    return digest if kind == "md5" else f"{digest[:32]}-1"
