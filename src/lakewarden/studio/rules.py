"""What Studio's operations ask of the policies (Service Authorization Reference, "Amazon SageMaker")."""

from collections.abc import Callable, Mapping, Sequence

from lakewarden.guard import Access, Rule
from lakewarden.kernel.call import Call, PrincipalType
from lakewarden.studio import names
from lakewarden.studio.model import App, Domain, Resource, Space, UserProfile
from lakewarden.studio.names import Arns
from lakewarden.studio.service import StudioService

Context = dict[str, str | Sequence[str]]
SERVICE = "sagemaker.amazonaws.com"


class Rules:
    """The rules over ``service``'s resources. They read it, and nothing else."""

    def __init__(self, service: StudioService, arns: Arns) -> None:
        self._service = service
        self._arns = arns

    def listing(self, action: str) -> Rule:
        """Listings have no resource of their own."""
        return lambda call: (Access(action, "*", self._caller(call)),)

    def on_domain(self, action: str) -> Rule:
        """A rule on the domain that DomainId names."""
        return lambda call: (self._on(call, action, f"domain/{call.params['DomainId']}"), *self._passed(call))

    def on_profile(self, action: str) -> Rule:
        """A rule on the profile that UserProfileName names."""
        return lambda call: (
            self._on(call, action, f"user-profile/{call.params['DomainId']}/{call.params['UserProfileName']}"),
            *self._passed(call),
        )

    def on_space(self, action: str) -> Rule:
        """A rule on the space that SpaceName names."""
        return lambda call: (self._on(call, action, f"space/{call.params['DomainId']}/{call.params['SpaceName']}"),)

    def on_app(self, action: str) -> Rule:
        """A rule on an app, whose space tells who owns it and how it is shared."""

        def rule(call: Call) -> Sequence[Access]:
            return self._tagged(call, self._on(call, action, app_path(call.params)))

        return rule

    def on_notebook_instance(self, action: str) -> Rule:
        """A rule on a notebook instance or its lifecycle configuration."""

        def rule(call: Call) -> Sequence[Access]:
            params = call.params
            kind = "notebook-instance-lifecycle-config" if "LifecycleConfig" in call.operation else "notebook-instance"
            name = params.get("NotebookInstanceName") or params.get("NotebookInstanceLifecycleConfigName") or ""
            return (Access(action, self._arns.of(f"{kind}/{name}"), self._caller(call)),)

        return rule

    def on_tags(self, action: str) -> Rule:
        """A rule on whatever ResourceArn names."""

        def rule(call: Call) -> Sequence[Access]:
            context: Context = {}
            if "TagKeys" in call.params:
                context["aws:TagKeys"] = tuple(call.params["TagKeys"])
            return (self._on(call, action, self._arns.path(call.params["ResourceArn"]), context),)

        return rule

    def creating(self, action: str, path: Callable[[Call], str]) -> Rule:
        """A rule on what is about to be; its tags are in the context and need sagemaker:AddTags."""

        def rule(call: Call) -> Sequence[Access]:
            return (*self._tagged(call, self._on(call, action, path(call))), *self._passed(call))

        return rule

    def _tagged(self, call: Call, access: Access) -> Sequence[Access]:
        if not call.params.get("Tags"):
            return (access,)
        # INVARIANT (no_escalation): tags decide who may open what, so nobody makes a resource with tags that she could
        # not add to it.
        return (access, Access("sagemaker:AddTags", access.resource, access.context))

    def _on(self, call: Call, action: str, path: str, more: Mapping[str, str | Sequence[str]] | None = None) -> Access:
        found = self._find(path)
        context: Context = {**self._caller(call), **_network(call.params), **(more or {})}
        tags = names.tags_of(call.params.get("Tags"))
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        if tags:
            context["aws:TagKeys"] = tuple(tags)
        if found is not None:
            for key, value in found.tags.items():
                context[f"aws:ResourceTag/{key}"] = value
                context[f"sagemaker:ResourceTag/{key}"] = value
        return Access(action, self._arns.of(path), {**context, **self._ownership(call, path)})

    def _find(self, path: str) -> Resource | None:
        kind, domain, *rest = path.split("/")
        kinds: Mapping[str, type[Resource]] = {one.kind: one for one in (Domain, UserProfile, Space, App)}
        return self._service.find(kinds[kind], domain, "/".join(rest))

    def _ownership(self, call: Call, path: str) -> Context:
        """Who owns the space in question, and how it is shared: as stored, or, for a new one, as asked."""
        kind, domain, *rest = path.split("/")
        if kind not in {"space", "app"} or not rest:
            return {}
        space = self._service.find(Space, domain, rest[0])
        if space is not None and call.operation != "CreateSpace":
            owner, sharing = space.owner, space.sharing
        elif kind == "space":
            owner = (call.params.get("OwnershipSettings") or {}).get("OwnerUserProfileName", "")
            sharing = (call.params.get("SpaceSharingSettings") or {}).get("SharingType", "")
        else:
            return {}
        context: Context = {}
        if sharing:
            context["sagemaker:SpaceSharingType"] = sharing
        if owner:
            context["sagemaker:OwnerUserProfileArn"] = self._arns.profile(domain, owner)
        return context

    def _caller(self, call: Call) -> Context:
        """The caller's own domain and profile: a Studio session's, or, as the console passes it, an IAM user's namesake."""
        session = call.principal.session
        if session is not None and session.studio_domain:
            return {"sagemaker:DomainId": session.studio_domain, "sagemaker:UserProfileName": session.studio_profile}
        domain = str(call.params.get("DomainId") or call.params.get("DomainIdEquals") or "")
        if call.principal.type is not PrincipalType.USER or not domain:
            return {}
        if self._service.find(UserProfile, domain, call.principal.name) is None:
            return {}
        return {"sagemaker:DomainId": domain, "sagemaker:UserProfileName": call.principal.name}

    def _passed(self, call: Call) -> Sequence[Access]:
        """INVARIANT (no_escalation): whoever gives Studio a role must be allowed to pass that role to it."""
        settings = (call.params.get(name) for name in ("DefaultUserSettings", "DefaultSpaceSettings", "UserSettings"))
        roles = names.execution_roles(*settings)
        return [Access("iam:PassRole", role, {"iam:PassedToService": SERVICE}) for role in dict.fromkeys(roles)]


def app_path(params: Mapping[str, object]) -> str:
    """``app/<domain>/<space or profile>/<type>/<name>``."""
    owner = params.get("SpaceName") or params.get("UserProfileName") or ""
    return f"app/{params['DomainId']}/{owner}/{params['AppType']}/{params['AppName']}"


def _network(params: Mapping[str, object]) -> Context:
    context: Context = {}
    if params.get("AppNetworkAccessType"):
        context["sagemaker:AppNetworkAccessType"] = str(params["AppNetworkAccessType"])
    subnets = params.get("SubnetIds")
    if isinstance(subnets, list):
        context["sagemaker:VpcSubnets"] = tuple(map(str, subnets))
    for member in ("DefaultUserSettings", "UserSettings"):
        settings = params.get(member)
        if not isinstance(settings, Mapping):
            continue
        if settings.get("SecurityGroups"):
            context["sagemaker:VpcSecurityGroupIds"] = tuple(settings["SecurityGroups"])
        sharing = settings.get("SharingSettings") or {}
        if sharing.get("S3KmsKeyId"):
            context["sagemaker:DomainSharingOutputKmsKey"] = sharing["S3KmsKeyId"]
    spec = params.get("ResourceSpec")
    if isinstance(spec, Mapping) and spec.get("InstanceType"):
        context["sagemaker:InstanceTypes"] = (str(spec["InstanceType"]),)
    return context
