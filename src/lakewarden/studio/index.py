"""The package index that an operator lets notebooks read: its address, its pages, and what of them is passed on. Pure.

Pages are those of the simple repository API (PyPA, "Simple repository API"), as HTML or as JSON. What a notebook gets
is HTML of our own, in which every link leads back to us.
"""

import base64
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

PACKAGES: Final = "/_studio/packages/"
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]{0,254}")
_HASH = re.compile(r"(sha256|sha384|sha512|blake2b)=([0-9a-f]{32,128})")
_METADATA = ".metadata"


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """``root`` is the index's own address, with a slash at its end; ``origins`` are all that may be asked for files.

    ``authorization`` is sent to the index's own origin and to no other.
    """

    root: str
    origins: frozenset[str]
    authorization: str = field(default="", repr=False)

    def page(self, project: str) -> str:
        """The address of a project's page."""
        return f"{self.root}{normalized(project)}/"

    def credentials(self, address: str) -> str:
        """The Authorization header for an address; empty for none."""
        return self.authorization if origin_of(address) == origin_of(self.root) else ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that a project's page lists. ``digest`` is ``sha256=...`` or empty."""

    name: str
    address: str
    digest: str = ""
    requires_python: str = ""
    yanked: str | None = None
    metadata: str = ""
    """Empty when its metadata cannot be had alone, else their digest or ``true``."""


def index_of(address: str, hosts: Sequence[str] = ()) -> PackageIndex:
    """The index at ``address``, whose files may also lie at ``hosts`` (origins). Raises ``ValueError``.

    Plain HTTP only where nobody can stand in between: on this machine or a private network.
    """
    parts = urlsplit(address)
    origin = _origin(parts)
    others = [_origin(urlsplit(host)) for host in hosts]
    if parts.query or parts.fragment:
        raise ValueError("a package index's address has no query")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    return PackageIndex(f"{origin}{parts.path.rstrip('/')}/", frozenset({origin, *others}), authorization)


def origin_of(address: str) -> str:
    """``https://host:port`` of an address; empty for one that has none."""
    try:
        return _origin(urlsplit(address))
    except ValueError:
        return ""


def normalized(project: str) -> str:
    """A project's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


def is_project(name: str) -> bool:
    """Whether it could be a project's name."""
    return _PROJECT.fullmatch(name) is not None


def is_file(name: str) -> bool:
    """Whether it could be the name of a file that an index lists, or of its metadata."""
    return _FILE.fullmatch(name) is not None


def described(name: str) -> tuple[str, bool]:
    """The file that a name asks for, and whether only its metadata are asked for (PEP 658)."""
    return (name.removesuffix(_METADATA), True) if name.endswith(_METADATA) else (name, False)


def files(index: PackageIndex, address: str, kind: str, body: bytes) -> Mapping[str, File]:
    """What a page of the index at ``address`` lists, by name; raises ``ValueError`` for what is no page.

    INVARIANT (least_reach): a link that leads to any other place than the operator named is as if it were not there.
    """
    listed = _of_json(body) if kind.partition(";")[0].strip().endswith("json") else _of_html(body)
    found: dict[str, File] = {}
    for link, name, about in listed:
        target = _target(address, link)
        digest = _HASH.fullmatch(about["digest"])
        if is_file(name) and not name.endswith(_METADATA) and origin_of(target) in index.origins:
            found[name] = File(
                name, target.partition("#")[0], digest.group() if digest else "", about["requires"], about["yanked"],
                about["metadata"],
            )  # fmt: skip
    return found


def page(project: str, listed: Mapping[str, File]) -> str:
    """A project's page as a notebook gets it."""
    lines = "".join(_line(project, one) for one in listed.values())
    head = '<meta name="pypi:repository-version" content="1.1">'
    return f"<!doctype html><html><head>{head}<title>{escape(project)}</title></head><body>{lines}</body></html>"


def _target(address: str, link: str) -> str:
    try:
        return urljoin(address, link)
    except ValueError:
        return ""


def _line(project: str, one: File) -> str:
    link = f"{PACKAGES}files/{normalized(project)}/{quote(one.name)}" + (f"#{one.digest}" if one.digest else "")
    attributes = f' data-requires-python="{escape(one.requires_python)}"' if one.requires_python else ""
    attributes += f' data-yanked="{escape(one.yanked)}"' if one.yanked is not None else ""
    attributes += f' data-core-metadata="{escape(one.metadata)}"' if one.metadata else ""
    return f'<a href="{escape(link)}"{attributes}>{escape(one.name)}</a><br>\n'


def _origin(parts: SplitResult) -> str:
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in {"https", "http"} or not host or any(one.isspace() for one in host):
        raise ValueError("a package index's address has the form https://host/path/")
    if parts.scheme == "http" and not _is_near(host):
        raise ValueError("a package index that is not on this machine or a private network must be asked by https")
    standard = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in {None, standard} else "")


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or (address.is_private and not address.is_link_local and not address.is_unspecified)


def _of_json(body: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    try:
        document = json.loads(body)
        return [(one["url"], one["filename"], _about(one)) for one in document["files"]]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("the index's answer is no project page") from error


def _about(one: Mapping[str, Any]) -> dict[str, Any]:
    hashes = one.get("hashes") or {}
    name = "sha256" if "sha256" in hashes else next(iter(hashes), "")
    yanked = one.get("yanked", False)
    metadata = one.get("core-metadata") or one.get("data-dist-info-metadata") or ""
    return {
        "digest": f"{name}={hashes[name]}" if name else "",
        "requires": str(one.get("requires-python") or ""),
        "yanked": None if yanked is False else "" if yanked is True else str(yanked),
        "metadata": _digest_text(metadata),
    }


def _digest_text(metadata: Any) -> str:
    """``true``, or the digest of the metadata as HTML writes it."""
    if isinstance(metadata, Mapping) and "sha256" in metadata:
        return f"sha256={metadata['sha256']}"
    return "true" if metadata else ""


def _of_html(body: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    reader = _Links()
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    return reader.found


class _Links(HTMLParser):
    """The anchors of a page: link, file name, and what stands in their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One anchor."""
        given = dict(attrs)
        link = given.get("href")
        if tag != "a" or not link:
            return
        path, _, digest = link.partition("#")
        yanked = (given["data-yanked"] or "") if "data-yanked" in given else None
        about = {
            "digest": digest, "requires": given.get("data-requires-python") or "", "yanked": yanked,
            "metadata": given.get("data-core-metadata") or given.get("data-dist-info-metadata") or "",
        }  # fmt: skip
        self.found.append((path, unquote(path.partition("?")[0].rpartition("/")[2]), about))
