"""An upload on its way to a blob: received, hashed and written at the same time, in constant memory."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from lakewarden.kernel.call import Upload
from lakewarden.storage.ports import Blob, BlobWriter

T = TypeVar("T")


async def receive(body: Upload | None, open_writer: Callable[[], BlobWriter], keep: Callable[[Blob], T]) -> T:
    """Write ``body``, and when it proved good, finish the blob and ``keep`` it; else nothing is left.

    One piece is being written while the next one arrives. All three callbacks run on other threads.
    """
    writer = await asyncio.to_thread(open_writer)
    held: bytes | None = None
    writing: asyncio.Future[None] | None = None
    try:
        if body is not None:
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
        return await asyncio.to_thread(_finish, writer, held, keep)
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
