"""Presigned URLs and the browser sessions that they open. Secrets are random, kept as hashes, and single-purpose."""

import secrets
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import ValidationError
from lakewarden.studio.errors import PageRefused
from lakewarden.studio.model import Signer, Space, Token, UserProfile
from lakewarden.studio.service import require
from lakewarden.studio.store import StudioStore

T = TypeVar("T")
_URL = "url"
_SESSION = "session"
_URL_SECONDS = 300
_SESSION_SECONDS = 43_200
_GONE = "This session has ended. Ask for a new presigned URL."
_SPENT = "This URL was used already, or was never one of ours. Ask for a new one."
_JUPYTER = "app:JupyterLab:"
_STUDIO = "studio::"


class Sessions:
    """Who is signed in. ``admit`` answers from memory while the store's version stands.

    INVARIANT (revocation_is_immediate): the version is compared on every request, so a deleted profile or space, or a
    sign-out, is in force on the next one, on every replica.
    """

    def __init__(self, store: StudioStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[int, dict[tuple[str, ...], object]] = (-1, {})

    def presign(self, call: Call) -> str:
        """CreatePresignedDomainUrl: the secret of a URL that signs one browser in, once."""
        params = call.params
        space, landing = params.get("SpaceName", ""), _landing(params.get("LandingUri", ""))
        now = self._now()
        with self._store.write() as records:
            profile = require(records, UserProfile, params["DomainId"], params["UserProfileName"])
            if space and not require(records, Space, profile.domain, space).opens_for(profile.name):
                raise ValidationError(f"The space {space} does not belong to {profile.name}.")
            secret = secrets.token_urlsafe(32)
            token = Token(
                domain=profile.domain, profile=profile.name, profile_id=profile.id, signer=_signer(call),
                expires=now + params.get("ExpiresInSeconds", _URL_SECONDS), space=space, landing=landing,
                session_seconds=params.get("SessionExpirationDurationInSeconds", _SESSION_SECONDS),
            )  # fmt: skip
            records.forget_tokens(now)
            records.put_token(secret, _URL, token)
        return secret

    def redeem(self, secret: str) -> tuple[str, Token]:
        """Sign a browser in: the cookie's secret, and what it stands for. Raises :class:`PageRefused`."""
        now = self._now()
        with self._store.read() as records:
            known = records.token(secret, _URL) is not None
        if not known:  # whoever guesses costs no write
            raise PageRefused(403, _SPENT)
        with self._store.write() as records:
            found = records.token(secret, _URL)
            # INVARIANT: single use. The row's deletion decides, so of two that come at once one is refused.
            if found is None or not records.spend_token(secret, _URL):
                raise PageRefused(403, _SPENT)
            if found.expires <= now:
                raise PageRefused(403, "This URL has expired. Ask for a new one.")
            profile = records.get(UserProfile, found.domain, found.profile)
            if profile is None or profile.id != found.profile_id:
                raise PageRefused(403, "The user profile of this URL does not exist any more.")
            cookie = secrets.token_urlsafe(32)
            session = Token(
                domain=found.domain, profile=found.profile, profile_id=found.profile_id, signer=found.signer,
                expires=now + found.session_seconds, space=found.space, landing=found.landing,
                session_seconds=found.session_seconds,
            )  # fmt: skip
            records.put_token(cookie, _SESSION, session)
        return cookie, session

    def admit(self, cookie: str, domain: str, profile: str, space: str = "") -> Token:
        """The session of a request for a profile's page, or for one of its spaces. Raises :class:`PageRefused`."""
        found = self._current(("token", cookie), lambda: self._token(cookie))
        if found is None or found.expires <= self._now():
            raise PageRefused(403, _GONE)
        # INVARIANT: a session opens its own profile and nothing else, however the path is written.
        if (found.domain, found.profile) != (domain, profile):
            raise PageRefused(403, "This session belongs to another user profile.")
        owner = self._current(("profile", domain, profile), lambda: self._profile(domain, profile))
        if owner is None or owner.id != found.profile_id:
            raise PageRefused(403, _GONE)
        if space:
            if found.space and found.space != space:
                raise PageRefused(403, f"This session is for the space {found.space} only.")
            there = self._current(("space", domain, space), lambda: self._space(domain, space))
            if there is None or not there.opens_for(profile):
                raise PageRefused(404, f"There is no space {space} of yours.")
        return found

    def sign_out(self, cookie: str) -> None:
        """End a session."""
        with self._store.write() as records:
            records.spend_token(cookie, _SESSION)

    def _token(self, cookie: str) -> Token | None:
        with self._store.read() as records:
            return records.token(cookie, _SESSION)

    def _profile(self, domain: str, name: str) -> UserProfile | None:
        with self._store.read() as records:
            return records.get(UserProfile, domain, name)

    def _space(self, domain: str, name: str) -> Space | None:
        with self._store.read() as records:
            return records.get(Space, domain, name)

    def _current(self, key: tuple[str, ...], load: Callable[[], T | None]) -> T | None:
        version = self._store.version()
        held, values = self._held
        if held != version:
            with self._lock:
                values = {}
                self._held = (version, values)
        if key not in values:
            found = load()
            if found is None:
                return None  # never remembered: whoever guesses fills no memory
            values[key] = found
        return cast("T", values[key])

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _landing(uri: str) -> str:
    """The path below the space that a LandingUri asks for; raises :class:`ValidationError` for other apps."""
    if not uri or uri == _STUDIO:
        return ""
    if not uri.startswith(_JUPYTER):
        raise ValidationError("LandingUri must be studio:: or app:JupyterLab:<path>.")
    path = uri.removeprefix(_JUPYTER).strip("/")
    if any(part in {".", ".."} or not part.isprintable() for part in path.split("/")) or set(path) & set("\\?#%:"):
        raise ValidationError("The path of LandingUri is not a plain relative path.")
    return path or "lab"


def _signer(call: Call) -> Signer:
    caller: Any = call.principal
    source = caller.session.source_identity if caller.session is not None else ""
    return Signer(
        type=caller.type.value, account=caller.account, arn=caller.arn, user_id=caller.user_id, name=caller.name,
        access_key_id=caller.access_key_id, source_identity=source,
    )  # fmt: skip
