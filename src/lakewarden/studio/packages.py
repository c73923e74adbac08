"""Packages for notebooks: the operator's index, read by the server and shown through the notebook's door.

A notebook names a project and a file, never an address. So it reaches what the index lists and nothing else, sends
nothing out but these names, and each of them is in the trail with the person's name.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.studio.door import Receive, Scope, Send
from lakewarden.studio.forward import Answer, converse
from lakewarden.studio.index import (
    PACKAGES,
    File,
    PackageIndex,
    described,
    files,
    is_file,
    is_project,
    normalized,
    origin_of,
    page,
)

Record = Callable[[Mapping[str, Any], str], Awaitable[None]]
_WANTED: Final = (
    b"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)  # fmt: skip
_CONNECT_SECONDS: Final = 15.0
_SILENT_SECONDS: Final = 60.0
_MOST_REDIRECTS: Final = 4
_LONGEST_PAGE: Final = 32 * 1024**2
_FRESH_SECONDS: Final = 300.0
_MOST_REMEMBERED: Final = 64
_AT_ONCE: Final = 8
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PLAIN: Final = "%/:=&?~+!$,;'@()*[]"


class IndexRefused(Exception):
    """A request for a package that is not answered. ``status`` is HTTP's; the text is for the trail and for pip."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Source:
    """The operator's index. Pages are remembered for five minutes, files are not kept."""

    def __init__(self, index: PackageIndex) -> None:
        self._index = index
        self._remembered: dict[str, tuple[float, Mapping[str, File]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def listed(self, project: str) -> Mapping[str, File]:
        """The files of a project; raises :class:`IndexRefused`."""
        now = asyncio.get_running_loop().time()
        known = self._remembered.get(normalized(project))
        if known is not None and known[0] > now:
            return known[1]
        answer, place = await self.open(self._index.page(project), _WANTED)
        try:
            body = bytearray()
            async for chunk in chunks(answer):
                body += chunk
                if len(body) > _LONGEST_PAGE:
                    raise IndexRefused(502, "The package index's page is too long.")
            # Some pages hold thousands of links: the loop serves everybody meanwhile.
            kind = header(answer, b"content-type")
            found = await asyncio.to_thread(files, self._index, place, kind, bytes(body))
        except OSError as error:
            raise IndexRefused(502, "The package index's answer broke off.") from error
        except ValueError as error:
            raise IndexRefused(502, "The package index's answer is no page of a project.") from error
        finally:
            answer.close()
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[normalized(project)] = (now + _FRESH_SECONDS, found)
        return found

    async def open(self, address: str, wanted: bytes = b"*/*") -> tuple[Answer, str]:
        """A GET's answer of status 200, to be closed by the caller, and the address that gave it.

        Raises :class:`IndexRefused`.
        """
        for _ in range(_MOST_REDIRECTS):
            # INVARIANT (least_reach): links and redirects lead nowhere but where the operator said.
            if origin_of(address) not in self._index.origins:
                raise IndexRefused(502, "The package index leads to a host that the server's settings do not name.")
            try:
                answer = await self._ask(address, wanted)
            except OSError as error:
                raise IndexRefused(502, "The package index does not answer.") from error
            if answer.status == HTTPStatus.OK:
                return answer, address
            answer.close()
            if answer.status not in _REDIRECTS:
                missing = answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
                raise IndexRefused(404 if missing else 502, f"The package index answered {answer.status}.")
            address = urljoin(address, header(answer, b"location"))
        raise IndexRefused(502, "The package index only redirects.")

    async def _ask(self, address: str, wanted: bytes) -> Answer:
        parts = urlsplit(address)
        secure = parts.scheme == "https"
        if secure and self._tls is None:
            self._tls = await asyncio.get_running_loop().run_in_executor(None, ssl.create_default_context)
        target = quote(parts.path or "/", safe=_PLAIN) + (f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else "")
        headers = [
            (b"Host", parts.netloc.rpartition("@")[2].encode("ascii")), (b"Accept", wanted),
            (b"User-Agent", b"lakewarden"), (b"Accept-Encoding", b"identity"),
        ]  # fmt: skip
        credentials = self._index.credentials(address)
        if credentials:
            headers.append((b"Authorization", credentials.encode("ascii")))
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=self._tls if secure else None
            )
        async with asyncio.timeout(_SILENT_SECONDS):
            return await converse(reader, writer, "GET", target.encode("ascii"), headers)


class Shelf:
    """The ASGI application for one notebook, below :data:`PACKAGES` on its door.

    ``allowed`` tells whether its domain may reach the index now; ``record`` returns when the trail has the request.
    """

    def __init__(self, source: Source, allowed: Callable[[], Awaitable[bool]], record: Record) -> None:
        self._source = source
        self._allowed = allowed
        self._record = record
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        del receive
        details: dict[str, Any] = {"path": scope["path"][:256]}
        try:
            async with self._turns:
                await self._answer(scope, send, details)
        except IndexRefused as refused:
            await self._refuse(send, details, refused)
        except ServiceUnavailable as error:
            await _text(send, 503, error.message)

    async def _answer(self, scope: Scope, send: Send, details: dict[str, Any]) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            raise IndexRefused(405, "The package index can only be read.")
        if not await self._allowed():
            raise IndexRefused(403, "This domain's notebooks reach no package index (AppNetworkAccessType VpcOnly).")
        # INVARIANT (least_reach): what a notebook says is a name, compared with what the index lists.
        kind, _, rest = scope["raw_path"].decode("latin-1").removeprefix(PACKAGES).partition("/")
        project, _, asked = rest.partition("/")
        name = unquote(asked)
        if not is_project(project) or not (is_file(name) if kind == "files" else kind == "simple" and not name):
            raise IndexRefused(404, "There is no such page.")
        details.clear()
        details |= {"project": normalized(project)} | ({"file": name} if name else {})
        listed = await self._source.listed(project)
        head = scope["method"] == "HEAD"
        if kind == "simple":
            # INVARIANT (no_answer_without_audit): a name that was looked up is a word that left the house.
            await self._record(details, "")
            await _text(
                send, 200, await asyncio.to_thread(page, project, listed), "text/html; charset=utf-8", head=head
            )
            return
        wanted, only_metadata = described(name)
        file = listed.get(wanted)
        if file is None or (only_metadata and not file.metadata):
            raise IndexRefused(404, "The project has no such file.")
        details["digest"] = file.digest
        await self._record(details, "")
        await self._pass_on(send, _metadata_of(file.address) if only_metadata else file.address, head=head)

    async def _pass_on(self, send: Send, address: str, *, head: bool) -> None:
        answer, _ = await self._source.open(address)
        try:
            headers = [(b"content-type", b"application/octet-stream"), (b"x-content-type-options", b"nosniff")]
            length = header(answer, b"content-length")
            if length.isdigit():
                headers.append((b"content-length", length.encode("ascii")))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if not head:
                async for chunk in chunks(answer):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.close()

    async def _refuse(self, send: Send, details: Mapping[str, Any], refused: IndexRefused) -> None:
        try:
            await self._record(details, refused.text)
        except ServiceUnavailable as error:
            await _text(send, 503, error.message)
            return
        await _text(send, refused.status, refused.text)


async def chunks(answer: Answer) -> AsyncIterator[bytes]:
    """An answer's body; raises ``OSError`` when it breaks off, or nothing comes for a minute."""
    body = answer.body()
    while True:
        async with asyncio.timeout(_SILENT_SECONDS):
            chunk = await anext(body, None)
        if chunk is None:
            return
        yield chunk


def header(answer: Answer, name: bytes) -> str:
    """The first value of a header (lower case); empty without one."""
    return next((value.decode("latin-1") for key, value in answer.headers if key == name), "")


def _metadata_of(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path}.metadata").geturl()


async def _text(
    send: Send, status: int, text: str, kind: str = "text/plain; charset=utf-8", *, head: bool = False
) -> None:
    body = text.encode()
    headers = [
        (b"content-type", kind.encode("ascii")), (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
