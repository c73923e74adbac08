"""The keys of OpenID Connect issuers: from a file that the operator puts beside the server, or from the issuer itself.

A file ``oidc/<issuer without https://, percent-encoded>.json`` in the data directory is a JSON Web Key Set and stands
before the network. Otherwise the issuer's discovery document is fetched over HTTPS, certificates checked, redirects
refused, and kept for ten minutes.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from lakewarden.identity.errors import IdpCommunicationError
from lakewarden.identity.web_identity import Key

_SECONDS = 5.0
_MOST_BYTES = 512 * 1024
_FRESH_SECONDS = 600.0
_AGAIN_SECONDS = 30.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


def fetch(url: str) -> Any:
    """The JSON document at an HTTPS address; raises :class:`IdpCommunicationError`."""
    if not url.startswith("https://"):
        raise IdpCommunicationError("The identity provider's address is not HTTPS.")
    try:
        with urllib.request.build_opener(_NoRedirects).open(url, timeout=_SECONDS) as answer:
            return json.loads(answer.read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise IdpCommunicationError("The identity provider's keys cannot be fetched.") from error


class ProviderKeys:
    """Implements :class:`lakewarden.identity.web_identity.SigningKeys`."""

    def __init__(self, directory: Path, get: Callable[[str], Any] = fetch) -> None:
        self._directory = directory
        self._get = get
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Sequence[Key]]] = {}

    def keys(self, issuer: str, kid: str) -> Sequence[Key]:
        """The issuer's keys; raises :class:`IdpCommunicationError`."""
        file = self._directory / f"{quote(issuer.removeprefix('https://'), safe='')}.json"
        if file.is_file():
            return _keys_of(_read(file))
        with self._lock:
            held = self._held.get(issuer)
            age = time.monotonic() - held[0] if held is not None else _FRESH_SECONDS
            known = held is not None and (not kid or any(key.get("kid") == kid for key in held[1]))
            # A key that is not known may be new; a stranger's invention must not make us ask each time.
            if held is not None and age < (_FRESH_SECONDS if known else _AGAIN_SECONDS):
                return held[1]
            found = self._fetched(issuer)
            self._held[issuer] = (time.monotonic(), found)
            return found

    def _fetched(self, issuer: str) -> Sequence[Key]:
        discovery = self._get(f"{issuer}/.well-known/openid-configuration")
        address = discovery.get("jwks_uri") if isinstance(discovery, dict) else None
        if not isinstance(address, str) or discovery.get("issuer", "").rstrip("/") != issuer:
            raise IdpCommunicationError("The identity provider's discovery document is not its own.")
        return _keys_of(self._get(address))


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise IdpCommunicationError("The identity provider's key set cannot be read.") from error


def _keys_of(document: Any) -> Sequence[Key]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise IdpCommunicationError("The identity provider's key set is not a JSON Web Key Set.")
    return [key for key in keys if isinstance(key, dict)]
