"""GrantPermissions, RevokePermissions and ListPermissions."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from lakewarden.kernel.call import Principal
from lakewarden.permissions.errors import EntityNotFoundException, InsufficientPermissions, InvalidInputException
from lakewarden.permissions.facts import Facts
from lakewarden.permissions.model import (
    ALL,
    EVERY_VALUE,
    IAM_ALLOWED_PRINCIPALS,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Resource,
    TableResource,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.ports import CatalogView, Principals
from lakewarden.permissions.resolve import may_grant
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore, Records

Defaults = Sequence[Mapping[str, Any]] | None
"""CreateTableDefaultPermissions and its kind: AWS's list of PrincipalPermissions; None where nothing is said."""


class GrantService:
    """Who holds what, and who may change it."""

    def __init__(
        self, store: PermissionStore, book: FactBook, catalog: CatalogView, principals: Principals, account: str
    ) -> None:
        self._store = store
        self._book = book
        self._catalog = catalog
        self._principals = principals
        self._account = account

    def grant(self, by: Principal, wanted: Grant) -> None:
        """GrantPermissions; raises InvalidInputException, EntityNotFoundException or AccessDeniedException."""
        if not wanted.permissions:
            raise InvalidInputException("Permissions must be specified.")
        if not wanted.grantable <= wanted.permissions and ALL not in wanted.permissions:
            raise InvalidInputException("Grantable permissions must be among the permissions.")
        # Checked within the transaction: what is granted on cannot be dropped, nor the right to grant be revoked,
        # between the check and the writing.
        with self._store.write() as records:
            self._check(records, by, wanted)
            records.put_grant(merged(records, wanted))

    def revoke(self, by: Principal, wanted: Grant) -> None:
        """RevokePermissions. Revoking the grant option alone leaves the permission; nothing cascades."""
        if not wanted.permissions and not wanted.grantable:
            raise InvalidInputException("Permissions must be specified.")
        with self._store.write() as records:
            columns = self._check(records, by, wanted)
            if not _taken(records, wanted, columns):
                raise InvalidInputException(
                    "No permissions revoked. Grantee does not have the permissions on the resource."
                )

    def found(self, principal: str, resource: Resource | None, kinds: tuple[type[Resource], ...] | None) -> list[Grant]:
        """ListPermissions: each grant in the form in which it was made; empty arguments do not restrict."""
        with self._store.read() as records:
            grants = records.grants_of(principal) if principal else records.grants()
        return [
            grant
            for grant in grants
            if (resource is None or _concerns(grant.resource, resource))
            and (kinds is None or isinstance(grant.resource, kinds))
        ]

    def at(self, located: Iterable[tuple[str, str]]) -> list[Grant]:
        """GetEffectivePermissionsForPath: the grants on databases (with an empty table name) and tables."""
        databases = {database for database, table in located if not table}
        tables = {one for one in located if one[1]}
        with self._store.read() as records:
            return [grant for grant in records.grants() if _is_on(grant.resource, databases, tables)]

    def check_principal(self, principal: str) -> None:
        """Raise unless grants can be made to ``principal``."""
        if principal in {IAM_ALLOWED_PRINCIPALS, f"{self._account}:IAMPrincipals"}:
            return
        if not self._principals.exists(principal):
            raise InvalidInputException(f"Invalid principal, IAM user or role not found: {principal}")

    def check_resource(self, resource: Resource) -> tuple[str, ...]:
        """Raise unless ``resource`` exists; answers the table's columns."""
        if isinstance(resource, LocationResource):
            if not self._book.registered().covers(resource.arn):
                raise EntityNotFoundException(f"Resource not registered: {resource.arn}")
            return ()
        if isinstance(resource, DatabaseResource | TableResource | ColumnsResource):
            if not self._catalog.has_database(resource.database):
                raise EntityNotFoundException(f"Database not found: {resource.database}")
            if not isinstance(resource, DatabaseResource) and resource.table:
                return self._table_columns(resource)
        return ()

    def _table_columns(self, resource: TableResource | ColumnsResource) -> tuple[str, ...]:
        columns = self._catalog.column_names(resource.database, resource.table)
        if columns is None:
            raise EntityNotFoundException(f"Table not found: {resource.database}.{resource.table}")
        if isinstance(resource, ColumnsResource):
            unknown = [name for name in (*resource.include, *resource.exclude) if name not in columns]
            if unknown:
                raise EntityNotFoundException(f"Columns not found: {', '.join(unknown)}")
        return columns

    def _check(self, records: Records, by: Principal, wanted: Grant) -> tuple[str, ...]:
        """The permissions fit, the caller may, the names exist; answers the table's columns."""
        _check_form(wanted)
        # INVARIANT (non_interference): who may not grant is told so before anything is looked up for it, and learns
        # nothing about what exists.
        facts = self._book.facts(by.grantee_arn, getattr(wanted.resource, "database", ""))
        if not may_grant(facts, wanted, self._columns_known_to(facts, wanted.resource)):
            raise InsufficientPermissions("grantable permissions", str(wanted.resource))
        self.check_principal(wanted.principal)
        if isinstance(wanted.resource, FilterResource | TagResource | TagExpressionResource | PolicyResource):
            _check_restriction(records, wanted.resource)
            return ()
        return self.check_resource(wanted.resource)

    def _columns_known_to(self, facts: Facts, resource: Resource) -> tuple[str, ...]:
        if facts.administrator or not isinstance(resource, ColumnsResource):
            return ()
        return self._catalog.column_names(resource.database, resource.table) or ()


def _check_form(wanted: Grant) -> None:
    odd = (wanted.permissions | wanted.grantable) - wanted.resource.permissions
    if odd:
        raise InvalidInputException(f"Permissions modification is invalid: {', '.join(sorted(odd))}")
    of = wanted.resource
    if isinstance(of, ColumnsResource):
        if of.exclude and wanted.grantable:
            raise InvalidInputException("Grant option is not supported with excluded columns.")
        if wanted.principal == IAM_ALLOWED_PRINCIPALS:
            raise InvalidInputException("IAM_ALLOWED_PRINCIPALS cannot hold permissions on columns.")
    if wanted.principal == IAM_ALLOWED_PRINCIPALS and isinstance(
        of, FilterResource | TagResource | TagExpressionResource | PolicyResource
    ):
        raise InvalidInputException("IAM_ALLOWED_PRINCIPALS cannot hold permissions on filters or LF-tags.")
    if wanted.principal == IAM_ALLOWED_PRINCIPALS and wanted.grantable:
        raise InvalidInputException("IAM_ALLOWED_PRINCIPALS cannot hold the grant option.")


def _check_restriction(
    records: Records, of: FilterResource | TagResource | TagExpressionResource | PolicyResource
) -> None:
    """Raise unless the filter, tag, values or named expression exists."""
    if isinstance(of, FilterResource):
        if records.filter(of.database, of.table, of.name) is None:
            raise EntityNotFoundException(f"Data cells filter not found: {of.database}.{of.table}.{of.name}")
    elif isinstance(of, TagResource):
        check_expression(records, ((of.key, of.values),))
    elif isinstance(of, TagExpressionResource) or of.named:
        name = of.name if isinstance(of, TagExpressionResource) else of.named
        if name not in records.expressions():
            raise EntityNotFoundException(f"LF-tag expression {name} does not exist.")
    else:
        check_expression(records, of.expression)


def merged(records: Records, wanted: Grant) -> Grant:
    """``wanted`` together with what the principal holds on the very resource."""
    held: Iterable[Grant] = (one for one in records.grants_of(wanted.principal) if one.resource == wanted.resource)
    for one in held:
        return replace(
            wanted, permissions=one.permissions | wanted.permissions, grantable=one.grantable | wanted.grantable
        )
    return wanted


def _taken(records: Records, wanted: Grant, columns: tuple[str, ...]) -> bool:
    """Take ``wanted`` from what its principal holds; answers whether it held any of it."""
    for held in records.grants_of(wanted.principal):
        if held.resource == wanted.resource:
            if not held.permissions & wanted.permissions and not held.grantable & wanted.grantable:
                return False
            left = held.permissions - wanted.permissions
            records.put_grant(replace(held, permissions=left, grantable=(held.grantable - wanted.grantable) & left))
            return True
    of = wanted.resource
    return isinstance(of, ColumnsResource) and _take_columns(records, wanted, of, columns)


def _take_columns(records: Records, wanted: Grant, resource: ColumnsResource, columns: tuple[str, ...]) -> bool:
    """Take columns from grants that were made with a longer list; answers whether there were any."""
    touched = False
    for held in records.grants_of(wanted.principal):
        of = held.resource
        if not isinstance(of, ColumnsResource) or (of.database, of.table) != (resource.database, resource.table):
            continue
        taken = resource.among(columns) & of.among(columns)
        if not taken or not held.permissions & wanted.permissions:
            continue
        touched = True
        records.put_grant(replace(held, permissions=frozenset()))
        left = _without(held, of, tuple(name for name in columns if name in of.among(columns) - taken), taken, resource)
        if left is not None:
            records.put_grant(merged(records, left))
    return touched


def _without(
    held: Grant, of: ColumnsResource, kept: tuple[str, ...], taken: frozenset[str], revoked: ColumnsResource
) -> Grant | None:
    """``held`` less some columns; None when nothing is left.

    A wildcard that is revoked takes the columns to come as well, so that only named ones stay. A wildcard that begins to
    exclude loses the grant option, as there is none with an exclude list.
    """
    if of.wildcard and not revoked.wildcard:
        rest = replace(of, exclude=tuple(sorted({*of.exclude, *taken})))
        return replace(held, resource=rest, grantable=frozenset())
    return replace(held, resource=ColumnsResource(of.database, of.table, include=tuple(sorted(kept)))) if kept else None


def _concerns(of: Resource, asked: Resource) -> bool:
    """ListPermissions on a table also tells its column grants, and the wildcard's."""
    if of == asked:
        return True
    if isinstance(asked, TableResource) and isinstance(of, TableResource | ColumnsResource | FilterResource):
        return of.database == asked.database and of.table in {asked.table, ""}
    if isinstance(asked, ColumnsResource) and isinstance(of, ColumnsResource):
        return (of.database, of.table) == (asked.database, asked.table)
    return False


def check_expression(records: Records, expression: Expression) -> None:
    """Raise unless every key and value of ``expression`` exists, each key once."""
    if not expression or len(dict(expression)) != len(expression):
        raise InvalidInputException("An LF-tag expression names each of its keys once.")
    for key, values in expression:
        present = tag_values(records, key)
        unknown = [value for value in values if value != EVERY_VALUE and value not in present]
        if unknown or not values:
            raise EntityNotFoundException(f"Tag value {', '.join(unknown)} of key {key} does not exist.")


def tag_values(records: Records, key: str) -> tuple[str, ...]:
    """The values of an LF-tag; raises EntityNotFound."""
    found = records.tag(key)
    if found is None:
        raise EntityNotFoundException(f"Tag key {key} does not exist.")
    return found


def _is_on(of: Resource, databases: Set[str], tables: Set[tuple[str, str]]) -> bool:
    if isinstance(of, DatabaseResource):
        return of.database in databases
    if isinstance(of, TableResource) and not of.table:
        return any(database == of.database for database, _ in tables)
    if isinstance(of, TableResource | ColumnsResource | FilterResource):
        return (of.database, of.table) in tables
    return False
