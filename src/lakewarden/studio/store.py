"""Where Studio's resources and its sign-in tokens are kept: one row each, the value itself as a JSON document."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from lakewarden.state import METADATA, Database
from lakewarden.studio.model import App, Resource, Space, Token

SCOPE = "studio"
R = TypeVar("R", bound=Resource)

_resources = sa.Table(
    "studio_resources",
    METADATA,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("domain", sa.String(63), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_tokens = sa.Table(
    "studio_tokens",
    METADATA,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False, index=True),
    sa.Column("document", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Records:
    """Resources and tokens within one transaction."""

    connection: sa.Connection

    def get(self, kind: type[R], domain: str, key: str = "") -> R | None:
        """The resource, or None."""
        text = self.connection.execute(
            sa.select(_resources.c.document).where(
                _resources.c.kind == kind.kind, _resources.c.domain == domain, _resources.c.key == key
            )
        ).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=kind)

    def all(self, kind: type[R], domain: str | None = None) -> list[R]:
        """Every resource of a kind, of one domain or of all, by domain and name."""
        query = sa.select(_resources.c.document).where(_resources.c.kind == kind.kind)
        if domain is not None:
            query = query.where(_resources.c.domain == domain)
        rows = self.connection.execute(query.order_by(_resources.c.domain, _resources.c.key)).scalars()
        return [msgspec.json.decode(text, type=kind) for text in rows]

    def put(self, resource: Resource) -> None:
        """Insert or replace."""
        self.delete(resource)
        self.connection.execute(
            sa.insert(_resources).values(
                kind=resource.kind, domain=resource.domain, key=resource.key,
                document=msgspec.json.encode(resource).decode(),
            )
        )  # fmt: skip

    def delete(self, resource: Resource) -> None:
        """Remove the row."""
        self.connection.execute(
            sa.delete(_resources).where(
                _resources.c.kind == resource.kind,
                _resources.c.domain == resource.domain,
                _resources.c.key == resource.key,
            )
        )

    def spaces_of(self, domain: str, owner: str) -> list[Space]:
        """The spaces that a profile owns."""
        return [space for space in self.all(Space, domain) if space.owner == owner]

    def apps_on(self, space: Space) -> list[App]:
        """The apps that run on a space: one at most on a private one, one a person on a shared one."""
        return [app for app in self.all(App, space.domain) if app.space == space.name and app.lives]

    def apps_of(self, domain: str, profile: str) -> list[App]:
        """The apps that run as a profile's."""
        return [app for app in self.all(App, domain) if app.profile == profile and app.lives]

    def put_token(self, secret: str, kind: str, token: Token) -> None:
        """Remember a URL's or a cookie's secret by its hash: who reads the database cannot sign in with it."""
        document = msgspec.json.encode(token).decode()
        self.connection.execute(
            sa.insert(_tokens).values(hash=_hash(secret), kind=kind, expires=token.expires, document=document)
        )

    def token(self, secret: str, kind: str) -> Token | None:
        """What a secret stands for; expiry is the caller's to check."""
        text = self.connection.execute(
            sa.select(_tokens.c.document).where(_tokens.c.hash == _hash(secret), _tokens.c.kind == kind)
        ).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=Token)

    def spend_token(self, secret: str, kind: str) -> bool:
        """Delete a secret; False when somebody else was faster."""
        done = self.connection.execute(
            sa.delete(_tokens).where(_tokens.c.hash == _hash(secret), _tokens.c.kind == kind)
        )
        return done.rowcount == 1

    def forget_tokens(self, before: int) -> None:
        """Delete what expired before ``before`` (epoch seconds)."""
        self.connection.execute(sa.delete(_tokens).where(_tokens.c.expires < before))


class StudioStore:
    """Transactions over Studio's resources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[Records]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Records(connection)

    @contextmanager
    def write(self) -> Iterator[Records]:
        """A durable change; what was remembered of sessions is stale from its commit on."""
        with self._database.write(SCOPE) as connection:
            yield Records(connection)

    def version(self) -> int:
        """Moves with every write."""
        return self._database.version(SCOPE)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
