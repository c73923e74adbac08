"""Presigned URLs and browser sessions: single use, expiry, and whom they open."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakewarden.kernel.errors import ValidationError
from lakewarden.state import Database
from lakewarden.studio.errors import PageRefused, ResourceInUse, ResourceNotFound
from lakewarden.studio.model import Domain
from lakewarden.studio.service import StudioService
from lakewarden.studio.sessions import Sessions
from lakewarden.studio.store import StudioStore
from lakewarden.studio.web import Site, find
from tests.unit.studio.furniture import ACCOUNT, Clock, call, database, service, user


@dataclass
class Studio:
    database: Database
    service: StudioService
    sessions: Sessions
    clock: Clock
    domain: str

    def url(self, profile: str = "ann", **more: object) -> str:
        params = {"DomainId": self.domain, "UserProfileName": profile, **more}
        return self.sessions.presign(call(user("ann"), "CreatePresignedDomainUrl", **params))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made, clock = database(tmp_path), Clock()
    store = StudioStore(made)
    studio = service(store, clock)
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    domain = studio.create_domain(
        {"DomainName": "lab", "AuthMode": "IAM", "DefaultUserSettings": {"ExecutionRole": role}}
    ).domain
    for name in ("ann", "bob"):
        studio.create_profile({"DomainId": domain, "UserProfileName": name})
        studio.create_space(
            {
                "DomainId": domain,
                "SpaceName": f"{name}s",
                "OwnershipSettings": {"OwnerUserProfileName": name},
                "SpaceSharingSettings": {"SharingType": "Private"},
            }
        )
    yield Studio(made, studio, Sessions(store, clock), clock, domain)
    made.close()


def test_a_url_is_used_once_and_its_secret_is_not_stored(studio: Studio, tmp_path: Path) -> None:
    secret = studio.url()
    cookie, token = studio.sessions.redeem(secret)
    assert (token.profile, token.signer.name) == ("ann", "ann")
    with pytest.raises(PageRefused, match="used already"):
        studio.sessions.redeem(secret)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in stored
    assert cookie.encode() not in stored


def test_a_url_is_no_cookie_and_a_cookie_no_url(studio: Studio) -> None:
    secret = studio.url()
    with pytest.raises(PageRefused):
        studio.sessions.admit(secret, studio.domain, "ann")
    cookie, _ = studio.sessions.redeem(secret)
    with pytest.raises(PageRefused):
        studio.sessions.redeem(cookie)


def test_urls_and_sessions_expire_on_the_second(studio: Studio) -> None:
    late, short = studio.url(), studio.url(ExpiresInSeconds=5)
    studio.clock.turn(5)
    with pytest.raises(PageRefused, match="expired"):
        studio.sessions.redeem(short)
    studio.clock.turn(294)
    cookie, _ = studio.sessions.redeem(late)
    studio.clock.turn(43_199)
    studio.sessions.admit(cookie, studio.domain, "ann")
    studio.clock.turn(1)
    with pytest.raises(PageRefused, match="ended"):
        studio.sessions.admit(cookie, studio.domain, "ann")


def test_a_session_opens_its_own_profile_and_spaces(studio: Studio) -> None:
    cookie, _ = studio.sessions.redeem(studio.url())
    studio.sessions.admit(cookie, studio.domain, "ann", "anns")
    for profile, space in (("bob", ""), ("bob", "bobs"), ("ann", "bobs"), ("ann", "none"), ("ANN", "")):
        with pytest.raises(PageRefused):
            studio.sessions.admit(cookie, studio.domain, profile, space)
    with pytest.raises(PageRefused):
        studio.sessions.admit(cookie, "d-other", "ann")


def test_revocation_is_immediate_for_browser_sessions(studio: Studio) -> None:
    cookie, _ = studio.sessions.redeem(studio.url())
    other, _ = studio.sessions.redeem(studio.url())
    studio.sessions.admit(cookie, studio.domain, "ann", "anns")
    studio.sessions.sign_out(cookie)
    with pytest.raises(PageRefused):
        studio.sessions.admit(cookie, studio.domain, "ann")
    studio.sessions.admit(other, studio.domain, "ann", "anns")
    studio.service.delete_space(studio.domain, "anns")
    with pytest.raises(PageRefused):
        studio.sessions.admit(other, studio.domain, "ann", "anns")
    pending = studio.url()
    studio.service.delete_profile(studio.domain, "ann")
    studio.service.create_profile({"DomainId": studio.domain, "UserProfileName": "ann"})
    with pytest.raises(PageRefused):
        studio.sessions.admit(other, studio.domain, "ann")
    with pytest.raises(PageRefused, match="does not exist"):
        studio.sessions.redeem(pending)


@pytest.mark.parametrize(
    "uri", ["app:RStudio:", "http://x", "app:JupyterLab:../x", "app:JupyterLab:a\\b", "app:JupyterLab:%2e"]
)
def test_a_landing_that_leads_elsewhere_is_refused(studio: Studio, uri: str) -> None:
    with pytest.raises(ValidationError):
        studio.url(LandingUri=uri)


def test_a_url_for_a_foreign_space_is_refused(studio: Studio) -> None:
    with pytest.raises(ValidationError, match="does not belong"):
        studio.url(SpaceName="bobs")
    with pytest.raises(ResourceNotFound):
        studio.url(SpaceName="none")


def test_things_are_deleted_from_the_leaves_up(studio: Studio) -> None:
    with pytest.raises(ResourceInUse, match="UserProfiles"):
        studio.service.delete_domain(studio.domain)
    with pytest.raises(ResourceInUse, match="spaces"):
        studio.service.delete_profile(studio.domain, "ann")
    for name in ("ann", "bob"):
        studio.service.delete_space(studio.domain, f"{name}s")
        studio.service.delete_profile(studio.domain, name)
    studio.service.delete_domain(studio.domain)
    with pytest.raises(ResourceNotFound):
        studio.service.get(Domain, studio.domain)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a/b", "a" * 64, "ä", "a b", "..", "a\n"])
def test_names_are_aws_names(studio: Studio, name: str) -> None:
    with pytest.raises(ValidationError):
        studio.service.create_profile({"DomainId": studio.domain, "UserProfileName": name})


def test_settings_that_make_no_sense_are_refused(studio: Studio) -> None:
    base = {
        "DomainName": "x",
        "AuthMode": "IAM",
        "DefaultUserSettings": {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/r"},
    }
    wrongs: tuple[dict[str, Any], ...] = (
        {"AuthMode": "LDAP"},
        {"DefaultUserSettings": {}},
        {"DefaultUserSettings": {"ExecutionRole": "arn:aws:iam::999999999999:role/r"}},
        {"AppNetworkAccessType": "VpcOnly"},
        {"AppNetworkAccessType": "Everything"},
        {"DomainSettings": {"ExecutionRoleIdentityConfig": "MAYBE"}},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            studio.service.create_domain({**base, **wrong})
    with pytest.raises(ResourceInUse):
        studio.service.create_domain({**base, "DomainName": "lab"})


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/_studio/d-1/ann/", ("d-1", "ann", "", "")),
        ("/_studio/d-1/ann/-/stop", ("d-1", "ann", "", "stop")),
        ("/_studio/d-1/ann/s/lab/tree/a%20b", ("d-1", "ann", "s", "")),
        ("/_studio/d-1/ann/s/", ("d-1", "ann", "s", "")),
    ],
)
def test_plain_paths_lead_somewhere(path: str, place: tuple[str, ...]) -> None:
    found = find(path)
    assert (found.domain, found.profile, found.space, found.action) == place


@pytest.mark.parametrize(
    "path",
    [
        "/_studio", "/_studio/", "/_studio/d-1", "/_studio/d-1/ann", "/_studio/D-1/ann/", "/_studio/d-1/a%6en/",
        "/_studio/d-1/ann/s", "/_studio/d-1/ann/s/..", "/_studio/d-1/ann/s/%2e%2e/x", "/_studio/d-1/ann/s/a%2f..%2fb",
        "/_studio/d-1/ann/s/a%5cb", "/_studio/d-1/ann/s/%00", "/_studio/d-1/ann/-/stop/x", "/_studio//ann/",
        "/_studio/d-1/ann/%73/x", "/_studio/d-1/../ann/", "/_studiox/d-1/ann/",
    ],
)  # fmt: skip
def test_other_paths_lead_nowhere(path: str) -> None:
    with pytest.raises(PageRefused):
        find(path)


def test_studio_has_an_origin_of_its_own() -> None:
    loopback, named = Site(), Site("https://studio.example.org")
    assert loopback.origin("127.0.0.1:7070", secure=False) == "http://localhost:7070"
    assert loopback.origin("[::1]:7070", secure=False) == "http://localhost:7070"
    assert [loopback.fits(host) for host in ("localhost:7070", "127.0.0.1:7070", "[::1]:7070")] == [True, False, False]
    assert loopback.is_studios("localhost:7070")
    assert not loopback.is_studios("127.0.0.1:7070")
    assert named.origin("lake.example.org", secure=True) == "https://studio.example.org"
    assert named.fits("studio.example.org")
    assert not named.fits("lake.example.org")
    assert named.is_studios("studio.example.org")
