"""STS: temporary credentials, and who may have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, on, own, table_of
from lakewarden.identity.directory import Directory
from lakewarden.identity.errors import ExpiredIdentityToken, PackedPolicyTooLarge, ValidationError
from lakewarden.identity.messages import decoded
from lakewarden.identity.mfa import MfaDevices
from lakewarden.identity.model import Role
from lakewarden.identity.saml import SamlIdentities, SamlIdentity
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.service import tags_of
from lakewarden.identity.sessions import issue, seal
from lakewarden.identity.web_identity import WebIdentities
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.errors import AccessDenied
from lakewarden.policy import CompiledPolicy, compile_policy

_HIDDEN = frozenset({"Credentials.SecretAccessKey", "Credentials.SessionToken", "TokenCode"})
_PACKED_BYTES = 8192
_CHAINED = 3600
_SHORTEST = 900


class TokenService:
    """Issues temporary credentials."""

    def __init__(
        self, directory: Directory, ring: KeyRing, account: str, web: WebIdentities, mfa: MfaDevices,
        saml: SamlIdentities,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._ring = ring
        self._account = account
        self._web = web
        self._mfa = mfa
        self._saml = saml

    def role(self, arn: str) -> Role | None:
        """The role of that ARN, or None."""
        role = self._directory.role(arn.rpartition("/")[2])
        return role if role is not None and iam(self._account, role.resource) == arn else None

    def assume_rule(self, call: Call) -> Sequence[Access]:
        """AssumeRole: the trust policy must allow; TagSession and SetSourceIdentity too where they are used."""
        params, before = call.params, call.principal.session
        source = before.source_identity if before is not None else ""
        asked = Wanted(
            tags_of(params.get("Tags")),
            tuple(params.get("TransitiveTagKeys") or ()),
            params.get("SourceIdentity") or source,
        )
        context: dict[str, str | Sequence[str]] = {}
        if params.get("ExternalId"):
            context["sts:ExternalId"] = params["ExternalId"]
        if _names_device(params):
            # Wrong codes are counted, which is all that this rule writes; the right one is used up by the handler.
            self._mfa.check(call.principal, params["SerialNumber"], params["TokenCode"])
            context |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
        return self._questions(call, "sts:AssumeRole", asked, context)

    def web_rule(self, call: Call) -> Sequence[Access]:
        """AssumeRoleWithWebIdentity: the trust policy must name the provider and accept its claims."""
        identity = self._web.verified(call.params["WebIdentityToken"], call.at)
        tags, transitive = identity.tags
        asked = Wanted(tags_of(tags), tuple(transitive), identity.source_identity)
        return self._questions(call, "sts:AssumeRoleWithWebIdentity", asked, identity.context)

    def web_principal(self, call: Call) -> Principal:
        """Who the token of an unsigned AssumeRoleWithWebIdentity proves the caller to be."""
        identity = self._web.verified(call.params["WebIdentityToken"], call.at)
        called = f"{identity.provider_arn}:{identity.audience}:{identity.subject}"
        return Principal(PrincipalType.WEB_IDENTITY_USER, self._account, "", called, identity.provider_arn)

    def saml_identity(self, call: Call) -> SamlIdentity:
        """What the assertion of an AssumeRoleWithSAML proves."""
        return self._saml.verified(call.params["PrincipalArn"], call.params["SAMLAssertion"], call.at)

    def saml_rule(self, call: Call) -> Sequence[Access]:
        """AssumeRoleWithSAML: the assertion must list the role, and the role's trust policy name the provider."""
        identity = self.saml_identity(call)
        # INVARIANT (no_escalation): a provider gives the roles that it lists, whatever else trusts it.
        if (call.params["RoleArn"], call.params["PrincipalArn"]) not in identity.roles:
            raise AccessDenied("Not authorized to perform sts:AssumeRoleWithSAML")
        asked = Wanted(tags_of(identity.tags), tuple(identity.transitive), identity.source_identity)
        return self._questions(
            call, "sts:AssumeRoleWithSAML", asked, identity.context, session_name=identity.session_name
        )

    def saml_principal(self, call: Call) -> Principal:
        """Who the assertion of an unsigned AssumeRoleWithSAML proves the caller to be."""
        identity = self.saml_identity(call)
        called = f"{identity.name_qualifier}:{identity.subject}"
        return Principal(PrincipalType.SAML_USER, self._account, "", called, identity.provider_arn)

    def _questions(
        self, call: Call, action: str, asked: "Wanted", context: Mapping[str, str | Sequence[str]],
        session_name: str = "",
    ) -> Sequence[Access]:  # fmt: skip
        role = self.role(call.params["RoleArn"])
        name = session_name or call.params["RoleSessionName"]
        keys = {**context, **asked.context, "sts:RoleSessionName": name}
        if role is not None:
            keys |= {f"aws:ResourceTag/{key}": value for key, value in role.tags.items()}
            keys |= {f"iam:ResourceTag/{key}": value for key, value in role.tags.items()}
        actions = [action]
        if asked.tags or asked.transitive:
            actions.append("sts:TagSession")
        if asked.source_identity:
            actions.append("sts:SetSourceIdentity")
        # An absent role is asked about like one that trusts nobody: the answer is the same AccessDenied.
        trust = self._directory.trust(role) if role is not None else CompiledPolicy(Layer.RESOURCE, "none", ())
        return [Access(one, call.params["RoleArn"], keys, trust, resource_policy_must_allow=True) for one in actions]

    def assume_role(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """AssumeRole (STS API reference); raises ValidationError, PackedPolicyTooLarge, AccessDenied."""
        params, before = call.params, call.call.principal.session
        if params.get("ProvidedContexts"):
            raise AccessDenied("ProvidedContexts is not supported: this server knows no such provider.")
        if before is not None and before.role_id and params.get("DurationSeconds", 3600) > _CHAINED:
            raise ValidationError(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        tags, transitive = _session_tags(tags_of(params.get("Tags")), params.get("TransitiveTagKeys") or (), before)
        source = params.get("SourceIdentity", "")
        if before is not None and before.source_identity:
            # INVARIANT: a source identity, once set, follows through every chained role and cannot be changed.
            if source and source != before.source_identity:
                raise AccessDenied("The source identity of the calling session cannot be changed.")
            source = before.source_identity
        if _names_device(params):
            self._mfa.use(call.call.principal, params["SerialNumber"], params["TokenCode"])
        return self._assumed(call, Wanted(tags, transitive, source))

    def assume_role_with_web_identity(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """AssumeRoleWithWebIdentity (STS API reference)."""
        identity = self._web.verified(call.params["WebIdentityToken"], call.call.at)
        written, keys = identity.tags
        tags, transitive = _session_tags(tags_of(written), keys, None)
        answer = self._assumed(call, Wanted(tags, transitive, identity.source_identity), identity.provider_arn)
        return {
            **answer,
            "SubjectFromWebIdentityToken": identity.subject,
            "Audience": identity.audience,
            "Provider": identity.provider_arn,
        }

    def assume_role_with_saml(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """AssumeRoleWithSAML (STS API reference): no longer than the session at the provider."""
        identity = self.saml_identity(call.call)
        tags, transitive = _session_tags(tags_of(identity.tags), identity.transitive, None)
        left = None
        if identity.until is not None:
            left = int((identity.until - call.call.at).total_seconds())
            if left < _SHORTEST:
                raise ExpiredIdentityToken("The session at the identity provider ends within 15 minutes.")
        answer = self._assumed(
            call, Wanted(tags, transitive, identity.source_identity), identity.provider_arn, identity.session_name, left
        )
        return {
            **answer,
            "Subject": identity.subject,
            "SubjectType": identity.subject_type or None,
            "Issuer": identity.issuer,
            "Audience": identity.audience,
            "NameQualifier": identity.name_qualifier,
        }

    def _assumed(
        self, call: AuthorizedCall, asked: "Wanted", provider: str = "", session_name: str = "", most: int | None = None
    ) -> dict[str, Any]:
        params = call.params
        role = self.role(params["RoleArn"])
        if role is None:
            raise AccessDenied(f"User: {call.call.principal.arn} is not authorized to perform: sts:AssumeRole")
        seconds = params.get("DurationSeconds", 3600)
        if most is not None:
            seconds = min(seconds, most)
        if not _SHORTEST <= seconds <= role.max_session:
            raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        policies, arns = self._session_policies(params)
        session = Session(
            issued_at=call.call.at.replace(microsecond=0),
            expires_at=call.call.at.replace(microsecond=0) + timedelta(seconds=seconds),
            session_name=session_name or params["RoleSessionName"],
            role_arn=iam(self._account, role.resource),
            role_id=role.id,
            role_name=role.name,
            source_identity=asked.source_identity,
            tags=asked.tags,
            transitive_tag_keys=asked.transitive,
            policies=policies,
            policy_arns=arns,
            provider=provider,
        )
        assumed = str(Arn("sts", "", self._account, f"assumed-role/{role.name}/{session.session_name}"))
        return {
            "Credentials": self._credentials(session),
            "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{session.session_name}", "Arn": assumed},
            "PackedPolicySize": _packed(policies, arns, asked.tags),
            **({"SourceIdentity": asked.source_identity} if asked.source_identity else {}),
        }

    def key_info(self, key_id: str) -> Mapping[str, Any]:
        """GetAccessKeyInfo: the account of a key; raises :class:`ValidationError` for a long-lived one that is not ours."""
        if not key_id.startswith("ASIA") and self._directory.key(key_id) is None:
            raise ValidationError("The access key id is not one of this account.")
        return {"Account": self._account}

    def decode(self, text: str) -> Mapping[str, Any]:
        """DecodeAuthorizationMessage."""
        return {"DecodedMessage": decoded(self._ring, text)}

    def session_token(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetSessionToken: the user's own rights, for a while."""
        mfa = _names_device(call.params)
        session = self._user_session(call, call.params.get("DurationSeconds", 43200), 129600, mfa=mfa)
        if mfa:
            self._mfa.use(call.call.principal, call.params["SerialNumber"], call.params["TokenCode"])
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


def _names_device(params: Mapping[str, Any]) -> bool:
    """Whether a call bears an MFA code; raises :class:`ValidationError` for half of it."""
    given = [bool(params.get(member)) for member in ("SerialNumber", "TokenCode")]
    if any(given) and not all(given):
        raise ValidationError("SerialNumber and TokenCode go together.")
    return all(given)


def _session_tags(
    tags: dict[str, str], transitive_keys: Sequence[str], before: Session | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    inherited = {key: before.tags[key] for key in before.transitive_tag_keys} if before is not None else {}
    # INVARIANT (no_escalation): a tag that the calling session passes on cannot be overridden.
    clash = {key.lower() for key in tags} & {key.lower() for key in inherited}
    if clash:
        raise ValidationError("One or more tags conflict with transitive tags of the calling session.")
    transitive = tuple(dict.fromkeys((*inherited, *transitive_keys)))
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new role session is to bear."""

    tags: Mapping[str, str]
    transitive: tuple[str, ...]
    source_identity: str

    @property
    def context(self) -> dict[str, str | Sequence[str]]:
        """The condition keys of a request for it."""
        keys: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{key}": value for key, value in self.tags.items()}
        if self.tags:
            keys["aws:TagKeys"] = tuple(self.tags)
        if self.transitive:
            keys["sts:TransitiveTagKeys"] = self.transitive
        if self.source_identity:
            keys["sts:SourceIdentity"] = self.source_identity
        return keys


async def _caller_identity(call: AuthorizedCall) -> Mapping[str, Any]:
    principal = call.call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def operations(service: TokenService, account: str) -> Operations:
    """STS's OPERATIONS table."""

    def key_info(call: AuthorizedCall) -> Mapping[str, Any]:
        return service.key_info(call.params["AccessKeyId"])

    def decode(call: AuthorizedCall) -> Mapping[str, Any]:
        return service.decode(call.params["EncodedMessage"])

    return table_of(
        Operation("GetCallerIdentity", _caller_identity, own, read_only=True),
        Operation("AssumeRole", service.assume_role, service.assume_rule, read_only=False, hidden=_HIDDEN),
        Operation(
            "AssumeRoleWithWebIdentity",
            service.assume_role_with_web_identity,
            service.web_rule,
            read_only=False,
            hidden=_HIDDEN | {"WebIdentityToken"},
            unsigned=True,
            identify=service.web_principal,
        ),
        Operation(
            "AssumeRoleWithSAML",
            service.assume_role_with_saml,
            service.saml_rule,
            read_only=False,
            hidden=_HIDDEN | {"SAMLAssertion"},
            unsigned=True,
            identify=service.saml_principal,
        ),
        Operation(
            "DecodeAuthorizationMessage",
            decode,
            on("sts:DecodeAuthorizationMessage"),
            read_only=True,
        ),
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
