"""An app whose process runs, and whether anybody needs it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from lakewarden.kernel.call import Principal
from lakewarden.studio.forward import ask
from lakewarden.studio.model import App, Domain, Space, UserProfile
from lakewarden.studio.ports import Notebook
from lakewarden.studio.service import StudioService

PROOF: Final = "X-Lakewarden-Proof"
"""The header by which a JupyterLab knows that a request comes from us."""

_IDLE_MINUTES = 120


@dataclass(slots=True)
class Live:
    """An app whose process runs. ``base`` is its URL path, ``proof`` the header that its JupyterLab knows us by."""

    app: App
    profile: str
    base: str
    proof: str
    notebook: Notebook
    principal: Principal
    active: datetime
    door: asyncio.Server | None = None
    ready: bool = False
    stopping: bool = False
    ending: str = ""
    sockets: set[asyncio.Task[Any]] = field(default_factory=set)

    async def ask(self, path: str) -> tuple[int, bytes]:
        """A question of our own to its JupyterLab: status and body. Raises ``OSError``."""
        return await ask(self.notebook, self.base + path, {PROOF: self.proof, "Host": "studio"})


async def works(live: Live) -> bool:
    """Whether a kernel is at work. A JupyterLab that gives no proper answer to that does not count as working."""
    try:
        _, body = await live.ask("api/kernels")
        kernels = msgspec.json.decode(body, type=list[dict[str, Any]])
    except (OSError, msgspec.MsgspecError):
        return False
    return any(kernel.get("execution_state") == "busy" for kernel in kernels)


def idle_minutes(service: StudioService, live: Live) -> int | None:
    """AppLifecycleManagement of the space, the profile or the domain, the nearest that speaks; None for never."""
    domain = service.find(Domain, live.app.domain)
    profile = service.find(UserProfile, live.app.domain, live.profile)
    space = service.find(Space, live.app.domain, live.app.space)
    if domain is None or profile is None or space is None:
        return 0
    for settings in (space.settings, profile.settings, domain.user_settings):
        managed = (settings.get("JupyterLabAppSettings") or {}).get("AppLifecycleManagement") or {}
        idle = managed.get("IdleSettings") or {}
        if idle.get("LifecycleManagement") == "DISABLED":
            return None
        if idle.get("IdleTimeoutInMinutes"):
            return int(idle["IdleTimeoutInMinutes"])
    return _IDLE_MINUTES


def disk_bytes(service: StudioService, space: Space, person: str) -> int:
    """EbsVolumeSizeInGb of the space, or the default of a person's profile or the domain; 0 where none speaks."""
    chosen = (space.settings.get("SpaceStorageSettings") or {}).get("EbsStorageSettings") or {}
    if chosen.get("EbsVolumeSizeInGb"):
        return int(chosen["EbsVolumeSizeInGb"]) * 1024**3
    domain = service.find(Domain, space.domain)
    profile = service.find(UserProfile, space.domain, person)
    for settings in (profile.settings if profile else {}, domain.user_settings if domain else {}):
        storage = (settings.get("SpaceStorageSettings") or {}).get("DefaultEbsStorageSettings") or {}
        if storage.get("DefaultEbsVolumeSizeInGb"):
            return int(storage["DefaultEbsVolumeSizeInGb"]) * 1024**3
    return 0
