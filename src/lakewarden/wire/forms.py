"""``multipart/form-data`` of S3's POST uploads: the fields before the file, then the file as a stream."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass

from lakewarden.kernel.errors import AwsError
from lakewarden.wire.errors import IncompleteBody, MalformedPOSTRequest, MaxPostPreDataLengthExceeded

_MOST_FIELDS = 64 * 1024
"""Bytes before the file. AWS takes 20,000; session tokens of ours may be long."""

_LONGEST_HEAD = 4096
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|;)\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """Field names are in lower case. ``file`` is to be read to its end, or not at all; it raises when it breaks off."""

    fields: Mapping[str, str]
    file_name: str
    file: AsyncIterable[bytes]


def is_form(content_type: str) -> bool:
    """Whether a request body is of this kind."""
    return content_type.lower().startswith("multipart/form-data")


async def read(content_type: str, body: AsyncIterable[bytes]) -> Form:
    """The form up to its file; raises MalformedPOSTRequest, MaxPostPreDataLengthExceeded or IncompleteBody."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed()
    source = _Source(body, b"--" + (found.group(1) or found.group(2)).encode("latin-1", "replace"))
    await source.begin()
    fields: dict[str, str] = {}
    size = 0
    while True:
        names = _names(await source.head())
        name = names.get("name", "").lower()
        if name == "file":
            return Form(fields, names.get("filename", ""), source)
        value = await source.value(_MOST_FIELDS - size)
        size += len(name) + len(value)
        if not name or name in fields:
            raise _malformed()
        try:
            fields[name] = value.decode()
        except UnicodeDecodeError as error:
            raise _malformed() from error


def _names(head: bytes) -> Mapping[str, str]:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"content-disposition":
            return {
                key.decode().lower(): re.sub(rb"\\(.)", rb"\1", text).decode("utf-8", "replace")
                for key, text in _NAME.findall(value)
            }
    raise _malformed()


class _Source:
    """The body between its boundaries. As an iterable: the file's bytes, what follows the file read and forgotten."""

    def __init__(self, body: AsyncIterable[bytes], dashed: bytes) -> None:
        self._body = body.__aiter__()
        self._end = b"\r\n" + dashed
        self._held = b"\r\n"  # so that the first boundary looks like the others

    async def begin(self) -> None:
        """Up to the first boundary, before which nothing may stand."""
        if await self._until(self._end, len(self._end)):
            raise _malformed()

    async def head(self) -> bytes:
        """The head of the next part; after the last boundary there is none, and no file came: malformed."""
        while len(self._held) < 2:
            await self._more()
        if not self._held.startswith(b"\r\n"):
            raise MalformedPOSTRequest("POST requires exactly one file upload per request.")
        return await self._until(b"\r\n\r\n", _LONGEST_HEAD)

    async def value(self, most: int) -> bytes:
        """A field's value."""
        return await self._until(self._end, most)

    async def _until(self, mark: bytes, most: int) -> bytes:
        searched = 0
        while (at := self._held.find(mark, searched)) < 0:
            if len(self._held) > most + len(mark):
                raise MaxPostPreDataLengthExceeded("Your POST request fields preceding the upload file were too large.")
            searched = max(0, len(self._held) - len(mark))
            await self._more()
        taken, self._held = self._held[:at], self._held[at + len(mark) :]
        return taken

    async def _more(self) -> None:
        try:
            self._held += await self._body.__anext__()
        except StopAsyncIteration:
            raise IncompleteBody("The form ends before its end.") from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The file."""
        while (at := self._held.find(self._end)) < 0:
            # A boundary may lie across two pieces.
            sure = len(self._held) - len(self._end)
            if sure > 0:
                piece, self._held = self._held[:sure], self._held[sure:]
                yield piece
            await self._more()
        if at:
            yield self._held[:at]
        self._held = b""
        async for _ in self._body:
            pass


def _malformed() -> AwsError:
    return MalformedPOSTRequest("The body of your POST request is not well-formed multipart/form-data.")
