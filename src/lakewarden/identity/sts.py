"""STS: temporary credentials, and who may have them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, own, table_of
from lakewarden.identity.directory import Directory
from lakewarden.identity.errors import PackedPolicyTooLarge, ValidationError
from lakewarden.identity.model import Role
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.service import tags_of
from lakewarden.identity.sessions import issue, seal
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.call import Call, PrincipalType, Session
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.errors import AccessDenied
from lakewarden.policy import CompiledPolicy, compile_policy

_HIDDEN = frozenset({"Credentials.SecretAccessKey", "Credentials.SessionToken"})
_PACKED_BYTES = 8192
_CHAINED = 3600


class TokenService:
    """Issues temporary credentials."""

    def __init__(self, directory: Directory, ring: KeyRing, account: str) -> None:
        self._directory = directory
        self._ring = ring
        self._account = account

    def role(self, arn: str) -> Role | None:
        """The role of that ARN, or None."""
        role = self._directory.role(arn.rpartition("/")[2])
        return role if role is not None and iam(self._account, role.resource) == arn else None

    def assume_rule(self, call: Call) -> Sequence[Access]:
        """AssumeRole: the trust policy must allow; TagSession and SetSourceIdentity too where they are used."""
        params = call.params
        role = self.role(params["RoleArn"])
        tags = tags_of(params.get("Tags"))
        context: dict[str, str | Sequence[str]] = {"sts:RoleSessionName": params["RoleSessionName"]}
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        if tags:
            context["aws:TagKeys"] = tuple(tags)
        for member, key in (
            ("ExternalId", "sts:ExternalId"),
            ("SourceIdentity", "sts:SourceIdentity"),
            ("TransitiveTagKeys", "sts:TransitiveTagKeys"),
        ):
            if params.get(member):
                context[key] = params[member]
        if role is not None:
            context |= {f"aws:ResourceTag/{key}": value for key, value in role.tags.items()}
            context |= {f"iam:ResourceTag/{key}": value for key, value in role.tags.items()}
        actions = ["sts:AssumeRole"]
        if tags or params.get("TransitiveTagKeys"):
            actions.append("sts:TagSession")
        if params.get("SourceIdentity"):
            actions.append("sts:SetSourceIdentity")
        # An absent role is asked about like one that trusts nobody: the answer is the same AccessDenied.
        trust = self._directory.trust(role) if role is not None else CompiledPolicy(Layer.RESOURCE, "none", ())
        return [
            Access(action, params["RoleArn"], context, trust, resource_policy_must_allow=True) for action in actions
        ]

    def assume_role(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """AssumeRole (STS API reference); raises ValidationError, PackedPolicyTooLarge, AccessDenied."""
        params, caller = call.params, call.call.principal
        role = self.role(params["RoleArn"])
        if role is None:
            raise AccessDenied(f"User: {caller.arn} is not authorized to perform: sts:AssumeRole")
        before = caller.session
        chained = before is not None and bool(before.role_id)
        seconds = params.get("DurationSeconds", 3600)
        if chained and seconds > _CHAINED:
            raise ValidationError(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        if not 900 <= seconds <= role.max_session:
            raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        policies, arns = self._session_policies(params)
        tags, transitive = _session_tags(params, before)
        source = params.get("SourceIdentity", "")
        if before is not None and before.source_identity:
            # INVARIANT: a source identity, once set, follows through every chained role and cannot be changed.
            if source and source != before.source_identity:
                raise AccessDenied("The source identity of the calling session cannot be changed.")
            source = before.source_identity
        session = Session(
            issued_at=call.call.at.replace(microsecond=0),
            expires_at=call.call.at.replace(microsecond=0) + timedelta(seconds=seconds),
            session_name=params["RoleSessionName"],
            role_arn=iam(self._account, role.resource),
            role_id=role.id,
            role_name=role.name,
            source_identity=source,
            tags=tags,
            transitive_tag_keys=transitive,
            policies=policies,
            policy_arns=arns,
        )
        assumed = str(Arn("sts", "", self._account, f"assumed-role/{role.name}/{session.session_name}"))
        return {
            "Credentials": self._credentials(session),
            "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{session.session_name}", "Arn": assumed},
            "PackedPolicySize": _packed(policies, arns, tags),
            **({"SourceIdentity": source} if source else {}),
        }

    def session_token(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetSessionToken: the user's own rights, for a while."""
        seconds = call.params.get("DurationSeconds", 43200)
        session = self._user_session(call, seconds, 129600)
        return {"Credentials": self._credentials(session, call.call.principal.name, call.call.principal.user_id)}

    def federation_token(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetFederationToken: what both the user and the given policies allow."""
        params, caller = call.params, call.call.principal
        policies, arns = self._session_policies(params)
        tags = tags_of(params.get("Tags"))
        seconds = params.get("DurationSeconds", 43200)
        session = self._user_session(
            call, seconds, 129600, session_name=params["Name"], policies=policies, policy_arns=arns, tags=tags
        )
        arn = str(Arn("sts", "", self._account, f"federated-user/{params['Name']}"))
        return {
            "Credentials": self._credentials(session, caller.name, caller.user_id),
            "FederatedUser": {"FederatedUserId": f"{self._account}:{params['Name']}", "Arn": arn},
            "PackedPolicySize": _packed(policies, arns, tags),
        }

    def _user_session(self, call: AuthorizedCall, seconds: int, longest: int, **fields: Any) -> Session:
        caller = call.call.principal
        if caller.type is not PrincipalType.USER or caller.session is not None:
            raise AccessDenied("Cannot call this operation with session credentials")
        if not 900 <= seconds <= longest:
            raise ValidationError(f"DurationSeconds must be between 900 and {longest}.")
        start = call.call.at.replace(microsecond=0)
        return Session(issued_at=start, expires_at=start + timedelta(seconds=seconds), **fields)

    def _session_policies(self, params: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        policies = (params["Policy"],) if params.get("Policy") else ()
        for document in policies:
            compile_policy(document, layer=Layer.SESSION, name="inline:session")
        arns = tuple(one["arn"] for one in params.get("PolicyArns") or ())
        for arn in arns:
            if self._directory.managed(arn, Layer.SESSION) is None:
                raise ValidationError(f"PolicyArns: {arn} does not exist.")
        return policies, arns

    def _credentials(self, session: Session, user: str = "", user_id: str = "") -> Mapping[str, Any]:
        made = issue(session, user, user_id)
        return {
            "AccessKeyId": made.key_id,
            "SecretAccessKey": made.secret,
            "SessionToken": seal(self._ring, made),
            "Expiration": session.expires_at,
        }


def _session_tags(params: Mapping[str, Any], before: Session | None) -> tuple[dict[str, str], tuple[str, ...]]:
    tags = tags_of(params.get("Tags"))
    inherited = {key: before.tags[key] for key in before.transitive_tag_keys} if before is not None else {}
    # INVARIANT (no_escalation): a tag that the calling session passes on cannot be overridden.
    clash = {key.lower() for key in tags} & {key.lower() for key in inherited}
    if clash:
        raise ValidationError("One or more tags conflict with transitive tags of the calling session.")
    transitive = tuple(dict.fromkeys((*inherited, *(params.get("TransitiveTagKeys") or ()))))
    missing = [key for key in transitive if key not in tags and key not in inherited]
    if missing:
        raise ValidationError("The specified transitive tag key must be included in the requested tags.")
    merged = {**tags, **inherited}
    if len(merged) > 50:
        raise ValidationError("A session can have at most 50 tags.")
    return merged, transitive


def _packed(policies: Sequence[str], arns: Sequence[str], tags: Mapping[str, str]) -> int:
    """Percent of the space that session policies and tags may take; raises :class:`PackedPolicyTooLarge`."""
    size = sum(map(len, (*policies, *arns))) + sum(len(key) + len(value) for key, value in tags.items())
    if size > _PACKED_BYTES:
        raise PackedPolicyTooLarge(
            f"Packed size of session tags and policies is {size * 100 // _PACKED_BYTES}% of the limit."
        )
    return size * 100 // _PACKED_BYTES


async def _caller_identity(call: AuthorizedCall) -> Mapping[str, Any]:
    principal = call.call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def operations(service: TokenService, account: str) -> Operations:
    """STS's OPERATIONS table."""

    def key_info(call: AuthorizedCall) -> Mapping[str, Any]:  # noqa: ARG001 - every key here is this account's
        return {"Account": account}

    return table_of(
        Operation("GetCallerIdentity", _caller_identity, own, read_only=True),
        Operation("AssumeRole", service.assume_role, service.assume_rule, read_only=False, hidden=_HIDDEN),
        Operation("GetSessionToken", service.session_token, own, read_only=True, hidden=_HIDDEN),
        Operation(
            "GetFederationToken",
            service.federation_token,
            lambda call: (
                Access(
                    "sts:GetFederationToken",
                    str(Arn("sts", "", account, f"federated-user/{call.params['Name']}")),
                ),
            ),
            read_only=False,
            hidden=_HIDDEN,
        ),
        Operation("GetAccessKeyInfo", key_info, lambda _: (Access("sts:GetAccessKeyInfo"),), read_only=True),
    )
