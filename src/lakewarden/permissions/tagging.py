"""LF-tags: defining them, putting them on resources, finding resources by them, and named expressions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lakewarden.kernel.call import Principal
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import Table
from lakewarden.permissions.errors import (
    AlreadyExistsException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.permissions.facts import Facts
from lakewarden.permissions.grants import GrantService, check_expression, tag_values
from lakewarden.permissions.model import (
    ASSOCIATE,
    CREATE_LF_TAG,
    CREATE_LF_TAG_EXPRESSION,
    EVERY_VALUE,
    EXPRESSION_PERMISSIONS,
    TAG_PERMISSIONS,
    ColumnsResource,
    DatabaseResource,
    Expression,
    Grant,
    PolicyResource,
    Resource,
    TableResource,
    TagExpression,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.ports import CatalogView
from lakewarden.permissions.resolve import database_access, may_assign_tags, table_access
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore, Records
from lakewarden.permissions.tags import Assignment, DatabaseTags, Values, matches

_MOST_VALUES = 1000


@dataclass(frozen=True, slots=True)
class Tagged:
    """A database or table with the tags that the caller may know of; ``columns`` only those it may see."""

    database: str
    table: str
    on_database: Values
    on_table: Values
    on_columns: dict[str, Values]


class LakeTags:
    """LF-tags and named LF-tag expressions, under the permissions on them."""

    def __init__(self, store: PermissionStore, book: FactBook, grants: GrantService, catalog: CatalogView) -> None:
        self._store = store
        self._book = book
        self._grants = grants
        self._catalog = catalog

    # LF-tags themselves

    def create(self, by: Principal, key: str, values: Sequence[str]) -> None:
        """CreateLFTag; its creator holds all on it."""
        facts = self._facts(by)
        if not facts.administrator and not _holds(facts.on_catalog(), CREATE_LF_TAG):
            raise InsufficientPermissions("Create LF-Tag", "Catalog")
        with self._store.write() as records:
            if records.tag(key) is not None:
                raise AlreadyExistsException(f"Tag key {key} already exists.")
            records.put_tag(key, _checked_values(values))
            own = TagResource(key, (EVERY_VALUE,))
            records.put_grant(Grant(by.grantee_arn, own, TAG_PERMISSIONS, TAG_PERMISSIONS))

    def update(self, by: Principal, key: str, remove: Sequence[str], add: Sequence[str]) -> None:
        """UpdateLFTag; a value that is on a resource cannot be removed."""
        self._require(by, key, "ALTER", "Alter")
        with self._store.write() as records:
            present = tag_values(records, key)
            if not remove and not add:
                raise InvalidInputException("Values to add or to delete must be given.")
            for value in remove:
                if value not in present:
                    raise InvalidInputException(f"Tag value {value} does not exist.")
                if records.assigned(key, value):
                    raise InvalidInputException(f"Update not allowed: tag value {value} is assigned to a resource.")
            left = [one for one in present if one not in remove]
            records.put_tag(key, _checked_values([*left, *(one for one in add if one not in left)]))

    def delete(self, by: Principal, key: str) -> None:
        """DeleteLFTag, wherever it is assigned, with all grants on it and all policies that name it.

        The policies go, so that a tag that is made anew under the same key does not revive them.
        """
        self._require(by, key, "DROP", "Drop")
        with self._store.write() as records:
            tag_values(records, key)
            used = [one.name for one in records.expressions().values() if key in dict(one.expression)]
            if used:
                raise InvalidInputException(f"Tag key {key} is used by the LF-tag expression {used[0]}.")
            records.remove_tag(key)
            for grant in records.grants_of_kind("tag", "policy"):
                of = grant.resource
                named = of.key == key if isinstance(of, TagResource) else key in dict(getattr(of, "expression", ()))
                if named:
                    records.put_grant(Grant(grant.principal, of, frozenset(), frozenset()))

    def get(self, by: Principal, key: str) -> tuple[str, ...]:
        """GetLFTag: its values, as far as the caller may know them; hidden and absent are refused alike."""
        with self._store.read() as records:
            present = records.tag(key)
        known = _known(self._facts(by), key, present or ())
        if not known:
            if present is None and self._facts(by).sees_everything:
                raise EntityNotFoundException(f"Tag key {key} does not exist.")
            raise InsufficientPermissions("Describe", f"LF-Tag {key}")
        return known

    def listed(self, by: Principal) -> dict[str, tuple[str, ...]]:
        """ListLFTags: those that the caller may know of."""
        facts = self._facts(by)
        with self._store.read() as records:
            found = records.tags()
        return {key: known for key, values in found.items() if (known := _known(facts, key, values))}

    # On resources

    def assign(
        self, by: Principal, resource: Resource, tags: Sequence[tuple[str, Sequence[str]]]
    ) -> list[tuple[int, AwsError]]:
        """AddLFTagsToResource; answers the position and error of each tag that was not put on."""
        return self._each(by, resource, tags, remove=False)

    def unassign(
        self, by: Principal, resource: Resource, tags: Sequence[tuple[str, Sequence[str]]]
    ) -> list[tuple[int, AwsError]]:
        """RemoveLFTagsFromResource; the same."""
        return self._each(by, resource, tags, remove=True)

    def _each(
        self, by: Principal, resource: Resource, tags: Sequence[tuple[str, Sequence[str]]], *, remove: bool
    ) -> list[tuple[int, AwsError]]:
        if not isinstance(resource, DatabaseResource | TableResource | ColumnsResource) or (
            isinstance(resource, TableResource) and not resource.table
        ):
            raise InvalidInputException("LF-tags are for databases, tables and columns.")
        if isinstance(resource, ColumnsResource) and resource.wildcard:
            raise InvalidInputException("Columns must be named.")
        facts = self._book.facts(by.grantee_arn, resource.database)
        if not may_assign_tags(facts, resource):
            raise InsufficientPermissions("All with grant option", str(resource))
        failures: list[tuple[int, AwsError]] = []
        with self._store.write() as records:
            self._grants.check_resource(resource)
            for position, (key, values) in enumerate(tags):
                try:
                    self._assign(records, facts, resource, key, tuple(values), remove=remove)
                except AwsError as error:
                    failures.append((position, error))
        return failures

    def _assign(
        self, records: Records, facts: Facts, resource: Resource, key: str, values: tuple[str, ...], *, remove: bool
    ) -> None:
        if not facts.administrator and not _holds(facts.on_tag(key, values), ASSOCIATE):
            raise InsufficientPermissions("Associate", f"LF-Tag {key}")
        if len(values) != 1 or values[0] not in tag_values(records, key):
            raise InvalidInputException(f"Exactly one of the values of tag key {key} must be given.")
        database, table = getattr(resource, "database", ""), getattr(resource, "table", "")
        columns = resource.include if isinstance(resource, ColumnsResource) else ("",)
        for column in columns:
            one = Assignment(database, table, column, key, values[0])
            if not remove:
                records.assign(one)
            elif one in records.assignments(database):
                records.unassign(one)
            else:
                raise EntityNotFoundException(f"Tag {key}={values[0]} is not assigned to the resource.")

    def on_resource(self, by: Principal, resource: Resource, *, assigned_only: bool) -> Tagged:
        """GetResourceLFTags: inherited tags included unless only the assigned ones are asked for."""
        if isinstance(resource, DatabaseResource):
            if not database_access(self._book.facts(by.grantee_arn, resource.database), resource.database).visible:
                raise InsufficientPermissions("Describe", resource.database)
            self._grants.check_resource(resource)
            return self._tagged_database(by, resource.database)
        if not isinstance(resource, TableResource | ColumnsResource) or not resource.table:
            raise InvalidInputException("LF-tags are on databases, tables and columns.")
        table = self._catalog.found_table(resource.database, resource.table)
        found = None if table is None else self._tagged_table(by, table, assigned_only=assigned_only)
        if found is None:
            raise InsufficientPermissions("Describe", str(resource))
        if isinstance(resource, ColumnsResource) and not resource.wildcard:
            kept = {name: tags for name, tags in found.on_columns.items() if name in resource.include}
            return Tagged(found.database, found.table, found.on_database, found.on_table, kept)
        return found

    def search_databases(self, by: Principal, expression: Expression) -> Iterator[Tagged]:
        """SearchDatabasesByLFTags: visible databases whose known tags match."""
        for name in self._catalog.database_names():
            if not database_access(self._book.facts(by.grantee_arn, name), name).visible:
                continue
            found = self._tagged_database(by, name)
            if matches(expression, found.on_database):
                yield found

    def search_tables(self, by: Principal, expression: Expression) -> Iterator[Tagged]:
        """SearchTablesByLFTags: visible tables whose known tags match, or those of a visible column."""
        with self._store.read() as records:
            databases = records.tagged_databases()
        for database in sorted(databases):
            for name in self._catalog.table_names(database):
                table = self._catalog.found_table(database, name)
                found = None if table is None else self._tagged_table(by, table, assigned_only=False)
                if found is not None and (
                    matches(expression, found.on_table)
                    or any(matches(expression, tags) for tags in found.on_columns.values())
                ):
                    yield found

    def _tagged_database(self, by: Principal, database: str) -> Tagged:
        tags = self._tags(database)
        known = _knower(self._facts(by))
        return Tagged(database, "", known(tags.own), {}, {})

    def _tagged_table(self, by: Principal, table: Table, *, assigned_only: bool) -> Tagged | None:
        facts = self._book.facts(by.grantee_arn, table.database)
        access = table_access(facts, table)
        if not access.visible:
            return None
        tags, known = self._tags(table.database), _knower(facts)
        own_columns = tags.columns.get(table.name, {})
        columns = {
            name: known(own_columns.get(name, {}) if assigned_only else tags.on_column(table.name, name))
            for name in access.described
        }
        on_table = tags.tables.get(table.name, {}) if assigned_only else tags.on_table(table.name)
        # What the caller does not see a column of may be tagged, and stays out of the answer.
        return Tagged(
            table.database, table.name, known(tags.own), known(on_table),
            {name: found for name, found in columns.items() if found},
        )  # fmt: skip

    def _tags(self, database: str) -> DatabaseTags:
        with self._store.read() as records:
            return DatabaseTags.of(records.assignments(database))

    # Named expressions

    def create_expression(self, by: Principal, one: TagExpression) -> None:
        """CreateLFTagExpression; its creator holds all on it."""
        facts = self._facts(by)
        if not facts.administrator and not _holds(facts.on_catalog(), CREATE_LF_TAG_EXPRESSION):
            raise InsufficientPermissions("Create LF-Tag expression", "Catalog")
        with self._store.write() as records:
            check_expression(records, one.expression)
            if one.name in records.expressions():
                raise AlreadyExistsException(f"LF-tag expression {one.name} already exists.")
            records.put_expression(one)
            own = TagExpressionResource(one.name)
            records.put_grant(Grant(by.grantee_arn, own, EXPRESSION_PERMISSIONS, EXPRESSION_PERMISSIONS))

    def update_expression(self, by: Principal, one: TagExpression) -> None:
        """UpdateLFTagExpression.

        INVARIANT (no_escalation): a name that is granted on can be made to mean more; so only an administrator may change
        one on which there are policies.
        """
        facts = self._facts(by)
        if not facts.administrator and not _holds(facts.on_expression(one.name), "ALTER"):
            raise InsufficientPermissions("Alter", f"LF-tag expression {one.name}")
        with self._store.write() as records:
            if one.name not in records.expressions():
                raise EntityNotFoundException(f"LF-tag expression {one.name} does not exist.")
            if not facts.administrator and _used(records, one.name):
                raise InsufficientPermissions("data lake administrator", f"LF-tag expression {one.name}")
            check_expression(records, one.expression)
            records.put_expression(one)

    def delete_expression(self, by: Principal, name: str) -> None:
        """DeleteLFTagExpression; refused while permissions are granted with it."""
        facts = self._facts(by)
        if not facts.administrator and not _holds(facts.on_expression(name), "DROP"):
            raise InsufficientPermissions("Drop", f"LF-tag expression {name}")
        with self._store.write() as records:
            if name not in records.expressions():
                raise EntityNotFoundException(f"LF-tag expression {name} does not exist.")
            if _used(records, name):
                raise InvalidInputException(f"LF-tag expression {name} is used in grants.")
            records.remove_expression(name)
            for grant in records.grants_on(TagExpressionResource(name)):
                records.put_grant(Grant(grant.principal, grant.resource, frozenset(), frozenset()))

    def expression(self, by: Principal, name: str) -> TagExpression:
        """GetLFTagExpression; hidden and absent are refused alike."""
        found = self.expressions(by).get(name)
        if found is None:
            if self._facts(by).sees_everything:
                raise EntityNotFoundException(f"LF-tag expression {name} does not exist.")
            raise InsufficientPermissions("Describe", f"LF-tag expression {name}")
        return found

    def expressions(self, by: Principal) -> dict[str, TagExpression]:
        """ListLFTagExpressions: those that the caller may know of."""
        facts = self._facts(by)
        with self._store.read() as records:
            found = records.expressions()
        return {name: one for name, one in found.items() if facts.sees_everything or facts.on_expression(name)}

    def _facts(self, by: Principal) -> Facts:
        return self._book.facts(by.grantee_arn)

    def _require(self, by: Principal, key: str, permission: str, title: str) -> None:
        facts = self._facts(by)
        if not facts.administrator and not _holds(facts.on_tag(key, (EVERY_VALUE,)), permission):
            raise InsufficientPermissions(title, f"LF-Tag {key}")


def _checked_values(values: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(values))
    if not 1 <= len(kept) <= _MOST_VALUES or EVERY_VALUE in kept or not all(kept):
        raise InvalidInputException("A tag has 1 to 1000 values, none of them empty or *.")
    return kept


def _known(facts: Facts, key: str, values: Sequence[str]) -> tuple[str, ...]:
    """The values that the caller may know of: any permission on a value implies DESCRIBE."""
    if facts.sees_everything:
        return tuple(values)
    return tuple(value for value in values if facts.on_tag(key, (value,)))


def _knower(facts: Facts) -> Callable[[Values], Values]:
    """Reduces tags to those that the caller may know of."""
    return lambda tags: {key: value for key, value in tags.items() if _known(facts, key, (value,))}


def _used(records: Records, name: str) -> bool:
    return any(
        isinstance(grant.resource, PolicyResource) and grant.resource.named == name
        for grant in records.grants_of_kind("policy")
    )


def _holds(grants: Iterable[Grant], permission: str) -> bool:
    return any(permission in grant.permissions for grant in grants)
