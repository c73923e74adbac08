"""SageMaker Studio: domains, user profiles, spaces and tags. Authorisation has happened; names and order are kept here."""

import secrets
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import ValidationError
from lakewarden.studio import names
from lakewarden.studio.errors import ResourceInUse, ResourceLimitExceeded, ResourceNotFound
from lakewarden.studio.model import PRIVATE, PUBLIC, SHARED, VPC, App, Domain, Resource, Space, UserProfile
from lakewarden.studio.ports import ExecutionRoles, Wearer
from lakewarden.studio.store import Records, StudioStore

R = TypeVar("R", bound=Resource)
Params = Mapping[str, Any]
_NETWORK = (
    "VpcId", "SubnetIds", "AppNetworkAccessType", "AppSecurityGroupManagement", "HomeEfsFileSystemKmsKeyId",
    "HomeEfsFileSystemCreation", "KmsKeyId", "TagPropagation",
)  # fmt: skip
_MOST = {Domain: 10, UserProfile: 10_000, Space: 10_000}
_MOST_TAGS = 50
_TITLES: Mapping[type[Resource], str] = {Domain: "Domain", UserProfile: "UserProfile", Space: "Space", App: "App"}
_KINDS: Mapping[str, type[Resource]] = {one.kind: one for one in _TITLES}


class StudioService:
    """The Studio resources of one account."""

    def __init__(self, store: StudioStore, roles: ExecutionRoles, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._clock = clock

    # Reading

    def get(self, kind: type[R], domain: str, key: str = "") -> R:
        """The resource; raises :class:`ResourceNotFound`."""
        with self._store.read() as records:
            return require(records, kind, domain, key)

    def find(self, kind: type[R], domain: str, key: str = "") -> R | None:
        """The resource, or None."""
        with self._store.read() as records:
            return records.get(kind, domain, key)

    def all(self, kind: type[R], domain: str | None = None) -> list[R]:
        """Every resource of a kind."""
        with self._store.read() as records:
            return records.all(kind, domain)

    def wearer(self, domain: Domain, profile: UserProfile) -> Wearer:
        """The execution role that a profile's notebooks wear: its own, or the domain's."""
        role = profile.settings.get("ExecutionRole") or domain.user_settings.get("ExecutionRole", "")
        return Wearer(role, domain.domain, profile.name, domain.settings.get("ExecutionRoleIdentityConfig", ""))

    # Domains

    def create_domain(self, params: Params) -> Domain:
        """CreateDomain; raises ValidationError, ResourceInUse, ResourceLimitExceeded."""
        name = names.name(params["DomainName"], "domainName")
        if params["AuthMode"] not in {"IAM", "SSO"}:
            raise ValidationError("AuthMode must be IAM or SSO.")
        settings = params["DefaultUserSettings"]
        if not settings.get("ExecutionRole"):
            raise ValidationError("DefaultUserSettings must name an ExecutionRole.")
        self._check_roles(settings, params.get("DefaultSpaceSettings"))
        network = {key: params[key] for key in _NETWORK if key in params}
        network.setdefault("AppNetworkAccessType", PUBLIC)
        _check_network(network)
        _check_identity(params.get("DomainSettings"))
        now = self._now()
        unique = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))
        made = Domain(
            domain=f"d-{unique}", name=name, id=secrets.token_hex(16), created=now, modified=now,
            tags=names.tags_of(params.get("Tags")), auth_mode=params["AuthMode"], user_settings=settings,
            space_settings=params.get("DefaultSpaceSettings") or {}, settings=params.get("DomainSettings") or {},
            network=network,
        )  # fmt: skip
        with self._store.write() as records:
            if any(one.name == name for one in records.all(Domain)):
                raise ResourceInUse(f"A domain with the name {name} already exists.")
            return _insert(records, made)

    def update_domain(self, params: Params) -> Domain:
        """UpdateDomain: the members that are given replace what stood there."""
        self._check_roles(params.get("DefaultUserSettings"), params.get("DefaultSpaceSettings"))
        _check_identity(params.get("DomainSettingsForUpdate"))
        with self._store.write() as records:
            domain = require(records, Domain, params["DomainId"])
            if _identity_changes(domain, params) and any(app.lives for app in records.all(App, domain.domain)):
                raise ResourceInUse("ExecutionRoleIdentityConfig cannot change while apps are running in the domain.")
            network = domain.network | {key: params[key] for key in _NETWORK if key in params}
            _check_network(network)
            changed = msgspec.structs.replace(
                domain, modified=self._now(), network=network,
                user_settings=domain.user_settings | (params.get("DefaultUserSettings") or {}),
                space_settings=domain.space_settings | (params.get("DefaultSpaceSettings") or {}),
                settings=domain.settings | (params.get("DomainSettingsForUpdate") or {}),
            )  # fmt: skip
            records.put(changed)
            return changed

    def delete_domain(self, domain_id: str) -> None:
        """DeleteDomain; raises :class:`ResourceInUse` while profiles or spaces are left."""
        with self._store.write() as records:
            domain = require(records, Domain, domain_id)
            for kind in (UserProfile, Space):
                if records.all(kind, domain_id):
                    raise ResourceInUse(f"Unable to delete Domain {domain_id}: {_TITLES[kind]}s must be deleted first.")
            for app in records.all(App, domain_id):
                records.delete(app)
            records.delete(domain)

    # User profiles

    def create_profile(self, params: Params) -> UserProfile:
        """CreateUserProfile; raises ValidationError, ResourceInUse, ResourceNotFound."""
        name = names.name(params["UserProfileName"], "userProfileName")
        settings = params.get("UserSettings") or {}
        self._check_roles(settings)
        now = self._now()
        with self._store.write() as records:
            domain = require(records, Domain, params["DomainId"])
            sso = (params.get("SingleSignOnUserIdentifier", ""), params.get("SingleSignOnUserValue", ""))
            if any(sso) and domain.auth_mode != "SSO":
                raise ValidationError("SingleSignOnUser members belong to domains whose AuthMode is SSO.")
            made = UserProfile(
                domain=domain.domain, name=name, id=secrets.token_hex(16), created=now, modified=now, settings=settings,
                tags=names.tags_of(params.get("Tags")), sso_identifier=sso[0], sso_value=sso[1],
            )  # fmt: skip
            return _insert(records, made)

    def update_profile(self, params: Params) -> UserProfile:
        """UpdateUserProfile. A running app keeps its role until it is started anew."""
        self._check_roles(params.get("UserSettings"))
        with self._store.write() as records:
            profile = require(records, UserProfile, params["DomainId"], params["UserProfileName"])
            settings = profile.settings | (params.get("UserSettings") or {})
            changed = msgspec.structs.replace(profile, modified=self._now(), settings=settings)
            records.put(changed)
            return changed

    def delete_profile(self, domain: str, name: str) -> None:
        """DeleteUserProfile; raises :class:`ResourceInUse` while the profile owns spaces."""
        with self._store.write() as records:
            profile = require(records, UserProfile, domain, name)
            spaces = records.spaces_of(domain, name)
            if records.apps_of(domain, name) or any(records.apps_on(space) for space in spaces):
                raise ResourceInUse(f"Unable to delete UserProfile {name}: its apps must be deleted first.")
            if spaces:
                raise ResourceInUse(f"Unable to delete UserProfile {name}: its spaces must be deleted first.")
            records.delete(profile)

    # Spaces

    def create_space(self, params: Params) -> Space:
        """CreateSpace; raises ValidationError, ResourceInUse, ResourceNotFound."""
        name = names.name(params["SpaceName"], "spaceName")
        settings = params.get("SpaceSettings") or {}
        if settings.get("AppType", "JupyterLab") != "JupyterLab":
            raise ValidationError(f"Lakewarden runs JupyterLab in spaces, not {settings['AppType']}.")
        owner = (params.get("OwnershipSettings") or {}).get("OwnerUserProfileName", "")
        sharing = (params.get("SpaceSharingSettings") or {}).get("SharingType", "")
        if bool(owner) != bool(sharing):
            raise ValidationError("OwnershipSettings and SpaceSharingSettings must be given together.")
        if sharing and sharing not in {PRIVATE, SHARED}:
            raise ValidationError("SharingType must be Private or Shared.")
        now = self._now()
        with self._store.write() as records:
            require(records, Domain, params["DomainId"])
            if owner:
                require(records, UserProfile, params["DomainId"], owner)
            made = Space(
                domain=params["DomainId"], name=name, id=secrets.token_hex(16), created=now, modified=now,
                tags=names.tags_of(params.get("Tags")), owner=owner, sharing=sharing or SHARED, settings=settings,
                display_name=params.get("SpaceDisplayName", ""),
            )  # fmt: skip
            return _insert(records, made)

    def update_space(self, params: Params) -> Space:
        """UpdateSpace."""
        with self._store.write() as records:
            space = require(records, Space, params["DomainId"], params["SpaceName"])
            changed = msgspec.structs.replace(
                space, modified=self._now(), settings=space.settings | (params.get("SpaceSettings") or {}),
                display_name=params.get("SpaceDisplayName", space.display_name),
            )  # fmt: skip
            records.put(changed)
            return changed

    def delete_space(self, domain: str, name: str) -> Space:
        """DeleteSpace; raises :class:`ResourceInUse` while an app runs on it. Its home directories are the caller's to remove."""
        with self._store.write() as records:
            space = require(records, Space, domain, name)
            if records.apps_on(space):
                raise ResourceInUse(f"Unable to delete Space {name}: its apps must be deleted first.")
            for app in records.all(App, domain):
                if app.space == name:
                    records.delete(app)
            records.delete(space)
            return space

    # Tags

    def tagged(self, path: str) -> Resource:
        """The resource of an ARN's resource part; raises :class:`ResourceNotFound`."""
        with self._store.read() as records:
            return _at(records, path)

    def tag(self, path: str, added: Mapping[str, str], removed: frozenset[str] = frozenset()) -> Mapping[str, str]:
        """AddTags and DeleteTags; answers the tags that stand afterwards."""
        with self._store.write() as records:
            found = _at(records, path)
            tags = {key: value for key, value in found.tags.items() if key not in removed} | dict(added)
            if len(tags) > _MOST_TAGS:
                raise ResourceLimitExceeded(f"A resource can have at most {_MOST_TAGS} tags.")
            records.put(msgspec.structs.replace(found, tags=tags))
            return tags

    def _check_roles(self, *settings: Mapping[str, Any] | None) -> None:
        for role in names.execution_roles(*settings):
            if not self._roles.exists(role):
                raise ValidationError(f"The execution role {role} does not exist.")

    def _now(self) -> str:
        return self._clock().isoformat()


def require(records: Records, kind: type[R], domain: str, key: str = "") -> R:
    """The resource; raises :class:`ResourceNotFound`."""
    found = records.get(kind, domain, key)
    if found is None:
        raise ResourceNotFound(f"{_TITLES[kind]} {key or domain} was not found.")
    return found


def _at(records: Records, path: str) -> Resource:
    kind, domain, *rest = path.split("/")
    return require(records, _KINDS[kind], domain, "/".join(rest))


def _insert(records: Records, made: R) -> R:
    if records.get(type(made), made.domain, made.key) is not None:
        raise ResourceInUse(f"{_TITLES[type(made)]} {made.name} already exists.")
    if len(records.all(type(made), None if isinstance(made, Domain) else made.domain)) >= _MOST[type(made)]:
        raise ResourceLimitExceeded(f"There can be at most {_MOST[type(made)]} {_TITLES[type(made)]}s.")
    records.put(made)
    return made


def _check_network(network: Mapping[str, Any]) -> None:
    if network["AppNetworkAccessType"] not in {VPC, PUBLIC}:
        raise ValidationError("AppNetworkAccessType must be VpcOnly or PublicInternetOnly.")
    if network["AppNetworkAccessType"] == VPC and not (network.get("VpcId") and network.get("SubnetIds")):
        raise ValidationError("VpcId and SubnetIds are required for AppNetworkAccessType VpcOnly.")


def _check_identity(settings: Mapping[str, Any] | None) -> None:
    if (settings or {}).get("ExecutionRoleIdentityConfig", "DISABLED") not in {"USER_PROFILE_NAME", "DISABLED"}:
        raise ValidationError("ExecutionRoleIdentityConfig must be USER_PROFILE_NAME or DISABLED.")


def _identity_changes(domain: Domain, params: Params) -> bool:
    wanted = (params.get("DomainSettingsForUpdate") or {}).get("ExecutionRoleIdentityConfig")
    return wanted is not None and wanted != domain.settings.get("ExecutionRoleIdentityConfig")
