"""What is on record about apps: CreateApp, DeleteApp, and what has become of each. No process is touched here."""

import secrets
from datetime import timedelta

import msgspec

from lakewarden.kernel.call import Call, PrincipalType
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import ValidationError
from lakewarden.state.presence import Presence
from lakewarden.studio import names
from lakewarden.studio.errors import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, TrustRefused
from lakewarden.studio.model import (
    DELETED,
    DELETING,
    JUPYTERLAB,
    PENDING,
    App,
    Domain,
    Space,
    UserProfile,
)
from lakewarden.studio.ports import Wearer
from lakewarden.studio.service import StudioService, require
from lakewarden.studio.store import StudioStore

_MOST_RUNNING = 100
_REMEMBERED = timedelta(hours=24)


class Register:
    """The apps of one account, as the database has them; other servers may share it."""

    def __init__(self, store: StudioStore, service: StudioService, presence: Presence, clock: Clock) -> None:
        self._store = store
        self._service = service
        self._presence = presence
        self._clock = clock

    def create(self, call: Call) -> App:
        """CreateApp, as far as it can be refused: the app is Pending afterwards, and this server's."""
        params = call.params
        name = names.name(params["AppName"], "appName")
        now = self._now()
        with self._store.write() as records:
            space = require(records, Space, params["DomainId"], params["SpaceName"])
            # INVARIANT (no_escalation): an app wears one person's role. On a shared space it is the caller's own, so
            # that nobody starts, or finds, an app that acts as somebody else.
            profile = space.owner if space.private else own_profile(call, space.domain)
            require(records, UserProfile, space.domain, profile)
            running = records.apps_on(space)
            if any(app.profile == profile for app in running):
                raise ResourceInUse(f"An app is running in the space {space.name} already.")
            if any(app.name == name for app in running):
                raise ResourceInUse(
                    f"The app {name} in the space {space.name} is another person's; choose another name."
                )
            if sum(app.lives for app in records.all(App)) >= _MOST_RUNNING:
                raise ResourceLimitExceeded(f"At most {_MOST_RUNNING} apps can run at a time.")
            app = App(
                domain=space.domain, name=name, id=secrets.token_hex(16), created=now, modified=now, status=PENDING,
                space=space.name, resource_spec=params.get("ResourceSpec") or {},
                tags=names.tags_of(params.get("Tags")), active=now,
                server=self._presence.server, profile=profile,
            )  # fmt: skip
            records.put(app)
        return app

    def delete(self, domain: str, space: str, name: str) -> App:
        """DeleteApp: Deleting, until the server whose app it is has ended the process."""
        with self._store.write() as records:
            app = require(records, App, domain, f"{space}/{JUPYTERLAB}/{name}")
            if app.status in {DELETED, DELETING}:
                raise ResourceNotFound(f"App {name} is deleted or being deleted.")
            server = app.server if app.lives else self._presence.server
            app = msgspec.structs.replace(app, status=DELETING, modified=self._now(), server=server)
            records.put(app)
        return app

    def is_ours(self, app: App) -> bool:
        """Whether its process is, or was, this server's."""
        return app.server == self._presence.server

    def lost(self) -> list[App]:
        """Record that the apps of servers that are gone have stopped, and answer them."""
        alive = self._presence.alive()
        if not any(_is_lost(app, alive) for app in self._service.all(App)):
            return []
        with self._store.write() as records:
            lost = [
                msgspec.structs.replace(app, status=DELETED, failure="The server was restarted.", modified=self._now())
                for app in records.all(App)
                if _is_lost(app, alive)
            ]
            for app in lost:
                records.put(app)
        return lost

    def stands(self, app: App) -> bool:
        """Whether an app of ours is to go on: nobody has deleted it, here or through another server."""
        stored = self._service.find(App, app.domain, app.key)
        return stored is not None and stored.id == app.id and stored.lives and stored.status != DELETING

    def mark(self, app: App, status: str, failure: str, active: str) -> bool:
        """Record a new status, unless the app was replaced or is being deleted; answers whether it was recorded."""
        with self._store.write() as records:
            stored = records.get(App, app.domain, app.key)
            if stored is None or stored.id != app.id:
                return False
            if stored.status in {DELETING, DELETED} and status != DELETED:
                return False
            changed = {"status": status, "failure": failure, "modified": self._now(), "active": active or stored.active}
            records.put(msgspec.structs.replace(stored, **changed))
            return True

    def listed(self, domain: str | None) -> list[App]:
        """Apps, with those that were deleted within a day."""
        oldest = (self._clock() - _REMEMBERED).isoformat()
        return [app for app in self._service.all(App, domain) if app.status != DELETED or app.modified > oldest]

    def wearer(self, domain: str, profile: str, role: str) -> Wearer:
        """Who wears an execution role, by what is stored now. ``role`` is the one that a running app was started with,
        which it keeps, as at AWS; a new role is worn from the next start on. Raises :class:`TrustRefused`.
        """
        found = self._service.find(Domain, domain)
        owner = self._service.find(UserProfile, domain, profile)
        if found is None or owner is None:
            raise TrustRefused("The user profile does not exist any more.")
        wearer = self._service.wearer(found, owner)
        return Wearer(role, wearer.domain, wearer.profile, wearer.identity) if role else wearer

    def _now(self) -> str:
        return self._clock().isoformat()


def own_profile(call: Call, domain: str) -> str:
    """The caller's own profile in a domain: a Studio session's, or an IAM user's namesake. Raises ValidationError."""
    session = call.principal.session
    if session is not None and session.studio_domain == domain and session.studio_profile:
        return session.studio_profile
    if call.principal.type is PrincipalType.USER:
        return call.principal.name
    raise ValidationError("An app on a shared space is one person's: she starts it herself, from her own Studio.")


def _is_lost(app: App, alive: frozenset[str]) -> bool:
    return app.lives and app.server not in alive
