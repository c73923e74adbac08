"""An upload on its way to a blob: received, hashed and written at the same time, in constant memory."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from lakewarden.kernel.call import Upload
from lakewarden.storage.etags import etag_of
from lakewarden.storage.ports import Blob, BlobWriter

T = TypeVar("T")
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


async def receive(
    body: Upload | None, open_writer: Callable[[], BlobWriter], keep: Callable[[Blob], T], digest: str
) -> T:
    """Write ``body``, and when it proved good, finish the blob and ``keep`` it; else nothing is left.

    The blob's ETag is made of ``digest``, an :mod:`etags` kind, which is computed beside the checksums that the client
    sent, not by the writer. One piece is being written and hashed while the next one arrives. All three callbacks run on
    other threads.
    """
    writer = await asyncio.to_thread(open_writer)
    held: bytes | None = None
    writing: asyncio.Future[None] | None = None
    try:
        if body is not None:
            body.also(digest)
            async for piece in body:
                if writing is not None:
                    await writing
                    writing = None
                if held is not None:
                    writing = asyncio.ensure_future(asyncio.to_thread(writer.write, held))
                held = piece
        if writing is not None:
            await writing
            writing = None
        etag = _EMPTY_MD5 if body is None else etag_of(digest, body.digest(digest))
        return await asyncio.to_thread(_finish, writer, held, lambda blob: keep(replace(blob, etag=etag)))
    except BaseException:
        # The thread that still writes must be done before the file can go.
        await asyncio.shield(_discard(writer, writing))
        raise


def _finish(writer: BlobWriter, last: bytes | None, keep: Callable[[Blob], T]) -> T:
    if last is not None:
        writer.write(last)
    return keep(writer.finish())


async def _discard(writer: BlobWriter, writing: "asyncio.Future[None] | None") -> None:
    if writing is not None:
        await asyncio.wait([writing])
    await asyncio.to_thread(writer.discard)
