"""Identity providers."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, moment, operation, tag_list
from lakewarden.identity.errors import InvalidInput
from lakewarden.identity.model import OidcProvider, SamlProvider
from lakewarden.identity.providers import Providers
from lakewarden.identity.service import IdentityService, tags_of


def operations(service: IdentityService, providers: Providers) -> Sequence[Operation]:
    """The rows about OpenID Connect and SAML providers."""
    return (*_oidc(service, providers), *_saml(service, providers))


def _oidc(service: IdentityService, providers: Providers) -> Sequence[Operation]:
    member = "OpenIDConnectProviderArn"
    named = rules.by_arn(service, OidcProvider, member)

    def create(params: Params) -> Mapping[str, Any]:
        provider = providers.create_oidc(
            params["Url"],
            params.get("ClientIDList") or (),
            params.get("ThumbprintList") or (),
            tags_of(params.get("Tags")),
        )
        return {member: providers.arn(provider), "Tags": tag_list(provider.tags) or None}

    def get(params: Params) -> Mapping[str, Any]:
        found = providers.oidc(params[member])
        return {
            "Url": found.name,
            "ClientIDList": list(found.clients),
            "ThumbprintList": list(found.thumbprints),
            "CreateDate": moment(found.created),
            "Tags": tag_list(found.tags) or None,
        }

    def everything(_: Params) -> Mapping[str, Any]:
        return {"OpenIDConnectProviderList": [{"Arn": providers.arn(one)} for one in providers.all_oidc()]}

    def row(name: str, do: Any, *, read: bool = False) -> Operation:
        return operation(name, named(f"iam:{name}"), do, read=read)

    creating = rules.create_as(service, lambda params: f"oidc-provider/{params['Url'].removeprefix('https://')}")
    return (
        operation("CreateOpenIDConnectProvider", creating, create),
        row("GetOpenIDConnectProvider", get, read=True),
        operation("ListOpenIDConnectProviders", rules.listing("iam:ListOpenIDConnectProviders"), everything, read=True),
        row("DeleteOpenIDConnectProvider", lambda params: providers.delete_oidc(params[member])),
        row(
            "AddClientIDToOpenIDConnectProvider",
            lambda params: providers.add_client(params[member], params["ClientID"]),
        ),
        row(
            "RemoveClientIDFromOpenIDConnectProvider",
            lambda params: providers.remove_client(params[member], params["ClientID"]),
        ),
        row(
            "UpdateOpenIDConnectProviderThumbprint",
            lambda params: providers.set_thumbprints(params[member], params["ThumbprintList"]),
        ),
    )


def _saml(service: IdentityService, providers: Providers) -> Sequence[Operation]:
    member = "SAMLProviderArn"
    named = rules.by_arn(service, SamlProvider, member)

    def metadata(params: Params) -> str:
        for name in ("AssertionEncryptionMode", "AddPrivateKey", "RemovePrivateKey"):
            if params.get(name):
                raise InvalidInput(f"{name} is not supported: assertions are not decrypted here.")
        if "SAMLMetadataDocument" not in params:
            raise InvalidInput("SAMLMetadataDocument is missing.")
        return str(params["SAMLMetadataDocument"])

    def create(params: Params) -> Mapping[str, Any]:
        provider = providers.create_saml(params["Name"], metadata(params), tags_of(params.get("Tags")))
        return {member: providers.arn(provider), "Tags": tag_list(provider.tags) or None}

    def get(params: Params) -> Mapping[str, Any]:
        found = providers.saml(params[member])
        return {
            "SAMLProviderUUID": found.id,
            "SAMLMetadataDocument": found.metadata,
            "CreateDate": moment(found.created),
            "ValidUntil": moment(found.valid_until) if found.valid_until else None,
            "Tags": tag_list(found.tags) or None,
        }

    def everything(_: Params) -> Mapping[str, Any]:
        answers = [
            {
                "Arn": providers.arn(one),
                "ValidUntil": moment(one.valid_until) if one.valid_until else None,
                "CreateDate": moment(one.created),
            }
            for one in providers.all_saml()
        ]
        return {"SAMLProviderList": answers}

    def update(params: Params) -> Mapping[str, Any]:
        providers.update_saml(params[member], metadata(params))
        return {member: params[member]}

    hidden = frozenset({"AddPrivateKey"})
    creating = rules.create_as(service, lambda params: f"saml-provider/{params['Name']}")
    return (
        Operation("CreateSAMLProvider", lambda call: create(call.params), creating, read_only=False, hidden=hidden),
        operation("GetSAMLProvider", named("iam:GetSAMLProvider"), get, read=True),
        operation("ListSAMLProviders", rules.listing("iam:ListSAMLProviders"), everything, read=True),
        Operation(
            "UpdateSAMLProvider",
            lambda call: update(call.params),
            named("iam:UpdateSAMLProvider"),
            read_only=False,
            hidden=hidden,
        ),
        operation(
            "DeleteSAMLProvider",
            named("iam:DeleteSAMLProvider"),
            lambda params: providers.delete_saml(params[member]),
        ),
    )
