"""Identity providers: OpenID Connect (whose tokens STS verifies) and SAML (kept, validated, not yet spoken)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree

import msgspec

from lakewarden.identity.entities import checked_name, insert
from lakewarden.identity.errors import InvalidInput, LimitExceeded, NoSuchEntity
from lakewarden.identity.model import OidcProvider, SamlProvider
from lakewarden.identity.sessions import new_id
from lakewarden.identity.store import Identities, IdentityStore
from lakewarden.kernel.arn import iam
from lakewarden.kernel.clock import Clock

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[A-Za-z0-9._~%-]+)*")
_THUMBPRINT = re.compile(r"[0-9a-fA-F]{40}")
_MAX_CLIENTS = 100
_MAX_THUMBPRINTS = 5
_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"


class Providers:
    """The account's identity providers."""

    def __init__(self, store: IdentityStore, account: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._clock = clock

    def arn(self, provider: OidcProvider | SamlProvider) -> str:
        """The provider's ARN."""
        return iam(self._account, provider.resource)

    # OpenID Connect

    def create_oidc(
        self, url: str, clients: Sequence[str], thumbprints: Sequence[str], tags: Mapping[str, str]
    ) -> OidcProvider:
        """CreateOpenIDConnectProvider; raises InvalidInput, EntityAlreadyExists, LimitExceeded."""
        with self._store.write() as identities:
            provider = OidcProvider(
                name=_issuer(url), id=new_id("OIDC"), created=self._clock().isoformat(), tags=dict(tags),
                clients=_clients(clients), thumbprints=_thumbprints(thumbprints),
            )  # fmt: skip
            return insert(identities, provider)

    def oidc(self, arn: str) -> OidcProvider:
        """The provider; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return self._oidc(identities, arn)

    def all_oidc(self) -> list[OidcProvider]:
        """Every OpenID Connect provider."""
        with self._store.read() as identities:
            return identities.all(OidcProvider)

    def add_client(self, arn: str, client: str) -> None:
        """AddClientIDToOpenIDConnectProvider; adding one that is there changes nothing."""
        with self._store.write() as identities:
            found = self._oidc(identities, arn)
            identities.put(msgspec.structs.replace(found, clients=_clients((*found.clients, client))))

    def remove_client(self, arn: str, client: str) -> None:
        """RemoveClientIDFromOpenIDConnectProvider; removing one that is not there changes nothing."""
        with self._store.write() as identities:
            found = self._oidc(identities, arn)
            identities.put(msgspec.structs.replace(found, clients=tuple(one for one in found.clients if one != client)))

    def set_thumbprints(self, arn: str, thumbprints: Sequence[str]) -> None:
        """UpdateOpenIDConnectProviderThumbprint."""
        with self._store.write() as identities:
            found = self._oidc(identities, arn)
            identities.put(msgspec.structs.replace(found, thumbprints=_thumbprints(thumbprints)))

    def delete_oidc(self, arn: str) -> None:
        """DeleteOpenIDConnectProvider; as at AWS no error when it is gone."""
        with self._store.write() as identities:
            try:
                identities.delete(self._oidc(identities, arn))
            except NoSuchEntity:
                return

    # SAML

    def create_saml(self, name: str, metadata: str, tags: Mapping[str, str]) -> SamlProvider:
        """CreateSAMLProvider; raises :class:`InvalidInput` for metadata that no identity provider would publish."""
        valid_until = saml_validity(metadata)
        with self._store.write() as identities:
            provider = SamlProvider(
                name=checked_name(name, "name", 128), id=new_id("SAML"), created=self._clock().isoformat(),
                tags=dict(tags), metadata=metadata, valid_until=valid_until,
            )  # fmt: skip
            return insert(identities, provider)

    def saml(self, arn: str) -> SamlProvider:
        """The provider; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return self._saml(identities, arn)

    def all_saml(self) -> list[SamlProvider]:
        """Every SAML provider."""
        with self._store.read() as identities:
            return identities.all(SamlProvider)

    def update_saml(self, arn: str, metadata: str) -> None:
        """UpdateSAMLProvider."""
        valid_until = saml_validity(metadata)
        with self._store.write() as identities:
            found = self._saml(identities, arn)
            identities.put(msgspec.structs.replace(found, metadata=metadata, valid_until=valid_until))

    def delete_saml(self, arn: str) -> None:
        """DeleteSAMLProvider."""
        with self._store.write() as identities:
            identities.delete(self._saml(identities, arn))

    def _oidc(self, identities: Identities, arn: str) -> OidcProvider:
        found = identities.get(OidcProvider, arn.partition(":oidc-provider/")[2])
        if found is None or self.arn(found) != arn:
            raise NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")
        return found

    def _saml(self, identities: Identities, arn: str) -> SamlProvider:
        found = identities.get(SamlProvider, arn.rpartition("/")[2])
        if found is None or self.arn(found) != arn:
            raise NoSuchEntity(f"Manifest not found for arn {arn}")
        return found


def _issuer(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInput("Invalid Open ID Connect Provider URL") from error
    path = parts.path.removesuffix("/")
    right = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) and _PATH.fullmatch(path)
    if not right or parts.query or parts.fragment or len(url) > 255:
        raise InvalidInput("Invalid Open ID Connect Provider URL")
    return parts.netloc + path


def _clients(clients: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(clients))
    if len(kept) > _MAX_CLIENTS:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MAX_CLIENTS}")
    return kept


def _thumbprints(thumbprints: Sequence[str]) -> tuple[str, ...]:
    if len(thumbprints) > _MAX_THUMBPRINTS:
        raise LimitExceeded(f"Thumbprint list must contain fewer than {_MAX_THUMBPRINTS} entries.")
    if not all(_THUMBPRINT.fullmatch(one) for one in thumbprints):
        raise InvalidInput("A thumbprint is the 40 hexadecimal digits of a certificate's SHA-1.")
    return tuple(one.lower() for one in thumbprints)


def saml_validity(metadata: str) -> str:
    """The end of the metadata's validity, ISO 8601 or empty; raises :class:`InvalidInput`."""
    # INVARIANT: no document type, so no entity can be declared, expanded or fetched.
    if "<!DOCTYPE" in metadata or "<!ENTITY" in metadata:
        raise InvalidInput("Could not parse metadata: a document type is not allowed.")
    try:
        root = ElementTree.fromstring(metadata)  # noqa: S314 - without a document type there is nothing to expand
    except ElementTree.ParseError as error:
        raise InvalidInput("Could not parse metadata") from error
    certificate = root.find(f".//{_METADATA}IDPSSODescriptor//{_SIGNATURE}X509Certificate")
    if root.tag != f"{_METADATA}EntityDescriptor" or not root.get("entityID") or certificate is None:
        raise InvalidInput("Could not parse metadata: an EntityDescriptor with an IDPSSODescriptor and its certificate")
    until = root.get("validUntil", "")
    try:
        return datetime.fromisoformat(until).astimezone(UTC).isoformat() if until else ""
    except ValueError as error:
        raise InvalidInput("Could not parse metadata: validUntil is not a date") from error
