"""SageMaker's OPERATIONS table: Studio's part."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.guard import AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.kernel.errors import NotImplementedOperation, ValidationError
from lakewarden.studio import names
from lakewarden.studio.apps import Apps
from lakewarden.studio.errors import ResourceNotFound
from lakewarden.studio.model import JUPYTERLAB, App, Domain, Resource, Space, UserProfile
from lakewarden.studio.names import Arns
from lakewarden.studio.rules import Rules, app_path
from lakewarden.studio.service import StudioService
from lakewarden.studio.sessions import Sessions
from lakewarden.studio.web import Site

Params = Mapping[str, Any]
Do = Callable[[Params], Mapping[str, Any]]
_HIDDEN = frozenset({"AuthorizedUrl"})


class Handlers:
    """The operations over Studio's services."""

    def __init__(self, service: StudioService, apps: Apps, sessions: Sessions, arns: Arns, site: Site) -> None:
        self._service = service
        self._apps = apps
        self._sessions = sessions
        self._arns = arns
        self._site = site

    # Domains

    def create_domain(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreateDomain."""
        made = self._service.create_domain(call.params)
        return {"DomainArn": self._arns.of(made.path), "DomainId": made.domain, "Url": self._url(call, made.domain)}

    def describe_domain(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DescribeDomain."""
        found = self._service.get(Domain, call.params["DomainId"])
        return {
            **_moments(found), **found.network,
            "DomainArn": self._arns.of(found.path), "DomainId": found.domain, "DomainName": found.name,
            "AuthMode": found.auth_mode, "DefaultUserSettings": found.user_settings,
            "DefaultSpaceSettings": found.space_settings or None, "DomainSettings": found.settings or None,
            "Url": self._url(call, found.domain),
        }  # fmt: skip

    def list_domains(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListDomains."""
        found = [
            {
                **_moments(one), "DomainArn": self._arns.of(one.path), "DomainId": one.domain, "DomainName": one.name,
                "Url": self._url(call, one.domain),
            }
            for one in sorted(self._service.all(Domain), key=lambda one: one.created, reverse=True)
        ]  # fmt: skip
        return page(found, call.params, "Domains")

    def update_domain(self, params: Params) -> Mapping[str, Any]:
        """UpdateDomain."""
        return {"DomainArn": self._arns.of(self._service.update_domain(params).path)}

    def delete_domain(self, params: Params) -> Mapping[str, Any]:
        """DeleteDomain."""
        self._service.delete_domain(params["DomainId"])
        return {}

    # User profiles

    def create_profile(self, params: Params) -> Mapping[str, Any]:
        """CreateUserProfile."""
        return {"UserProfileArn": self._arns.of(self._service.create_profile(params).path)}

    def describe_profile(self, params: Params) -> Mapping[str, Any]:
        """DescribeUserProfile."""
        found = self._service.get(UserProfile, params["DomainId"], params["UserProfileName"])
        return {
            **_moments(found), "DomainId": found.domain, "UserProfileArn": self._arns.of(found.path),
            "UserProfileName": found.name, "UserSettings": found.settings or None,
            "SingleSignOnUserIdentifier": found.sso_identifier or None, "SingleSignOnUserValue": found.sso_value or None,
        }  # fmt: skip

    def list_profiles(self, params: Params) -> Mapping[str, Any]:
        """ListUserProfiles."""
        found = self._service.all(UserProfile, params.get("DomainIdEquals"))
        chosen = [
            {**_moments(one), "DomainId": one.domain, "UserProfileName": one.name}
            for one in _sorted(found, params)
            if params.get("UserProfileNameContains", "") in one.name
        ]
        return page(chosen, params, "UserProfiles")

    def update_profile(self, params: Params) -> Mapping[str, Any]:
        """UpdateUserProfile."""
        return {"UserProfileArn": self._arns.of(self._service.update_profile(params).path)}

    def delete_profile(self, params: Params) -> Mapping[str, Any]:
        """DeleteUserProfile."""
        self._service.delete_profile(params["DomainId"], params["UserProfileName"])
        return {}

    def presign(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreatePresignedDomainUrl."""
        origin = self._site.origin(call.call.host, secure=call.call.secure)
        return {"AuthorizedUrl": f"{origin}/_studio/auth?token={self._sessions.presign(call.call)}"}

    # Spaces

    def create_space(self, params: Params) -> Mapping[str, Any]:
        """CreateSpace."""
        return {"SpaceArn": self._arns.of(self._service.create_space(params).path)}

    def describe_space(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DescribeSpace."""
        found = self._service.get(Space, call.params["DomainId"], call.params["SpaceName"])
        url = f"{self._url(call, found.domain)}/{found.owner}/{found.name}/" if found.private else None
        return {
            **_moments(found), "DomainId": found.domain, "SpaceArn": self._arns.of(found.path), "SpaceName": found.name,
            "SpaceSettings": found.settings or None, "SpaceDisplayName": found.display_name or None, "Url": url,
            **_ownership(found, ""),
        }  # fmt: skip

    def list_spaces(self, params: Params) -> Mapping[str, Any]:
        """ListSpaces."""
        found = self._service.all(Space, params.get("DomainIdEquals"))
        chosen = [
            {
                **_moments(one), "DomainId": one.domain, "SpaceName": one.name, **_ownership(one, "Summary"),
                "SpaceSettingsSummary": {"AppType": JUPYTERLAB}, "SpaceDisplayName": one.display_name or None,
            }
            for one in _sorted(found, params)
            if params.get("SpaceNameContains", "") in one.name
        ]  # fmt: skip
        return page(chosen, params, "Spaces")

    def update_space(self, params: Params) -> Mapping[str, Any]:
        """UpdateSpace."""
        return {"SpaceArn": self._arns.of(self._service.update_space(params).path)}

    def delete_space(self, params: Params) -> Mapping[str, Any]:
        """DeleteSpace: the home directory goes with it."""
        self._apps.forget_home(self._service.delete_space(params["DomainId"], params["SpaceName"]))
        return {}

    # Apps

    def create_app(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreateApp."""
        return {"AppArn": self._arns.of(self._apps.create(call.call).path)}

    def describe_app(self, params: Params) -> Mapping[str, Any]:
        """DescribeApp."""
        _, domain, key = app_path(params).split("/", 2)
        found = self._service.get(App, domain, key)
        return {
            "AppArn": self._arns.of(found.path), "AppType": found.type, "AppName": found.name, "DomainId": found.domain,
            "SpaceName": found.space, "Status": found.status, "CreationTime": _moment(found.created),
            "LastUserActivityTimestamp": _moment(self._apps.active(found)), "FailureReason": found.failure or None,
            "ResourceSpec": found.resource_spec or None,
        }  # fmt: skip

    def list_apps(self, params: Params) -> Mapping[str, Any]:
        """ListApps."""
        chosen = [
            {
                "DomainId": one.domain, "SpaceName": one.space, "AppType": one.type, "AppName": one.name,
                "Status": one.status, "CreationTime": _moment(one.created), "ResourceSpec": one.resource_spec or None,
            }
            for one in _sorted(self._apps.listed(params.get("DomainIdEquals")), params)
            if params.get("SpaceNameEquals", one.space) == one.space and not params.get("UserProfileNameEquals")
        ]  # fmt: skip
        return page(chosen, params, "Apps")

    def delete_app(self, params: Params) -> Mapping[str, Any]:
        """DeleteApp."""
        if params["AppType"] != JUPYTERLAB or not params.get("SpaceName"):
            raise ResourceNotFound(f"App {params['AppName']} was not found.")
        self._apps.delete(params["DomainId"], params["SpaceName"], params["AppName"])
        return {}

    # Tags

    def add_tags(self, params: Params) -> Mapping[str, Any]:
        """AddTags."""
        tags = self._service.tag(self._arns.path(params["ResourceArn"]), names.tags_of(params["Tags"]))
        return {"Tags": _tag_list(tags)}

    def delete_tags(self, params: Params) -> Mapping[str, Any]:
        """DeleteTags."""
        self._service.tag(self._arns.path(params["ResourceArn"]), {}, frozenset(params["TagKeys"]))
        return {}

    def list_tags(self, params: Params) -> Mapping[str, Any]:
        """ListTags."""
        found = self._service.tagged(self._arns.path(params["ResourceArn"]))
        return page(_tag_list(found.tags), params, "Tags")

    def _url(self, call: AuthorizedCall, domain: str) -> str:
        return f"{self._site.origin(call.call.host, secure=call.call.secure)}/_studio/{domain}"


_ABSENT = (
    "CreateNotebookInstance", "DeleteNotebookInstance", "DescribeNotebookInstance", "UpdateNotebookInstance",
    "StartNotebookInstance", "StopNotebookInstance", "CreatePresignedNotebookInstanceUrl",
    "CreateNotebookInstanceLifecycleConfig", "DeleteNotebookInstanceLifecycleConfig",
    "DescribeNotebookInstanceLifecycleConfig", "UpdateNotebookInstanceLifecycleConfig",
)  # fmt: skip
"""Notebook instances have no person and are not offered. The policies are asked first, so that a denial is told as one."""


def _absent(name: str, rules: Rules) -> Operation:
    def refuse(call: AuthorizedCall) -> Mapping[str, Any]:
        raise NotImplementedOperation(f"Lakewarden does not implement sagemaker:{call.call.operation}; use Studio.")

    return Operation(
        name, refuse, rules.on_notebook_instance(f"sagemaker:{name}"), read_only=name.startswith("Describe")
    )


def operations(handlers: Handlers, rules: Rules) -> Operations:
    """SageMaker's operations; the others of the service answer NotImplemented by name."""

    def path(kind: str, member: str) -> Callable[[Any], str]:
        return lambda call: f"{kind}/{call.params['DomainId']}/{call.params[member]}"

    new_domain = rules.creating("sagemaker:CreateDomain", lambda _: "domain/*")
    new_profile = rules.creating("sagemaker:CreateUserProfile", path("user-profile", "UserProfileName"))
    new_space = rules.creating("sagemaker:CreateSpace", path("space", "SpaceName"))
    of_url = rules.on_profile("sagemaker:CreatePresignedDomainUrl")
    return table_of(
        *(_absent(name, rules) for name in _ABSENT),
        Operation("CreateDomain", handlers.create_domain, new_domain, read_only=False),
        Operation(
            "DescribeDomain", handlers.describe_domain, rules.on_domain("sagemaker:DescribeDomain"), read_only=True
        ),
        Operation("ListDomains", handlers.list_domains, rules.listing("sagemaker:ListDomains"), read_only=True),
        _plain("UpdateDomain", handlers.update_domain, rules.on_domain),
        _plain("DeleteDomain", handlers.delete_domain, rules.on_domain),
        Operation("CreateUserProfile", _with(handlers.create_profile), new_profile, read_only=False),
        _plain("DescribeUserProfile", handlers.describe_profile, rules.on_profile, read=True),
        _plain("ListUserProfiles", handlers.list_profiles, rules.listing, read=True),
        _plain("UpdateUserProfile", handlers.update_profile, rules.on_profile),
        _plain("DeleteUserProfile", handlers.delete_profile, rules.on_profile),
        Operation("CreatePresignedDomainUrl", handlers.presign, of_url, read_only=False, hidden=_HIDDEN),
        Operation("CreateSpace", _with(handlers.create_space), new_space, read_only=False),
        Operation("DescribeSpace", handlers.describe_space, rules.on_space("sagemaker:DescribeSpace"), read_only=True),
        _plain("ListSpaces", handlers.list_spaces, rules.listing, read=True),
        _plain("UpdateSpace", handlers.update_space, rules.on_space),
        _plain("DeleteSpace", handlers.delete_space, rules.on_space),
        Operation("CreateApp", handlers.create_app, rules.on_app("sagemaker:CreateApp"), read_only=False),
        _plain("DescribeApp", handlers.describe_app, rules.on_app, read=True),
        _plain("ListApps", handlers.list_apps, rules.listing, read=True),
        _plain("DeleteApp", handlers.delete_app, rules.on_app),
        _plain("AddTags", handlers.add_tags, rules.on_tags),
        _plain("DeleteTags", handlers.delete_tags, rules.on_tags),
        _plain("ListTags", handlers.list_tags, rules.on_tags, read=True),
    )


def _plain(name: str, do: Do, rule: Callable[[str], Rule], *, read: bool = False) -> Operation:
    return Operation(name, _with(do), rule(f"sagemaker:{name}"), read_only=read)


def _with(do: Do) -> Callable[[AuthorizedCall], Mapping[str, Any]]:
    return lambda call: do(call.params)


def page(items: Sequence[Any], params: Params, name: str) -> dict[str, Any]:
    """One page: the token is the position of the next item. Raises :class:`ValidationError` for a foreign token."""
    start = _position(params["NextToken"]) if params.get("NextToken") else 0
    end = start + params.get("MaxResults", 10 if name != "Tags" else 50)
    token = base64.urlsafe_b64encode(str(end).encode()).decode("ascii")
    return {name: list(items[start:end]), **({"NextToken": token} if end < len(items) else {})}


def _position(token: str) -> int:
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValidationError("Invalid NextToken.") from error
    if not text.isdigit() or len(text) > 9:
        raise ValidationError("Invalid NextToken.")
    return int(text)


def _sorted(found: Sequence[Resource], params: Params) -> list[Any]:
    by_change = params.get("SortBy") == "LastModifiedTime"
    newest_first = params.get("SortOrder", "Ascending") == "Descending"
    return sorted(found, key=lambda one: one.modified if by_change else one.created, reverse=newest_first)


def _moments(resource: Resource) -> dict[str, Any]:
    return {
        "Status": resource.status,
        "CreationTime": _moment(resource.created),
        "LastModifiedTime": _moment(resource.modified),
    }


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _ownership(space: Space, suffix: str) -> dict[str, Any]:
    if not space.owner:
        return {}
    return {
        f"OwnershipSettings{suffix}": {"OwnerUserProfileName": space.owner},
        f"SpaceSharingSettings{suffix}": {"SharingType": space.sharing},
    }


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
