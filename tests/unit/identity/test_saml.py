"""AssumeRoleWithSAML: assertions that are really signed, and everything that an attacker does with them."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree  # type: ignore[import-untyped]
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner

from lakewarden.identity.errors import ExpiredIdentityToken, IdpRejectedClaim, InvalidIdentityToken
from lakewarden.kernel.errors import AccessDenied
from tests.unit.identity.house import ACCOUNT, House, allow, trust

ISSUER = "https://idp.example/saml"
AWS = "https://signin.aws.amazon.com/saml"
ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
P, A = "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:2.0:assertion"
INVALID = pytest.raises(InvalidIdentityToken)


class Idp:
    """An identity provider with a key of its own."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example")])
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC)).sign(key, SHA256())
        )  # fmt: skip
        self.key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.certificate = certificate.public_bytes(Encoding.PEM).decode()
        body = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        self.metadata = (
            f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ISSUER}"><IDPSSODescriptor '
            'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">'
            '<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>'
            f"{body}</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
        )

    def sign(self, element: Any) -> Any:
        signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
        return signer.sign(element, key=self.key, cert=self.certificate, reference_uri=element.get("ID"))


IDP, OTHER = Idp(), Idp()


def assertion(now: datetime, role: str, provider: str, **said: Any) -> Any:
    """An unsigned Assertion."""

    def at(minutes: int) -> str:
        return (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    attributes = {"Role": [f"{role},{provider}"], "RoleSessionName": ["ann"], **said.pop("attributes", {})}
    listed = "".join(
        f'<Attribute Name="{ATTRIBUTES}{name}">'
        + "".join(f"<AttributeValue>{value}</AttributeValue>" for value in values) + "</Attribute>"
        for name, values in attributes.items()
    )  # fmt: skip
    text = (
        f'<Assertion xmlns="{A}" ID="{said.get("id", "_a1")}" IssueInstant="{said.get("issued", at(0))}" Version="2.0">'
        f"<Issuer>{said.get('issuer', ISSUER)}</Issuer><Subject>"
        f'<NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{said.get("subject", "ann@x")}</NameID>'
        '<SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData '
        f'NotOnOrAfter="{said.get("until", at(5))}" Recipient="{said.get("recipient", AWS)}"/></SubjectConfirmation>'
        f'</Subject><Conditions NotBefore="{at(-1)}" NotOnOrAfter="{at(5)}"><AudienceRestriction><Audience>'
        f"{said.get('audience', 'urn:amazon:webservices')}</Audience></AudienceRestriction></Conditions>"
        f'<AuthnStatement AuthnInstant="{at(0)}" SessionNotOnOrAfter="{said.get("session", at(600))}"/>'
        f"<AttributeStatement>{listed}</AttributeStatement></Assertion>"
    )
    return etree.fromstring(text)


def response(*inside: Any, status: str = "Success", identifier: str = "_r1") -> Any:
    root = etree.fromstring(
        f'<p:Response xmlns:p="{P}" ID="{identifier}" Version="2.0"><p:Status><p:StatusCode '
        f'Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></p:Status></p:Response>'
    )
    for one in inside:
        root.append(one)
    return root


def packed(document: Any) -> str:
    body = document if isinstance(document, bytes) else etree.tostring(document)
    return base64.b64encode(body).decode()


class Scene:
    def __init__(self, house: House) -> None:
        self.house = house
        admin = house.admin
        self.provider = house.iam(admin, "CreateSAMLProvider", Name="idp", SAMLMetadataDocument=IDP.metadata)[
            "SAMLProviderArn"
        ]
        self.role = house.role("saml", self.trust(), allow("s3:GetObject"))

    def trust(self, **more: Any) -> dict[str, Any]:
        actions = ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"]
        return trust({"Federated": self.provider}, actions, **more)

    def assertion(self, **said: Any) -> Any:
        return assertion(self.house.now, self.role, self.provider, **said)

    def assume(self, document: Any, **more: Any) -> Any:
        ask = {"RoleArn": self.role, "PrincipalArn": self.provider, "SAMLAssertion": packed(document)} | more
        return self.house.anonymous("AssumeRoleWithSAML", **ask)


@pytest.fixture
def scene(house: House) -> Scene:
    return Scene(house)


@pytest.mark.parametrize("whole", [False, True])
def test_a_signed_assertion_gives_a_session(scene: Scene, whole: bool) -> None:
    more = {"attributes": {"PrincipalTag:team": ["red"], "TransitiveTagKeys": ["team"], "SourceIdentity": ["ann"]}}
    plain = scene.assertion(**more)
    answer = scene.assume(IDP.sign(response(plain)) if whole else response(IDP.sign(plain)))
    assert (answer["Subject"], answer["SubjectType"], answer["Issuer"]) == ("ann@x", "persistent", ISSUER)
    assert (answer["Audience"], answer["SourceIdentity"]) == (AWS, "ann")
    who = scene.house.signed_in(answer)
    assert who.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/saml/ann"
    assert who.session is not None
    assert (who.session.tags, who.session.provider) == ({"team": "red"}, scene.provider)


def test_the_trust_policy_decides(scene: Scene) -> None:
    from lakewarden.identity.model import Role

    document = response(IDP.sign(scene.assertion()))
    scene.assume(document)

    def trusts(condition: dict[str, Any]) -> None:
        from tests.unit.identity.house import document as text

        scene.house.iam(
            scene.house.admin, "UpdateAssumeRolePolicy", RoleName="saml",
            PolicyDocument=text(scene.trust(Condition={"StringEquals": condition})),
        )  # fmt: skip

    trusts({"SAML:aud": AWS, "SAML:iss": ISSUER, "SAML:sub": "ann@x", "SAML:sub_type": "persistent",
            "SAML:doc": f"{ACCOUNT}/idp"})  # fmt: skip
    scene.assume(document)
    for key, value in (("SAML:aud", "https://else"), ("SAML:sub", "bob@x"), ("SAML:doc", f"{ACCOUNT}/other")):
        trusts({key: value})
        with pytest.raises(AccessDenied):
            scene.assume(document)
    assert scene.house.service.get(Role, "saml")
    # The assertion lists the role: another role that trusts the provider is not given.
    other = scene.house.role("other", scene.trust(), allow("*"))
    with pytest.raises(AccessDenied):
        scene.assume(document, RoleArn=other)


def forged(scene: Scene, name: str) -> Any:
    """Documents that no provider's key vouches for, made of what it once signed."""
    good = response(IDP.sign(scene.assertion()))
    signed = good.find(f"{{{A}}}Assertion")
    evil = scene.assertion(subject="admin@x", id="_evil", attributes={"RoleSessionName": ["admin"]})
    signature = signed.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    if name == "unsigned":
        return response(evil)
    if name == "another key":
        return response(OTHER.sign(evil))
    if name == "a changed name":
        signed.find(f".//{{{A}}}NameID").text = "admin@x"
    if name == "a changed role":
        signed.find(f".//{{{A}}}AttributeValue").text = f"arn:aws:iam::{ACCOUNT}:role/x,{scene.provider}"
    if name == "the signature moved":
        signed.remove(signature)
        evil.append(signature)
        return response(evil)
    if name == "the signed one within the signature":
        signed.remove(signature)
        holder = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
        holder.append(signed)
        evil.append(signature)
        return response(evil)
    if name == "the signed one within the evil one":
        evil.set("ID", "_a1")
        signed.remove(signature)
        evil.append(signature)
        etree.SubElement(evil, "{urn:x}Extension").append(signed)
        return response(evil)
    if name == "one id for two":
        evil.set("ID", "_a1")
        evil.insert(1, signature)
        return response(evil, signed)
    if name == "the signed one in an extension":
        root = response(evil)
        etree.SubElement(root, "{urn:x}Extension").append(signed)
        return root
    return good


@pytest.mark.parametrize(
    "name",
    [
        "unsigned", "another key", "a changed name", "a changed role", "the signature moved",
        "the signed one within the signature", "the signed one within the evil one", "one id for two",
        "the signed one in an extension",
    ],
)  # fmt: skip
def test_no_forgery_passes(scene: Scene, name: str) -> None:
    with INVALID:
        scene.assume(forged(scene, name))


def test_what_stands_beside_the_signed_one_is_not_read(scene: Scene) -> None:
    signed = IDP.sign(scene.assertion())
    evil = scene.assertion(subject="admin@x", id="_evil", attributes={"RoleSessionName": ["admin"]})
    for inside in ((evil, signed), (signed, evil)):
        answer = scene.assume(response(*(etree.fromstring(etree.tostring(one)) for one in inside)))
        assert (answer["Subject"], answer["AssumedRoleUser"]["Arn"][-4:]) == ("ann@x", "/ann")


def test_a_comment_does_not_shorten_a_name(scene: Scene) -> None:
    document = etree.tostring(response(IDP.sign(scene.assertion(subject="ann@x.evil"))))
    assert scene.assume(document.replace(b"ann@x.evil", b"ann@x<!-- -->.evil"))["Subject"] == "ann@x.evil"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"issuer": "https://other"}, InvalidIdentityToken),
        ({"audience": "https://other"}, InvalidIdentityToken),
        ({"recipient": "https://signin.aws.amazon.com.evil/saml"}, InvalidIdentityToken),
        ({"issued": "2026-05-01T11:50:00Z"}, ExpiredIdentityToken),
        ({"issued": "2026-05-01T12:10:00Z"}, ExpiredIdentityToken),
        ({"issued": "soon"}, InvalidIdentityToken),
        ({"until": "2026-05-01T12:00:00Z"}, InvalidIdentityToken),
        ({"session": "2026-05-01T12:00:00Z"}, ExpiredIdentityToken),
        ({"session": "2026-05-01T12:10:00Z"}, ExpiredIdentityToken),
        ({"subject": ""}, InvalidIdentityToken),
        ({"attributes": {"RoleSessionName": []}}, InvalidIdentityToken),
        ({"attributes": {"RoleSessionName": ["a b"]}}, InvalidIdentityToken),
        ({"attributes": {"RoleSessionName": ["ann", "admin"]}}, InvalidIdentityToken),
        ({"attributes": {"Role": []}}, AccessDenied),
        ({"attributes": {"Role": ["arn:aws:iam::111122223333:role/saml"]}}, AccessDenied),
        ({"attributes": {"PrincipalTag:a": ["1", "2"]}}, InvalidIdentityToken),
    ],
)
def test_what_is_signed_must_be_meant_for_us_now(scene: Scene, said: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        scene.assume(response(IDP.sign(scene.assertion(**said))))


def test_time_passes(scene: Scene) -> None:
    document = response(IDP.sign(scene.assertion()))
    scene.house.later(minutes=4)
    scene.assume(document)
    scene.house.later(minutes=1)
    with pytest.raises(ExpiredIdentityToken):
        scene.assume(document)


def test_a_session_ends_with_the_providers(scene: Scene) -> None:
    document = response(IDP.sign(scene.assertion(session="2026-05-01T12:30:00Z")))
    ends = scene.assume(document, DurationSeconds=3600)["Credentials"]["Expiration"]
    assert ends == datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def test_providers_are_not_taken_for_each_other(scene: Scene) -> None:
    house = scene.house
    theirs = house.iam(house.admin, "CreateSAMLProvider", Name="theirs", SAMLMetadataDocument=OTHER.metadata)
    document = response(OTHER.sign(scene.assertion()))
    with INVALID:
        scene.assume(document)
    with pytest.raises(AccessDenied):  # it is theirs, and lists a role for the first provider only
        scene.assume(document, PrincipalArn=theirs["SAMLProviderArn"])
    listed = assertion(house.now, scene.role, theirs["SAMLProviderArn"])
    with pytest.raises(AccessDenied):  # the role trusts the first provider only
        scene.assume(response(OTHER.sign(listed)), PrincipalArn=theirs["SAMLProviderArn"])
    house.iam(house.admin, "DeleteSAMLProvider", SAMLProviderArn=scene.provider)
    with INVALID:
        scene.assume(response(IDP.sign(scene.assertion())))


Make = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "make",
    [
        lambda body: b'<!DOCTYPE a [<!ENTITY b "c">]>' + body,
        lambda body: body.replace(b"ann@x", b"<![CDATA[ann@x]]>"),
        lambda body: body.decode().encode("utf-16"),
        lambda body: b'<?xml version="1.0" encoding="UTF-7"?>' + body,
        lambda body: body[:-5],
        lambda body: b"",
        lambda body: b"<a/>",
        lambda body: body + b" " * 200_000,
        lambda body: b"\xff" + body,
    ],
)
def test_no_other_document_is_read(scene: Scene, make: Make) -> None:
    with INVALID:
        scene.assume(make(etree.tostring(response(IDP.sign(scene.assertion())))))


def test_a_failed_sign_in_gives_nothing(scene: Scene) -> None:
    with pytest.raises(IdpRejectedClaim):
        scene.assume(response(IDP.sign(scene.assertion()), status="AuthnFailed"))
    with INVALID:
        scene.assume(IDP.sign(scene.assertion()))
    with INVALID:
        scene.house.anonymous(
            "AssumeRoleWithSAML", RoleArn=scene.role, PrincipalArn=scene.provider, SAMLAssertion="not base64"
        )
