"""What passes between a browser and a notebook, header by header. Pure.

INVARIANT (least_reach): a notebook's server is in its user's hands and shares an origin with other notebooks. Only the
answers' headers that JupyterLab needs come through: none that reaches beyond the notebook's own path.
"""

from collections.abc import Iterable

Pairs = list[tuple[bytes, bytes]]
COOKIE = "lakewarden-studio"

_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"expect",
    }
)  # fmt: skip
_ANSWERED = frozenset(
    {
        b"accept-ranges", b"allow", b"cache-control", b"content-disposition", b"content-encoding", b"content-language",
        b"content-length", b"content-range", b"content-security-policy", b"content-type", b"date", b"etag", b"expires",
        b"last-modified", b"location", b"retry-after", b"vary", b"www-authenticate", b"x-content-type-options",
    }
)  # fmt: skip


def to_notebook(headers: Iterable[tuple[bytes, bytes]], proof: tuple[str, str]) -> Pairs:
    """A browser's request headers as the notebook gets them: without our cookie, without anything that is ours to say."""
    passed: Pairs = []
    for name, value in headers:
        lowered = name.lower()
        if lowered in _HOP or lowered.startswith((b"x-lakewarden", b"x-forwarded", b"sec-websocket")):
            continue
        if lowered in {b"authorization", b"forwarded", b"x-real-ip"}:
            continue
        if lowered == b"cookie":
            value = without_cookie(value)
            if not value:
                continue
        passed.append((name, value))
    passed.append((proof[0].encode("ascii"), proof[1].encode("ascii")))
    return passed


def to_browser(headers: Iterable[tuple[bytes, bytes]], base: str) -> Pairs:
    """A notebook's answer headers as the browser gets them."""
    passed: Pairs = []
    for name, value in headers:
        lowered = name.lower()
        if lowered in _ANSWERED:
            passed.append((lowered, value))
        elif lowered == b"set-cookie":
            cookie = own_cookie(value, base)
            if cookie:
                passed.append((lowered, cookie))
    passed.append((b"referrer-policy", b"same-origin"))
    return passed


def without_cookie(value: bytes) -> bytes:
    """A Cookie header without our session."""
    kept = [part.strip() for part in value.split(b";") if part.partition(b"=")[0].strip() != COOKIE.encode()]
    return b"; ".join(part for part in kept if part)


def own_cookie(value: bytes, base: str) -> bytes:
    """A Set-Cookie of the notebook, bound to its own path; empty for one that would be ours."""
    first, *attributes = [part.strip() for part in value.split(b";")]
    if first.partition(b"=")[0].strip().lower() == COOKIE.encode():
        return b""
    kept = [one for one in attributes if one.partition(b"=")[0].strip().lower() not in {b"path", b"domain"}]
    return b"; ".join((first, *kept, b"Path=" + base.encode("ascii")))


def cookie_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Our session's secret in a request's headers; empty without one."""
    for name, value in headers:
        if name.lower() != b"cookie":
            continue
        for part in value.split(b";"):
            key, _, secret = part.strip().partition(b"=")
            if key == COOKIE.encode():
                return secret.decode("latin-1")
    return ""


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """The first value of a header (lower case); empty without one."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")
