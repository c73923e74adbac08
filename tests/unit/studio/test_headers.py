"""What passes between browser and notebook."""

import pytest

from lakewarden.studio.headers import cookie_of, own_cookie, to_browser, to_notebook, without_cookie

PROOF = ("X-Lakewarden-Proof", "p")
BASE = "/_studio/d-1/ann/s/"


def test_the_session_never_reaches_a_notebook() -> None:
    sent = [
        (b"Cookie", b"a=b; lakewarden-studio=secret; _xsrf=x"),
        (b"cookie", b"lakewarden-studio=secret"),
        (b"Host", b"h"),
    ]
    passed = to_notebook(sent, PROOF)
    assert (b"Cookie", b"a=b; _xsrf=x") in passed
    assert not any(b"secret" in value for _, value in passed)
    assert cookie_of(sent) == "secret"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Lakewarden-Proof", "x-lakewarden-other", "X-Forwarded-For", "Forwarded", "Upgrade", "TE"],
)
def test_a_browser_cannot_say_what_is_ours_to_say(name: str) -> None:
    assert to_notebook([(name.encode(), b"forged")], PROOF) == [(b"X-Lakewarden-Proof", b"p")]


def test_only_known_answer_headers_come_through() -> None:
    answered = [
        (b"Content-Type", b"text/html"),
        (b"Service-Worker-Allowed", b"/"),
        (b"Clear-Site-Data", b"*"),
        (b"X-New", b"x"),
    ]
    assert to_browser(answered, BASE) == [(b"content-type", b"text/html"), (b"referrer-policy", b"same-origin")]


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (b"a=b; Path=/; Domain=example.org; HttpOnly", b"a=b; HttpOnly; Path=/_studio/d-1/ann/s/"),
        (b"a=b", b"a=b; Path=/_studio/d-1/ann/s/"),
        (b"lakewarden-studio=x; Path=/", b""),
        (b"LAKEWARDEN-STUDIO =x", b""),
    ],
)
def test_a_notebooks_cookies_stay_on_its_path(given: bytes, passed: bytes) -> None:
    assert own_cookie(given, BASE) == passed


def test_cookies_that_only_look_like_ours_stay() -> None:
    assert without_cookie(b"xlakewarden-studio=1;lakewarden-studio=2; lakewarden-studio2=3") == (
        b"xlakewarden-studio=1; lakewarden-studio2=3"
    )
