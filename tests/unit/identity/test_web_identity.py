"""Tokens of OpenID Connect providers, and everybody who would like to have made one."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from lakewarden.identity.errors import (
    ExpiredIdentityToken,
    IdpCommunicationError,
    IdpRejectedClaim,
    InvalidIdentityToken,
)
from lakewarden.identity.jwks import ProviderKeys, fetch
from lakewarden.kernel.call import PrincipalType
from lakewarden.kernel.errors import AccessDenied
from tests.unit.identity.house import House, trust
from tests.unit.identity.tokens import Issuer, b64

ACTION = "sts:AssumeRoleWithWebIdentity"


class Site:
    """An issuer that the account knows, and a role that trusts it."""

    def __init__(self, house: House, **more: Any) -> None:
        self.house = house
        self.issuer = Issuer("https://id.example")
        house.signing.by_issuer[self.issuer.url] = list(self.issuer.public)
        self.arn = house.iam(house.admin, "CreateOpenIDConnectProvider", Url=self.issuer.url, ClientIDList=["lake"])[
            "OpenIDConnectProviderArn"
        ]
        self.role = house.role("web", trust({"Federated": self.arn}, **{"action": ACTION, **more}))

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = self.house.now.timestamp()
        return {"sub": "ann", "aud": "lake", "exp": now + 600, "iat": now, **changed}

    def assume(self, token: str, **params: Any) -> Any:
        return self.house.anonymous(
            "AssumeRoleWithWebIdentity", RoleArn=self.role, RoleSessionName="s", WebIdentityToken=token, **params
        )


@pytest.fixture
def site(house: House) -> Site:
    return Site(house)


@pytest.mark.parametrize("curve", [False, True])
def test_a_good_token_takes_the_role(site: Site, curve: bool) -> None:
    answer = site.assume(site.issuer.token(curve=curve, **site.claims()))
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"], answer["Provider"]) == ("ann", "lake", site.arn)
    principal = site.house.signed_in(answer)
    assert principal.type is PrincipalType.ASSUMED_ROLE
    assert principal.session is not None
    assert principal.session.provider == site.arn


def test_forged_tokens_take_nothing(site: Site) -> None:
    good = site.issuer.token(**site.claims())
    head, body, signature = good.split(".")
    other = Issuer(site.issuer.url)
    weak = Issuer(site.issuer.url, bits=1024)
    site.house.signing.by_issuer[site.issuer.url] += weak.public
    rsa_key = json.dumps(site.issuer.public[0]).encode()
    unsigned = b64(json.dumps({"alg": "none"}).encode())
    hs_head = b64(json.dumps({"alg": "HS256", "kid": site.issuer.kid}).encode())
    hs = b64(hmac.new(rsa_key, f"{hs_head}.{body}".encode(), hashlib.sha256).digest())
    forged = [
        "",
        "a.b.c",
        good + ".x",
        f"{head}.{body}.",
        f"{head}.{b64(json.dumps({**site.claims(sub='boss'), 'iss': site.issuer.url}).encode())}.{signature}",
        f"{unsigned}.{body}.",
        f"{hs_head}.{body}.{hs}",
        other.token(**site.claims()),
        other.token(header={"kid": site.issuer.kid}, **site.claims()),
        weak.token(**site.claims()),
        site.issuer.token(header={"alg": "ES256"}, **site.claims()),
        site.issuer.token(header={"crit": ["exp"]}, **site.claims()),
        site.issuer.token(curve=True, header={"alg": "RS256"}, **site.claims()),
        Issuer("https://evil.example").token(**site.claims()),
        f"{base64.b64encode(b'[1]').decode()}.{body}.{signature}",
        f"{b64(b'[' * 100000)}.{body}.{signature}",
    ]
    for token in forged:
        with pytest.raises(InvalidIdentityToken):
            site.assume(token)


def test_times_and_audiences_are_checked(site: Site) -> None:
    now = site.house.now.timestamp()
    for error, changed in (
        (ExpiredIdentityToken, {"exp": now}),
        (InvalidIdentityToken, {"exp": "tomorrow"}),
        (InvalidIdentityToken, {"exp": True}),
        (InvalidIdentityToken, {"exp": None}),
        (InvalidIdentityToken, {"nbf": now + 3600}),
        (InvalidIdentityToken, {"iat": now + 3600}),
        (InvalidIdentityToken, {"sub": ""}),
        (InvalidIdentityToken, {"sub": 7}),
        (IdpRejectedClaim, {"aud": "other"}),
        (IdpRejectedClaim, {"aud": ["other"]}),
        (IdpRejectedClaim, {"azp": "other"}),
    ):
        with pytest.raises(error):
            site.assume(site.issuer.token(**site.claims(**changed)))
    assert site.assume(site.issuer.token(**site.claims(aud=["other", "lake"])))["Audience"] == "lake"


def test_the_trust_policy_decides_by_the_claims(house: House) -> None:
    site = Site(
        house, Condition={"StringEquals": {"id.example:sub": "ann"}, "StringLike": {"id.example:aud": "other*"}}
    )
    with pytest.raises(AccessDenied):
        site.assume(site.issuer.token(**site.claims()))
    house.service.set_trust(
        "web",
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": trust(
                    {"Federated": site.arn},
                    ACTION,
                    Condition={
                        "StringEquals": {"id.example:sub": "ann"},
                        "ForAnyValue:StringEquals": {"id.example:amr": "otp"},
                    },
                ),
            }
        ),
    )
    assert site.assume(site.issuer.token(**site.claims(amr=["pwd", "otp"])))
    for changed in ({"sub": "eve", "amr": ["otp"]}, {"amr": ["pwd"]}, {}):
        with pytest.raises(AccessDenied):
            site.assume(site.issuer.token(**site.claims(**changed)))


def test_tags_and_source_identity_of_the_provider_need_their_rights(house: House) -> None:
    site = Site(house)
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}}
    source = {"https://aws.amazon.com/source_identity": "ann"}
    for claims, action in ((tags, "sts:TagSession"), (source, "sts:SetSourceIdentity")):
        with pytest.raises(AccessDenied, match=action):
            site.assume(site.issuer.token(**site.claims(**claims)))
    wide = trust({"Federated": site.arn}, [ACTION, "sts:TagSession", "sts:SetSourceIdentity"])
    house.service.set_trust("web", json.dumps({"Version": "2012-10-17", "Statement": wide}))
    session = house.signed_in(site.assume(site.issuer.token(**site.claims(**tags, **source)))).session
    assert session is not None
    assert (dict(session.tags), session.transitive_tag_keys, session.source_identity) == (
        {"team": "red"},
        ("team",),
        "ann",
    )
    with pytest.raises(InvalidIdentityToken, match="tags claim"):
        site.assume(site.issuer.token(**site.claims(**{"https://aws.amazon.com/tags": {"principal_tags": {"a": 1}}})))


def test_a_provider_that_is_deleted_is_believed_no_more(site: Site) -> None:
    token = site.issuer.token(**site.claims())
    assert site.assume(token)
    site.house.iam(site.house.admin, "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=site.arn)
    with pytest.raises(InvalidIdentityToken):
        site.assume(token)


def test_keys_are_given_by_a_file_or_fetched_and_kept(tmp_path: Path) -> None:
    asked: list[str] = []
    issuer = Issuer("https://id.example/a")

    def get(url: str) -> Any:
        asked.append(url)
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": issuer.url, "jwks_uri": "https://id.example/keys"}
        return {"keys": issuer.public}

    keys = ProviderKeys(tmp_path, get)
    assert keys.keys(issuer.url, issuer.kid) == issuer.public
    assert keys.keys(issuer.url, issuer.kid) == issuer.public
    assert keys.keys(issuer.url, "invented") == issuer.public
    assert len(asked) == 2
    (tmp_path / "id.example%2Fa.json").write_text('{"keys": []}')
    assert keys.keys(issuer.url, "") == []
    (tmp_path / "id.example%2Fa.json").write_text("[")
    with pytest.raises(IdpCommunicationError):
        keys.keys(issuer.url, "")
    with pytest.raises(IdpCommunicationError, match="not its own"):
        ProviderKeys(tmp_path, lambda _: {"issuer": "https://evil.example", "jwks_uri": "https://x"}).keys(
            "https://b", ""
        )
    with pytest.raises(IdpCommunicationError, match="not HTTPS"):
        fetch("file:///etc/passwd")
