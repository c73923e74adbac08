"""The composition of Studio: its API, its pages, and the notebooks."""

from dataclasses import dataclass

from lakewarden.adapters.notebooks import NotebookRoles, StudioCalls, StudioTrail
from lakewarden.audit.log import AuditLog
from lakewarden.config import DEFAULT_PORT, Config, ConfigError, DataDirectory
from lakewarden.dispatch import Dispatcher, Recorder
from lakewarden.guard import Guard, Operations
from lakewarden.identity.directory import Directory
from lakewarden.identity.sealed import KeyRing
from lakewarden.kernel.clock import Clock
from lakewarden.state import Database
from lakewarden.state.presence import Presence
from lakewarden.studio import api
from lakewarden.studio.apps import Apps
from lakewarden.studio.index import index_of
from lakewarden.studio.local import LocalSpawner
from lakewarden.studio.names import Arns
from lakewarden.studio.packages import Source
from lakewarden.studio.ports import Limits
from lakewarden.studio.register import Register
from lakewarden.studio.rules import Rules
from lakewarden.studio.service import StudioService
from lakewarden.studio.sessions import Sessions
from lakewarden.studio.shelves import Shelves
from lakewarden.studio.store import StudioStore
from lakewarden.studio.web import Site, StudioSite


@dataclass(frozen=True, slots=True)
class NotebookSettings:
    """What ``lakewarden serve`` says about notebooks: the endpoint's ``port``, and whether they run without a wall."""

    port: int = DEFAULT_PORT
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Identities:
    """Who there is, and with which keys their sessions are sealed."""

    directory: Directory
    ring: KeyRing


@dataclass(frozen=True, slots=True)
class StudioHalf:
    """What the server runs of Studio. ``apps`` live on the event loop, between ``attach`` and ``close`` of their own."""

    apps: Apps
    operations: Operations
    site: Site
    service: StudioService
    sessions: Sessions
    trail: StudioTrail
    region: str
    clock: Clock

    def pages(self, dispatcher: Dispatcher) -> StudioSite:
        """The application under ``/_studio``; what people do there goes through ``dispatcher`` like every call."""
        calls = StudioCalls(dispatcher, self.region, self.clock)
        return StudioSite(self.sessions, self.service, self.apps, calls, self.trail, self.site, self.clock)


def build_studio(
    directory: DataDirectory,
    config: Config,
    database: Database,
    presence: Presence,
    identities: Identities,
    guard: Guard,
    recorder: Recorder,
    log: AuditLog,
    settings: NotebookSettings,
    clock: Clock,
    *,
    alone: bool,
) -> StudioHalf:
    """Compose it. ``alone``: no other server is at work in the directory."""
    account, region = config.account_id, config.region
    store = StudioStore(database)
    roles = NotebookRoles(identities.directory, identities.ring, guard, recorder, account, region, clock)
    service, sessions = StudioService(store, roles, clock), Sessions(store, clock)
    trail = StudioTrail(log, account, region, clock)
    spawner = LocalSpawner(
        directory.studio,
        directory.root,
        Limits(),
        server=presence.server,
        port=settings.port,
        unsafe=settings.unsafe,
    )
    if alone:
        spawner.sweep()
    homes, shelves = directory.studio / "homes", Shelves(_packages(config), service, trail)
    register = Register(store, service, presence, clock)
    apps = Apps(register, service, roles, spawner, trail, homes, region, clock, shelves)
    apps.recover()
    site, arns = Site(config.studio_url), Arns(account, region)
    operations = api.operations(api.Handlers(service, apps, sessions, arns, site), Rules(service, arns))
    return StudioHalf(apps, operations, site, service, sessions, trail, region, clock)


def _packages(config: Config) -> Source | None:
    """The operator's package index; None without one."""
    if not config.package_index:
        return None
    try:
        return Source(index_of(config.package_index, config.package_hosts))
    except ValueError as error:
        raise ConfigError(f"package_index, package_hosts: {error}") from error
