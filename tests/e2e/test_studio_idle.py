"""When an app is idle: a real JupyterLab, and a clock that the test turns."""

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lakewarden.kernel.call import Principal
from lakewarden.state import Database
from lakewarden.state.presence import Alone
from lakewarden.studio.apps import Apps
from lakewarden.studio.door import Receive, Scope, Send
from lakewarden.studio.forward import exchange
from lakewarden.studio.live import PROOF, Live
from lakewarden.studio.local import LocalSpawner
from lakewarden.studio.model import DELETED, FAILED, IN_SERVICE, App, Space
from lakewarden.studio.ports import Limits, Wearer, Worn
from lakewarden.studio.register import Register
from lakewarden.studio.service import StudioService
from lakewarden.studio.shelves import Shelves
from lakewarden.studio.store import StudioStore
from lakewarden.studio.watch import Watch
from tests.unit.studio.furniture import ACCOUNT, Clock, call, database, role_session, user


class Roles:
    def exists(self, role_arn: str) -> bool:
        return bool(role_arn)

    async def wear(self, wearer: Wearer) -> Worn:
        return Worn(role_session("r", wearer.profile, wearer.profile), "ASIA", "secret", "token", Clock()())


class Trail:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    async def event(
        self, principal: Principal, name: str, details: Mapping[str, Any], source_ip: str = "", error: str = ""
    ) -> None:
        assert principal.name
        self.events.append((name, str(details.get("reason", ""))))


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nothing is called")


@dataclass(frozen=True)
class Studio:
    """One person with one space, on a database and a wall of its own."""

    place: Path
    database: Database
    clock: Clock
    trail: Trail
    service: StudioService
    apps: Apps
    space: Space

    async def started(self) -> tuple[App, Live]:
        app = await asyncio.to_thread(_create, self.apps, self.space.domain)
        await asyncio.sleep(0)
        return app, await self.apps.ready(app)

    def stored(self, app: App) -> App:
        return self.service.get(App, app.domain, app.key)


async def studio(tmp_path: Path, limits: Limits | None = None) -> Studio:
    made, clock, trail = database(tmp_path), Clock(), Trail()
    store = StudioStore(made)
    service = StudioService(store, Roles(), clock)
    domain = service.create_domain(
        {
            "DomainName": "lab",
            "AuthMode": "IAM",
            "DefaultUserSettings": {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/r"},
        }
    ).domain
    service.create_profile({"DomainId": domain, "UserProfileName": "ann"})
    space = service.create_space(
        {
            "DomainId": domain,
            "SpaceName": "s",
            "OwnershipSettings": {"OwnerUserProfileName": "ann"},
            "SpaceSharingSettings": {"SharingType": "Private"},
        }
    )
    spawner = LocalSpawner(tmp_path / "studio", tmp_path, limits or Limits(), watch=Watch(files_seconds=0.2))
    apps = Apps(
        Register(store, service, Alone(), clock),
        service,
        Roles(),
        spawner,
        trail,
        tmp_path / "homes",
        "us-east-1",
        clock,
        Shelves(None, service, trail),
    )
    await apps.attach(nothing)
    return Studio(tmp_path, made, clock, trail, service, apps, space)


def test_an_app_is_stopped_when_it_is_idle_and_not_while_a_kernel_works(tmp_path: Path) -> None:
    asyncio.run(_idle(tmp_path))


async def _idle(tmp_path: Path) -> None:
    lab = await studio(tmp_path)
    clock, trail, service, apps, space = lab.clock, lab.trail, lab.service, lab.apps, lab.space
    app, live = await lab.started()
    assert lab.stored(app).status == IN_SERVICE
    kernel = msgspec.json.decode(await _post(live, "api/kernels", b"{}"))["id"]
    clock.turn(119 * 60)
    assert not await apps.is_idle(live)
    clock.turn(2 * 60)
    assert await _settles(apps, live, idle=True)
    _settings(service, space, {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 180})
    assert not await apps.is_idle(live)
    _settings(service, space, {"LifecycleManagement": "DISABLED"})
    clock.turn(10**6)
    assert not await apps.is_idle(live)
    _settings(service, space, {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60})
    assert await apps.is_idle(live)
    await _post(live, f"api/kernels/{kernel}/restart", b"")
    # What the notebook's user may put in JupyterLab's place neither holds the server up nor fills its memory.
    place = next((tmp_path / "studio").rglob("jupyter.sock"))
    for answer, error in ((b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 2**21, "too long"), (b"nonsense\r\n\r\n", "not HTTP")):
        place.unlink()
        liar = await asyncio.start_unix_server(functools.partial(_lie, answer), path=_short(place))
        with pytest.raises(OSError, match=error):
            await live.ask("api/kernels")
        assert await apps.is_idle(live)
        liar.close()
    home = tmp_path / "homes" / space.id
    assert (home / "samples" / "lake-tour.ipynb").exists()
    await apps.close()
    stored = lab.stored(app)
    assert (stored.status, stored.failure) == (DELETED, "The server was stopped.")
    assert stored.status != FAILED
    assert trail.events == [("AppInService", ""), ("AppStopped", "The server was stopped.")]
    assert home.exists()
    apps.forget_home(space)
    assert not home.exists()
    lab.database.close()


def test_a_home_that_grows_without_end_stops_its_app_and_no_file_grows_past_it(tmp_path: Path) -> None:
    asyncio.run(_full(tmp_path))


async def _full(tmp_path: Path) -> None:
    lab = await studio(tmp_path, Limits(disk=24 * 1024**2))
    app, live = await lab.started()
    # One file alone cannot be larger than the home may be.
    await _put(live, "large.txt", 30 * 1024**2)
    home = tmp_path / "homes" / lab.space.id
    assert not (home / "large.txt").exists() or (home / "large.txt").stat().st_size <= 24 * 1024**2
    (home / "large.txt").unlink(missing_ok=True)
    for number in range(3):
        with contextlib.suppress(OSError):  # it may have been ended by the second
            await _put(live, f"{number}.txt", 15 * 1024**2)
    await _becomes(lab, app, FAILED)
    assert lab.stored(app).failure == "The app's files take more than 24 MiB."
    assert lab.apps.running(app.domain, app.space, app.profile) is None
    # It can be opened again, to be emptied: what is there already does not count against it.
    again, _ = await lab.started()
    assert lab.stored(again).status == IN_SERVICE
    await lab.apps.close()
    assert list((tmp_path / "studio" / "run" / "alone").iterdir()) == []
    lab.database.close()


async def _put(live: Live, name: str, length: int) -> None:
    body = msgspec.json.encode({"type": "file", "format": "text", "content": "x" * length})
    await _post(live, f"api/contents/{name}", body, "PUT")


async def _becomes(lab: Studio, app: App, status: str) -> None:
    deadline = time.monotonic() + 60
    while lab.stored(app).status != status:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def _lie(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        writer.write(answer)
        await writer.drain()
    writer.close()


def _short(place: Path) -> str:
    """A name of a socket that fits into an address."""
    return f"/proc/self/fd/{os.open(place.parent, os.O_PATH)}/{place.name}"


def _create(apps: Apps, domain: str) -> App:
    params = {"DomainId": domain, "SpaceName": "s", "AppType": "JupyterLab", "AppName": "default"}
    return apps.create(call(user("ann"), "CreateApp", **params))


async def _settles(apps: Apps, live: Live, *, idle: bool) -> bool:
    """A kernel that has just been started is at work for a moment."""
    deadline = time.monotonic() + 30
    while await apps.is_idle(live) is not idle:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    return True


def _settings(service: StudioService, space: Space, idle: Mapping[str, Any]) -> None:
    settings = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": dict(idle)}}}
    service.update_space({"DomainId": space.domain, "SpaceName": space.name, "SpaceSettings": settings})


async def _post(live: Live, path: str, body: bytes, method: str = "POST") -> bytes:
    async def chunks() -> Any:
        yield body

    headers = [
        (PROOF.encode(), live.proof.encode()), (b"Host", b"localhost"), (b"Cookie", b"_xsrf=x"), (b"X-XSRFToken", b"x"),
        (b"Content-Length", str(len(body)).encode()),
    ]  # fmt: skip
    answer = await exchange(live.notebook, method, f"{live.base}{path}".encode(), headers, chunks())
    try:
        return b"".join([chunk async for chunk in answer.body()])
    finally:
        answer.close()
