"""SAML 2.0 assertions, verified against the account's providers (SAML core; IAM User Guide, "Configure SAML assertions").

INVARIANT (no_escalation): nothing is read but what the signature covers, in the canonical form that was hashed. What else
the document holds (another assertion, comments within names, wrapped copies) does not exist.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from lakewarden.identity.errors import ExpiredIdentityToken, IdpRejectedClaim, InvalidIdentityToken, NoSuchEntity
from lakewarden.identity.providers import Providers
from lakewarden.kernel.errors import NotImplementedOperation

_LONGEST = 100_000
_SKEW = timedelta(minutes=5)
_P = "{urn:oasis:names:tc:SAML:2.0:protocol}"
_A = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_M = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_D = "{http://www.w3.org/2000/09/xmldsig#}"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
_ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
_RECIPIENT = re.compile(r"https://([a-z0-9-]+\.)?signin\.aws\.amazon\.com/saml")
_AUDIENCES = frozenset({"urn:amazon:webservices", "https://signin.aws.amazon.com/saml"})
_ENCODING = re.compile(r"""^\s*<\?xml[^>]*encoding\s*=\s*["']([^"']+)["']""")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SamlIdentity:
    """What a verified assertion says. ``roles`` are pairs of a role's and a provider's ARN."""

    provider_arn: str
    issuer: str
    subject: str
    subject_type: str
    audience: str
    name_qualifier: str
    session_name: str
    roles: frozenset[tuple[str, str]]
    tags: Sequence[Mapping[str, str]]
    transitive: Sequence[str]
    source_identity: str
    until: datetime | None

    @property
    def context(self) -> Mapping[str, str]:
        """The condition keys of a trust policy."""
        account, _, name = self.provider_arn.removeprefix("arn:aws:iam::").partition(":saml-provider/")
        return {
            "saml:aud": self.audience,
            "saml:iss": self.issuer,
            "saml:sub": self.subject,
            "saml:sub_type": self.subject_type,
            "saml:namequalifier": self.name_qualifier,
            "saml:doc": f"{account}/{name}",
        }


class SamlIdentities:
    """Verifies assertions."""

    def __init__(self, providers: Providers, account: str) -> None:
        self._providers = providers
        self._account = account

    def verified(self, provider_arn: str, assertion: str, now: datetime) -> SamlIdentity:
        """The identity; raises InvalidIdentityToken, ExpiredIdentityToken, IdpRejectedClaim or NotImplementedOperation."""
        try:
            provider = self._providers.saml(provider_arn)
        except NoSuchEntity as error:
            raise InvalidIdentityToken("The SAML provider does not exist.") from error
        if provider.valid_until and datetime.fromisoformat(provider.valid_until) <= now:
            raise ExpiredIdentityToken("The SAML provider's metadata has expired.")
        metadata = ElementTree.fromstring(provider.metadata)  # noqa: S314 - no document type was let in when it was stored
        signed = _signed(_document(assertion), _certificates(metadata))
        return self._read(_assertion(signed), provider_arn, metadata.get("entityID", ""), now)

    def _read(self, found: Any, provider_arn: str, entity: str, now: datetime) -> SamlIdentity:
        issuer = _text(found.find(f"{_A}Issuer"))
        if not entity or issuer != entity:
            raise InvalidIdentityToken("Issuer not present in specified provider")
        _check_conditions(found, now)
        subject = found.find(f"{_A}Subject")
        name = subject.find(f"{_A}NameID") if subject is not None else None
        if subject is None or not _text(name):
            raise InvalidIdentityToken("The assertion names no subject.")
        audience = _confirmed(subject, now)
        attributes = _attributes(found)
        session_name = _one(attributes, "RoleSessionName")
        if not _SESSION_NAME.fullmatch(session_name):
            raise InvalidIdentityToken("RoleSessionName is required in the assertion.")
        kind = name.get("Format", "") if name is not None else ""
        qualified = f"{issuer}{self._account}/{provider_arn.partition(':saml-provider/')[2]}"
        return SamlIdentity(
            provider_arn, issuer, _text(name), kind.removeprefix(_FORMAT), audience,
            base64.b64encode(hashlib.sha1(qualified.encode(), usedforsecurity=False).digest()).decode(), session_name,
            frozenset(pair for value in attributes.get("Role", ()) if (pair := _role(value)) is not None),
            [
                {"Key": key.removeprefix("PrincipalTag:"), "Value": _one(attributes, key)}
                for key in attributes
                if key.startswith("PrincipalTag:")
            ],
            attributes.get("TransitiveTagKeys", ()), _one(attributes, "SourceIdentity"), _session_end(found, now),
        )  # fmt: skip


def _document(text: str) -> bytes:
    try:
        body = base64.b64decode(text, validate=True)
        # INVARIANT: UTF-8 without a document type, so that nothing is declared, expanded or fetched, whoever parses it.
        plain = body.decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise InvalidIdentityToken("The assertion is not base64 of UTF-8.") from error
    declared = _ENCODING.search(plain[:200])
    if len(body) > _LONGEST or "<!" in plain.replace("<!--", "") or (declared and declared[1].lower() != "utf-8"):
        raise InvalidIdentityToken("The assertion is too long, or has a document type or another encoding.")
    return body


def _certificates(metadata: ElementTree.Element) -> Sequence[str]:
    """The provider's signing certificates, PEM."""
    found: list[str] = []
    for key in metadata.iterfind(f".//{_M}IDPSSODescriptor/{_M}KeyDescriptor"):
        if key.get("use", "signing") == "signing":
            for one in key.iterfind(f".//{_D}X509Certificate"):
                body = "".join((one.text or "").split())
                lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
                found.append(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    return found


def _signed(body: bytes, certificates: Sequence[str]) -> Any:
    """The element that one of the provider's keys signed: a Response, or an Assertion within one."""
    try:
        from lxml import etree  # type: ignore[import-untyped]
        from signxml.algorithms import SignatureMethod
        from signxml.exceptions import SignXMLException
        from signxml.verifier import SignatureConfiguration, XMLVerifier
    except ImportError as error:
        raise NotImplementedOperation(
            "AssumeRoleWithSAML is not implemented here: the server was installed without the extra 'saml'."
        ) from error
    methods = frozenset(
        one for one in SignatureMethod if one.name.startswith(("RSA_SHA", "ECDSA_SHA")) and "SHA1" not in one.name
    )
    config = SignatureConfiguration(location="./", expect_references=1, signature_methods=methods)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidIdentityToken("The assertion is not well-formed XML.") from error
    if root.tag != f"{_P}Response":
        raise InvalidIdentityToken("The assertion is not within a SAML Response.")
    status = root.find(f"{_P}Status/{_P}StatusCode")
    if status is None or status.get("Value") != _SUCCESS:
        raise IdpRejectedClaim("The identity provider reported that authentication failed.")
    for element in (root, *root.findall(f"{_A}Assertion")):
        if element.find(f"{_D}Signature") is None:
            continue
        # Taken out of its surroundings, so that a reference can only mean the element itself.
        alone = etree.fromstring(etree.tostring(element, with_tail=False), parser)
        for certificate in certificates:
            try:
                result = XMLVerifier().verify(alone, x509_cert=certificate, expect_config=config)
            except (SignXMLException, ValueError):
                continue
            signed = None if isinstance(result, list) else result.signed_xml
            if signed is not None and signed.tag == element.tag and signed.get("ID") == element.get("ID"):
                return signed
    raise InvalidIdentityToken("Response signature invalid")


def _assertion(signed: Any) -> Any:
    found = [signed] if signed.tag == f"{_A}Assertion" else signed.findall(f"{_A}Assertion")
    if len(found) != 1:
        raise InvalidIdentityToken("The response has not exactly one assertion.")
    return found[0]


def _check_conditions(found: Any, now: datetime) -> None:
    issued = _instant(found.get("IssueInstant"))
    if issued is None or not issued - _SKEW <= now < issued + _SKEW:
        raise ExpiredIdentityToken("Token must be redeemed within 5 minutes of issuance")
    conditions = found.find(f"{_A}Conditions")
    if conditions is None:
        raise InvalidIdentityToken("The assertion has no conditions.")
    after, until = _instant(conditions.get("NotBefore")), _instant(conditions.get("NotOnOrAfter"))
    if (after is not None and now < after - _SKEW) or (until is not None and now >= until):
        raise ExpiredIdentityToken("The assertion is not valid now.")
    audiences = [_text(one) for one in conditions.iterfind(f"{_A}AudienceRestriction/{_A}Audience")]
    if _AUDIENCES.isdisjoint(audiences):
        raise InvalidIdentityToken("The assertion is for another audience.")


def _confirmed(subject: Any, now: datetime) -> str:
    """The recipient of the bearer confirmation that holds now."""
    for one in subject.iterfind(f"{_A}SubjectConfirmation"):
        data = one.find(f"{_A}SubjectConfirmationData")
        if one.get("Method") != _BEARER or data is None:
            continue
        recipient, until = data.get("Recipient", ""), _instant(data.get("NotOnOrAfter"))
        if _RECIPIENT.fullmatch(recipient) and until is not None and now < until:
            return str(recipient)
    raise InvalidIdentityToken("The assertion is not confirmed for this recipient, or not any more.")


def _session_end(found: Any, now: datetime) -> datetime | None:
    ends = [_instant(one.get("SessionNotOnOrAfter")) for one in found.iterfind(f"{_A}AuthnStatement")]
    known = [end for end in ends if end is not None]
    if known and min(known) <= now:
        raise ExpiredIdentityToken("The session at the identity provider is over.")
    return min(known) if known else None


def _attributes(found: Any) -> dict[str, Sequence[str]]:
    """AWS's attributes without their prefix; one that stands twice would be ambiguous."""
    attributes: dict[str, Sequence[str]] = {}
    for one in found.iterfind(f"{_A}AttributeStatement/{_A}Attribute"):
        name = one.get("Name", "")
        if not name.startswith(_ATTRIBUTE):
            continue
        key = name.removeprefix(_ATTRIBUTE)
        if key in attributes:
            raise InvalidIdentityToken(f"The attribute {name[:200]} stands twice.")
        attributes[key] = tuple(_text(value) for value in one.iterfind(f"{_A}AttributeValue"))
    return attributes


def _one(attributes: Mapping[str, Sequence[str]], name: str) -> str:
    values = attributes.get(name, ())
    if len(values) > 1:
        raise InvalidIdentityToken(f"The attribute {name[:200]} has more than one value.")
    return values[0] if values else ""


def _role(value: str) -> tuple[str, str] | None:
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 2:
        return None
    role, provider = parts if ":role/" in parts[0] else reversed(parts)
    return (role, provider) if ":role/" in role and ":saml-provider/" in provider else None


def _text(element: Any) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidIdentityToken("The assertion holds a time that is none.") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


__all__ = ["SamlIdentities", "SamlIdentity"]
