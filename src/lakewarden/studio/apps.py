"""Apps: what CreateApp and DeleteApp record, and what becomes of it. A process runs for each app that lives."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError, ServiceUnavailable, ValidationError
from lakewarden.studio.door import Asgi, Door, open_door
from lakewarden.studio.errors import (
    CannotStart,
    PageRefused,
    TrustRefused,
)
from lakewarden.studio.live import Live, disk_bytes, idle_minutes, works
from lakewarden.studio.model import (
    DELETED,
    FAILED,
    IN_SERVICE,
    JUPYTERLAB,
    App,
    Space,
    UserProfile,
)
from lakewarden.studio.ports import ExecutionRoles, Launch, Spawner, Trail, Worn
from lakewarden.studio.register import Register
from lakewarden.studio.service import StudioService
from lakewarden.studio.shelves import Shelves

T = TypeVar("T")
_READY_SECONDS = 60.0
_WATCH_SECONDS = 5.0
_IDLE_ROUNDS = 12
_log = structlog.get_logger("lakewarden.studio")
_SERVICE = Principal(PrincipalType.SERVICE, "", "", "sagemaker.amazonaws.com", "sagemaker.amazonaws.com")


class Apps:
    """The apps of one account. ``attach`` must be called on the event loop before any app can start.

    ``homes`` is the directory of the spaces' home directories.
    """

    def __init__(
        self,
        register: Register,
        service: StudioService,
        roles: ExecutionRoles,
        spawner: Spawner,
        trail: Trail,
        homes: Path,
        region: str,
        clock: Clock,
        shelves: Shelves,
    ) -> None:
        self._register = register
        self._service = service
        self._roles = roles
        self._spawner = spawner
        self._trail = trail
        self._homes = homes
        self._region = region
        self._clock = clock
        self._shelves = shelves
        self._loop: asyncio.AbstractEventLoop | None = None
        self._endpoint: Asgi | None = None
        self._live: dict[tuple[str, str, str], Live] = {}
        self._starting: dict[str, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lost: list[App] = []

    def recover(self) -> None:
        """Record that apps of servers that are gone have stopped: no process outlives its server.

        At a start these are our own of before. Where servers share a database, one that was killed is found out by the
        others: within seconds, and whenever somebody wants to start, open or stop an app.
        """
        lost = self._register.lost()
        self._lost += lost
        if lost and self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self._keep(self._tell_lost()))

    async def _tell_lost(self) -> None:
        lost, self._lost = self._lost, []
        for app in lost:
            await self._event(_SERVICE, "AppStopped", app, app.failure)

    async def attach(self, endpoint: Asgi) -> None:
        """Take up work on the running event loop; ``endpoint`` is what notebooks reach through their door."""
        self._loop = asyncio.get_running_loop()
        self._endpoint = endpoint
        await self._tell_lost()
        self._keep(self._watch())

    async def close(self) -> None:
        """Stop every app, with nothing left behind."""
        for task in [*self._starting.values(), *self._tasks]:
            task.cancel()
        for live in list(self._live.values()):
            await self._stop(live, "The server was stopped.")

    # API, called from handler threads

    def create(self, call: Call) -> App:
        """CreateApp: recorded as Pending; the process starts on the event loop."""
        params = call.params
        if params["AppType"] != JUPYTERLAB:
            raise ValidationError(f"Lakewarden runs JupyterLab apps, not {params['AppType']}.")
        if not params.get("SpaceName") or params.get("UserProfileName"):
            raise ValidationError("JupyterLab apps run in a space: give SpaceName, and no UserProfileName.")
        if self._loop is None:
            raise ServiceUnavailable("The server is not ready to start apps.")
        refusal = self._spawner.refusal()
        if refusal:
            raise ValidationError(f"This server does not start apps: {refusal}")
        self.recover()
        app = self._register.create(call)
        self._on_loop(self._begin, app)
        return app

    def delete(self, domain: str, space: str, name: str) -> App:
        """DeleteApp: recorded as Deleting; the process is ended on the event loop of the server whose it is."""
        self.recover()
        app = self._register.delete(domain, space, name)
        if self._register.is_ours(app):
            self._on_loop(self._end, app)
        return app

    def listed(self, domain: str | None) -> list[App]:
        """Apps, with those that were deleted within a day."""
        return self._register.listed(domain)

    def active(self, app: App) -> str:
        """When a person last did something in the app."""
        live = self._live.get(_key(app))
        return live.active.isoformat() if live is not None and live.app.id == app.id else app.active

    def forget_home(self, space: Space) -> None:
        """Delete the home directories of a space that is gone."""
        try:
            self._spawner.remove(self._homes / space.id)
        except OSError as error:  # nobody finds it any more: its name is the id of a space that is gone
            _log.error("the home directory of a deleted space is left", space_id=space.id, error=str(error))

    # For the pages, on the event loop

    def running(self, domain: str, space: str, profile: str) -> Live | None:
        """A person's app on a space, when it is in service."""
        live = self._live.get((domain, space, profile))
        return live if live is not None and live.ready and not live.stopping else None

    async def ready(self, app: App) -> Live:
        """Wait until a Pending app is in service; raises :class:`PageRefused` with the reason when it fails."""
        if not self._register.is_ours(app):
            raise PageRefused(
                503,
                "Your JupyterLab runs on another server of this lake. Open Studio there, or stop the app here first.",
            )
        task = self._starting.get(app.id)
        if task is not None:
            await asyncio.wait({task})
        live = self.running(*_key(app))
        if live is None:
            stored = await self._off_loop(self._service.find, App, app.domain, app.key)
            raise PageRefused(503, f"JupyterLab did not start: {stored.failure if stored else 'it was deleted.'}")
        return live

    async def person(self, domain: str, profile: str) -> Principal:
        """The principal that a person's browser acts as: her execution role's session. Raises TrustRefused."""
        return (await self._wear(domain, profile)).principal

    # The life of a process

    def _begin(self, app: App) -> None:
        task = self._keep(self._start(app))
        self._starting[app.id] = task
        task.add_done_callback(lambda _: self._starting.pop(app.id, None))

    def _end(self, app: App) -> None:
        starting = self._starting.get(app.id)
        if starting is not None:
            starting.cancel()
        live = self._live.get(_key(app))
        if live is not None and live.app.id == app.id:
            self._keep(self._stop(live, "DeleteApp"))
        else:
            self._keep(self._gone(app))

    async def _gone(self, app: App) -> None:
        await self._off_loop(self._mark, app, DELETED, "")

    async def _start(self, app: App) -> None:
        try:
            space = await self._off_loop(self._service.get, Space, app.domain, app.space)
            person = await self._off_loop(self._service.get, UserProfile, app.domain, app.profile)
            worn = await self._wear(app.domain, app.profile)
            live = await self._launch(app, space, person, worn)
            await self._await_ready(live)
            live.ready = await self._off_loop(self._mark, app, IN_SERVICE, "")
            if not live.ready:
                raise CannotStart("it was deleted meanwhile")
            await self._event(live.principal, "AppInService", app, "")
        except asyncio.CancelledError:
            await self._abandon(app)
            raise
        except (TrustRefused, CannotStart, AwsError, OSError) as error:
            await self._abandon(app)
            if not await self._off_loop(self._mark, app, FAILED, str(error)):
                await self._gone(app)  # it was deleted through another server while it started
            await self._event(_SERVICE, "AppFailed", app, str(error))

    async def _abandon(self, app: App) -> None:
        live = self._live.pop(_key(app), None)
        if live is not None:
            live.stopping = True
            await self._shut(live)

    async def _launch(self, app: App, space: Space, person: UserProfile, worn: Worn) -> Live:
        if self._endpoint is None:
            raise CannotStart("the server is not ready")
        token, proof = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        base = f"/_studio/{app.domain}/{person.name}/{space.name}/"
        packages = Shelves.PATH if await self._shelves.reached(app.domain) else ""
        disk = await self._off_loop(disk_bytes, self._service, space, person.name)
        user, home = space.id, self._homes / space.id
        if not space.private:
            # INVARIANT (no_escalation): what starts by itself (settings, start-up files, packages) lies in a home, so
            # no two people share one; what a shared space's people share is a directory of documents beside it.
            user, home = hashlib.sha256(f"{space.id} {person.id}".encode()).hexdigest(), home / "people" / person.id
        launch = Launch(app.id, user, person.name, base, home, self._region, proof, token, packages, disk)
        if not space.private:
            launch = replace(launch, common=self._homes / space.id / "common", group_id=space.id)
        notebook = await self._spawner.start(launch)
        live = Live(app, person.name, base, proof, notebook, worn.principal, self._clock())
        self._live[_key(app)] = live
        self._keep(self._await_end(live))
        role = worn.principal.grantee_arn
        door = Door(self._endpoint, token, lambda: self._wear(app.domain, person.name, role), self._shelves.shelf(live))
        live.door = await open_door(notebook.endpoint, door)
        return live

    async def _await_ready(self, live: Live) -> None:
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while not live.stopping:
            with contextlib.suppress(OSError):
                status, _ = await live.ask("api/status")
                if status == 200:
                    return
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"JupyterLab did not answer within {_READY_SECONDS:.0f} s")
            await asyncio.sleep(0.05)
        raise CannotStart(live.ending or "JupyterLab was stopped before it answered")

    async def _await_end(self, live: Live) -> None:
        reason = await live.notebook.ended()
        if live.stopping:
            return
        live.ending = reason
        live.stopping = True
        self._live.pop(_key(live.app), None)
        await self._shut(live)
        if live.ready:  # else whoever waits for its start tells
            await self._off_loop(self._mark, live.app, FAILED, reason)
            await self._event(live.principal, "AppFailed", live.app, reason)

    async def _stop(self, live: Live, reason: str) -> None:
        if live.stopping:
            return
        live.stopping = True
        self._live.pop(_key(live.app), None)
        await self._shut(live)
        await self._off_loop(self._mark, live.app, DELETED, "" if reason == "DeleteApp" else reason)
        await self._event(live.principal, "AppStopped", live.app, reason)

    async def _shut(self, live: Live) -> None:
        for task in live.sockets:
            task.cancel()
        if live.door is not None:
            live.door.close()
        await live.notebook.stop()

    async def _watch(self) -> None:
        """What other servers of the database have done, and who is idle."""
        rounds = 0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            rounds += 1
            try:
                await self._off_loop(self.recover)
                for live in list(self._live.values()):
                    if not await self._off_loop(self._register.stands, live.app):
                        await self._stop(live, "DeleteApp")
                    elif rounds % _IDLE_ROUNDS == 0 and await self.is_idle(live):
                        await self._stop(live, "The app was idle.")
            except (AwsError, OSError) as error:
                _log.warning("apps could not be looked after; the next round tries again", error=str(error))

    async def is_idle(self, live: Live) -> bool:
        """Whether nobody has used an app for as long as its settings allow, and no kernel is at work in it."""
        minutes = await self._off_loop(idle_minutes, self._service, live)
        if minutes is None or self._clock() - live.active < timedelta(minutes=minutes):
            return False
        return not await works(live)

    async def _wear(self, domain: str, profile: str, role: str = "") -> Worn:
        return await self._roles.wear(await self._off_loop(self._register.wearer, domain, profile, role))

    def _mark(self, app: App, status: str, failure: str) -> bool:
        live = self._live.get(_key(app))
        active = live.active.isoformat() if live is not None and live.app.id == app.id else ""
        return self._register.mark(app, status, failure, active)

    async def _event(self, principal: Principal, name: str, app: App, reason: str) -> None:
        details = {"domainId": app.domain, "userProfileName": app.profile, "spaceName": app.space, "appId": app.id}
        details |= {"reason": reason} if reason else {}
        try:
            await self._trail.event(principal, name, details)
        except AwsError as error:
            # The API call that asked for it is in the log already; only this later event is lost.
            _log.error("an event of an app could not be recorded", event_name=name, error=error.message)

    def _on_loop(self, do: Any, app: App) -> None:
        if self._loop is None:
            raise CannotStart("the server is not ready")
        self._loop.call_soon_threadsafe(do, app)

    async def _off_loop(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, do, *arguments)

    def _keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _now(self) -> str:
        return self._clock().isoformat()


def _key(app: App) -> tuple[str, str, str]:
    return (app.domain, app.space, app.profile)
