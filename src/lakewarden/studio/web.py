"""Everything under ``/_studio``: sign-in, a person's page, and the way to her notebooks."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AccessDenied, AwsError, ServiceUnavailable
from lakewarden.studio import pages
from lakewarden.studio.apps import Apps
from lakewarden.studio.door import Receive, Scope, Send
from lakewarden.studio.errors import PageRefused, TrustRefused
from lakewarden.studio.headers import COOKIE, cookie_of, first
from lakewarden.studio.live import Live
from lakewarden.studio.model import FAILED, JUPYTERLAB, PRIVATE, App, Signer, Space, Token
from lakewarden.studio.names import is_domain_id, is_name
from lakewarden.studio.ports import Calls, Trail
from lakewarden.studio.proxy import forward_http, forward_socket
from lakewarden.studio.service import StudioService
from lakewarden.studio.sessions import Sessions

_ROOT = "/_studio/"
T = TypeVar("T")
_APP = "default"
_LONGEST_FORM = 4096
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: a profile of a domain, then (maybe) a space, an action of ours, or the page itself."""

    domain: str
    profile: str
    space: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """The origin that Studio is served on.

    A notebook's pages are in its user's hands. They must not share an origin with the console, whose cookies would be
    theirs; so on a loopback server Studio is ``localhost`` and everything else 127.0.0.1, and for other servers the
    operator gives Studio a host name of its own. ``url`` is that origin; empty for the default.
    """

    url: str = ""

    def origin(self, host: str, *, secure: bool) -> str:
        """Studio's origin for a client that calls the server ``host``."""
        if self.url:
            return self.url.rstrip("/")
        name, port = _split(host)
        scheme = "https" if secure else "http"
        return f"{scheme}://localhost{port}" if name in _LOOPBACK else f"{scheme}://{host}"

    def is_studios(self, host: str) -> bool:
        """Whether ``host`` is Studio's alone, so that nothing else may be shown under it."""
        return host == urlsplit(self.url).netloc if self.url else _split(host)[0] == "localhost"

    def fits(self, host: str) -> bool:
        """Whether a request to ``host`` is one to Studio's origin."""
        return _split(host)[0] not in _LOOPBACK if not self.url else host == urlsplit(self.url).netloc


class StudioSite:
    """The ASGI application under ``/_studio``."""

    def __init__(
        self,
        sessions: Sessions,
        service: StudioService,
        apps: Apps,
        calls: Calls,
        trail: Trail,
        site: Site,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._service = service
        self._apps = apps
        self._calls = calls
        self._trail = trail
        self._site = site
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        try:
            if scope["type"] == "websocket":
                await self._socket(scope, receive, send)
            else:
                await self._http(scope, receive, send)
        except PageRefused as refused:
            await self._refuse(scope, send, refused)
        except AwsError as error:
            status = 403 if isinstance(error, AccessDenied) else 503 if isinstance(error, ServiceUnavailable) else 409
            await self._refuse(scope, send, PageRefused(status, error.message))
        except TrustRefused as error:
            await self._refuse(scope, send, PageRefused(403, str(error)))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check_origin(scope)
        path = scope["raw_path"].decode("latin-1")
        if path == f"{_ROOT}auth":
            await self._sign_in(scope, send)
            return
        place = find(path)
        session = await self._admit(scope, place)
        if place.space:
            live = await self._live(place, session, scope)
            if path == live.base:
                await _redirect(send, f"{live.base}lab")
            else:
                await forward_http(live, scope, receive, send, self._clock)
        elif place.action:
            await self._act(place, session, scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await _html(send, 200, await self._home(place))
        else:
            raise PageRefused(405, "This page can only be read.")

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check_origin(scope)
        place = find(scope["raw_path"].decode("latin-1"))
        session = await self._admit(scope, place)
        live = self._apps.running(place.domain, place.space, place.profile)
        if live is None:
            raise PageRefused(503, "JupyterLab is not running.")
        await forward_socket(live, session, scope, receive, send, self._clock)

    def _check_origin(self, scope: Scope) -> None:
        """INVARIANT: only pages of Studio's own origin may do more than lead somebody here."""
        host = first(scope["headers"], b"host")
        if not self._site.fits(host):
            raise PageRefused(421, "Studio is not served under this host name. Use the URL as it was given to you.")
        secure = scope["scheme"] in {"https", "wss"}
        origin = first(scope["headers"], b"origin")
        if scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            if origin != self._site.origin(host, secure=secure):
                raise PageRefused(403, "The request does not come from Studio's own pages.")
        elif first(scope["headers"], b"sec-fetch-site") in {"cross-site", "same-site"} and (
            first(scope["headers"], b"sec-fetch-mode") != "navigate"
        ):
            raise PageRefused(403, "The request does not come from Studio's own pages.")

    async def _sign_in(self, scope: Scope, send: Send) -> None:
        secret = (parse_qs(scope["query_string"].decode("latin-1")).get("token") or [""])[0]
        if scope["method"] != "GET" or not secret:
            raise PageRefused(403, "This is not a whole presigned URL.")
        cookie, session = await _off_loop(self._sessions.redeem, secret)
        details = {"domainId": session.domain, "userProfileName": session.profile, "expires": session.expires}
        if session.signer.source_identity:
            details["sourceIdentity"] = session.signer.source_identity
        # INVARIANT (no_answer_without_audit): the cookie is sent after the sign-in is on record.
        await self._trail.event(_principal(session.signer), "StudioSignIn", details, _ip(scope))
        base = f"{_ROOT}{session.domain}/{session.profile}/"
        target = base + (f"{session.space}/{session.landing or 'lab'}" if session.space else "")
        attributes = f"Path={base}; HttpOnly; SameSite=Lax; Max-Age={session.expires - int(self._clock().timestamp())}"
        secure = "; Secure" if scope["scheme"] == "https" else ""
        await _redirect(send, target, f"{COOKIE}={cookie}; {attributes}{secure}")

    async def _admit(self, scope: Scope, place: Place) -> Token:
        cookie = cookie_of(scope["headers"])
        if not cookie:
            raise PageRefused(403, "You are not signed in. Open Studio with a presigned URL.")
        return await _off_loop(self._sessions.admit, cookie, place.domain, place.profile, place.space)

    async def _live(self, place: Place, session: Token, scope: Scope) -> Live:
        """The app of a space; a person who opens its page has it started, by her own right to CreateApp."""
        live = self._apps.running(place.domain, place.space, place.profile)
        if live is not None:
            return live
        if scope["method"] != "GET" or "text/html" not in first(scope["headers"], b"accept"):
            raise PageRefused(503, "JupyterLab is not running.")
        app = await self._app(place)
        if app is not None and app.status == FAILED and _moment(app.modified) >= session.begun:
            # It ended under her hands: she is told why, and nothing starts over by itself.
            raise PageRefused(503, f"JupyterLab has ended. {app.failure}", start=place.space)
        return await self._start(place, session)

    async def _start(self, place: Place, session: Token) -> Live:
        await _off_loop(self._apps.recover)
        app = await self._app(place)
        if app is None or not app.lives:
            space = await _off_loop(self._service.find, Space, place.domain, place.space)
            name = _APP if space is not None and space.private else place.profile
            app_call = {"DomainId": place.domain, "SpaceName": place.space, "AppType": JUPYTERLAB, "AppName": name}
            await self._call(session, "CreateApp", app_call)
            app = await self._app(place)
        if app is None:
            raise PageRefused(503, "JupyterLab was stopped while it started.")
        return await self._apps.ready(app)

    async def _app(self, place: Place) -> App | None:
        found = await _off_loop(self._service.all, App, place.domain)
        ours = [app for app in found if (app.space, app.profile) == (place.space, place.profile)]
        return next((app for app in ours if app.lives), ours[0] if ours else None)

    async def _act(self, place: Place, session: Token, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise PageRefused(405, "Use the buttons of the page.")
        form = await _form(receive)
        home = f"{_ROOT}{place.domain}/{place.profile}/"
        if place.action == "sign-out":
            await _off_loop(self._sessions.sign_out, cookie_of(scope["headers"]))
            await self._note(session, "StudioSignOut", scope)
            await _redirect(send, home, f"{COOKIE}=; Path={home}; HttpOnly; Max-Age=0")
            return
        space = form.get("space", "")
        if not is_name(space):
            raise PageRefused(400, "This is not a name for a space.")
        await _off_loop(self._may_use, session, place, space, place.action == "create")
        there = Place(place.domain, place.profile, space)
        if place.action == "create":
            await self._call(session, "CreateSpace", {
                "DomainId": place.domain, "SpaceName": space,
                "OwnershipSettings": {"OwnerUserProfileName": place.profile},
                "SpaceSharingSettings": {"SharingType": PRIVATE}, "SpaceSettings": {"AppType": JUPYTERLAB},
            })  # fmt: skip
            await _redirect(send, home)
        elif place.action == "start":
            live = await self._start(there, session)
            await _redirect(send, f"{live.base}lab")
        elif place.action == "stop":
            app = await self._app(there)
            if app is not None and (app.lives or app.status == FAILED):
                await self._call(session, "DeleteApp", {
                    "DomainId": place.domain, "SpaceName": space, "AppType": JUPYTERLAB, "AppName": app.name,
                })  # fmt: skip
            await _redirect(send, home)
        else:
            raise PageRefused(404, "There is no such page.")

    def _may_use(self, session: Token, place: Place, space: str, new: bool) -> None:
        if session.space and session.space != space:
            raise PageRefused(403, f"This session is for the space {session.space} only.")
        found = self._service.find(Space, place.domain, space)
        if not new and (found is None or not found.opens_for(place.profile)):
            raise PageRefused(404, f"There is no space {space} of yours.")

    async def _call(self, session: Token, operation: str, params: Mapping[str, Any]) -> None:
        principal = await self._apps.person(session.domain, session.profile)
        await self._calls.call(principal, operation, params)

    async def _home(self, place: Place) -> str:
        def load() -> list[pages.Row]:
            apps = {app.space: app for app in self._service.all(App, place.domain) if app.profile == place.profile}
            spaces = [one for one in self._service.all(Space, place.domain) if one.opens_for(place.profile)]
            return [pages.Row(space, apps.get(space.name)) for space in spaces]

        return pages.home(place.domain, place.profile, await _off_loop(load))

    async def _note(self, session: Token, name: str, scope: Scope) -> None:
        details = {"domainId": session.domain, "userProfileName": session.profile}
        await self._trail.event(_principal(session.signer), name, details, _ip(scope))

    async def _refuse(self, scope: Scope, send: Send, refused: PageRefused) -> None:
        if refused.status in {400, 403, 421}:
            details = {"path": scope["raw_path"].decode("latin-1")[:512], "status": refused.status}
            stranger = Principal(PrincipalType.ANONYMOUS, "", "", "", "")
            with contextlib.suppress(AwsError):
                await self._trail.event(stranger, "StudioRequestRefused", details, _ip(scope), refused.text)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": refused.text[:100]})
        else:
            home = _home_of(scope["raw_path"].decode("latin-1")) if refused.start else ""
            await _html(send, refused.status, pages.refused(refused.status, refused.text, home, refused.start))


def find(path: str) -> Place:
    """Where a raw path leads; raises :class:`PageRefused` for one that is not written plainly.

    INVARIANT: the part of the path that decides who is asked is compared as it stands; nothing in it is decoded, and
    no later part may climb out of its notebook's own.
    """
    parts = path.removeprefix(_ROOT).split("/") if path.startswith(_ROOT) else []
    if len(parts) < 3 or not is_domain_id(parts[0]) or not is_name(parts[1]):
        raise PageRefused(404, "There is no such page.")
    for part in parts:
        plain = unquote_to_bytes(part)
        if plain in {b".", b".."} or b"\\" in plain or any(byte < 32 or byte == 127 for byte in plain):
            raise PageRefused(400, "The path is not written plainly.")
        if {b".", b".."} & set(plain.split(b"/")):
            raise PageRefused(400, "The path is not written plainly.")
    domain, profile, third, *rest = parts
    if not third and not rest:
        return Place(domain, profile)
    if third == "-" and len(rest) == 1:
        return Place(domain, profile, action=rest[0])
    if not is_name(third) or not rest:
        raise PageRefused(404, "There is no such page.")
    return Place(domain, profile, third)


def _home_of(path: str) -> str:
    """A person's page, for a path below it that was admitted."""
    place = find(path)
    return f"{_ROOT}{place.domain}/{place.profile}/"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _principal(signer: Signer) -> Principal:
    return Principal(
        PrincipalType(signer.type), signer.account, signer.arn, signer.user_id, signer.name, signer.access_key_id
    )


def _split(host: str) -> tuple[str, str]:
    """``127.0.0.1:7070`` -> ``127.0.0.1`` and ``:7070``."""
    try:
        parsed = urlsplit(f"//{host}")
        return parsed.hostname or "", f":{parsed.port}" if parsed.port else ""
    except ValueError:
        return "", ""


def _ip(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


async def _form(receive: Receive) -> Mapping[str, str]:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LONGEST_FORM:
            raise PageRefused(400, "The form is too large.")
    return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}


async def _html(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", pages.POLICY), (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Send, target: str, cookie: str = "") -> None:
    headers = [
        (b"location", target.encode("latin-1")), (b"content-length", b"0"), (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]  # fmt: skip
    if cookie:
        headers.append((b"set-cookie", cookie.encode("latin-1")))
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _off_loop(do: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, do, *arguments)
