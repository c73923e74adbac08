"""What is attached to catalog resources and decides in IAM: the account's Glue resource policy, and tags by ARN."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from lakewarden.catalog.errors import ConditionCheckFailureException, EntityNotFoundException, InvalidInputException
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, MalformedPolicyDocument, PolicyKind, compile_policy
from lakewarden.state import METADATA, Database, Snapshot

SCOPE = "glue-attached"
_MOST_TAGS = 50
_policies = sa.Table(
    "glue_resource_policies",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("updated", sa.String(40), nullable=False),
)
_tags = sa.Table(
    "glue_tags",
    METADATA,
    sa.Column("resource", sa.String(1024), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The account's Glue resource policy; ``compiled`` is what IAM evaluates."""

    document: str
    created: str
    updated: str
    compiled: CompiledPolicy

    @property
    def hash(self) -> str:
        """Glue's PolicyHash."""
        return hashlib.sha256(self.document.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Held:
    policy: ResourcePolicy | None
    tags: Mapping[str, Mapping[str, str]]


class Attached:
    """Read on every Glue decision, from memory while the version stands (revocation_is_immediate)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshot = Snapshot(database, SCOPE, self._load)

    def policy(self) -> ResourcePolicy | None:
        """The resource policy in force, or None."""
        return self._snapshot.current().policy

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of a resource."""
        return self._snapshot.current().tags.get(_resource(arn), {})

    def put_policy(self, document: str, now: str, expected: str, exists: str) -> str:
        """PutResourcePolicy; answers the hash. Raises InvalidInput or ConditionCheckFailure."""
        try:
            compiled = _compiled(document)
        except MalformedPolicyDocument as error:
            raise InvalidInputException(f"Invalid policy: {error.message}") from error
        with self._database.write(SCOPE) as connection:
            present = _read_policy(connection)
            _check(present, expected, exists)
            connection.execute(sa.delete(_policies))
            created = present.created if present is not None else now
            connection.execute(sa.insert(_policies).values(id=1, document=document, created=created, updated=now))
        return ResourcePolicy(document, now, now, compiled).hash

    def delete_policy(self, expected: str) -> None:
        """DeleteResourcePolicy."""
        with self._database.write(SCOPE) as connection:
            present = _read_policy(connection)
            if present is None:
                raise EntityNotFoundException("Policy not found.")
            _check(present, expected, "")
            connection.execute(sa.delete(_policies))

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        with self._database.write(SCOPE) as connection:
            resource = _resource(arn)
            held = connection.execute(sa.select(_tags.c.key).where(_tags.c.resource == resource)).scalars()
            if len({*held, *tags}) > _MOST_TAGS:
                raise InvalidInputException(f"A resource can have at most {_MOST_TAGS} tags.")
            _remove(connection, resource, tags)
            if tags:
                rows = [{"resource": resource, "key": key, "value": value} for key, value in tags.items()]
                connection.execute(sa.insert(_tags), rows)

    def untag(self, arn: str, keys: Iterable[str]) -> None:
        """Remove tags."""
        with self._database.write(SCOPE) as connection:
            _remove(connection, _resource(arn), keys)

    def _load(self) -> _Held:
        tags: dict[str, dict[str, str]] = {}
        with self._database.read() as connection:
            for resource, key, value in connection.execute(sa.select(_tags.c.resource, _tags.c.key, _tags.c.value)):
                tags.setdefault(resource, {})[key] = value
            return _Held(_read_policy(connection), tags)


def forget_tags(connection: sa.Connection, resource: str) -> None:
    """Remove all tags of a resource (``table/d/t``) that is gone, in the transaction that removes it."""
    connection.execute(sa.delete(_tags).where(_tags.c.resource == resource))


def _resource(arn: str) -> str:
    return arn.split(":", 5)[-1]


def _remove(connection: sa.Connection, resource: str, keys: Iterable[str]) -> None:
    connection.execute(sa.delete(_tags).where(_tags.c.resource == resource, _tags.c.key.in_(list(keys))))


def _read_policy(connection: sa.Connection) -> ResourcePolicy | None:
    row = connection.execute(sa.select(_policies)).mappings().one_or_none()
    if row is None:
        return None
    return ResourcePolicy(row["document"], row["created"], row["updated"], _compiled(row["document"]))


def _compiled(document: str) -> CompiledPolicy:
    return compile_policy(document, layer=Layer.RESOURCE, name="glue:ResourcePolicy", kind=PolicyKind.RESOURCE)


def _check(present: ResourcePolicy | None, expected: str, exists: str) -> None:
    if expected and (present is None or present.hash != expected):
        raise ConditionCheckFailureException("The policy hash does not match.")
    if exists == "MUST_EXIST" and present is None:
        raise ConditionCheckFailureException("The policy does not exist.")
    if exists == "NOT_EXIST" and present is not None:
        raise ConditionCheckFailureException("The policy exists already.")
