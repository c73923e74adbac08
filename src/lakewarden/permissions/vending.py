"""Credential vending: GetTemporaryGlueTableCredentials and its kind. SEMANTICS, "Vending"."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.lake import AccessMode, GovernedTable, Table, TableAccess
from lakewarden.permissions.errors import (
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.permissions.locations import is_below, path_of
from lakewarden.permissions.ports import CatalogView, Disclosures, RoleSessions, Vended
from lakewarden.permissions.resolve import may_use_location, table_access
from lakewarden.permissions.scope import session_policy
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore
from lakewarden.permissions.trust import check_supported, full_table_access, is_trusted

_SHORTEST, _LONGEST, _USUAL = 900, 21_600, 3600
_LETTERS = string.ascii_letters + string.digits
_OFFERED = frozenset({"SELECT", "INSERT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Asked:
    """How credentials are asked for. ``supported`` are the kinds of permission that the engine enforces itself."""

    permissions: frozenset[str]
    seconds: int | None
    supported: frozenset[str] = frozenset()
    path: str = ""
    context: str = ""


class Vending:
    """Hands out sessions of a location's registered role, limited to one prefix and the verbs asked for."""

    def __init__(
        self,
        store: PermissionStore,
        book: FactBook,
        catalog: CatalogView,
        sessions: RoleSessions,
        disclosures: Disclosures,
        account: str,
    ) -> None:
        self._store = store
        self._book = book
        self._catalog = catalog
        self._sessions = sessions
        self._disclosures = disclosures
        self._account = account

    def for_table(self, call: Call, database: str, name: str, asked: Asked) -> Vended:
        """GetTemporaryGlueTableCredentials; raises AccessDenied, PermissionTypeMismatch or InvalidInput."""
        governed = self.governed(call.principal, database, name)
        self._check(call.principal, governed, asked)
        location = governed.table.location
        if asked.path:
            if not is_below(asked.path, location):
                raise InvalidInputException("S3Path is not within the table's location.")
            location = asked.path
        return self._vend(call, governed, location, asked)

    def for_partition(self, call: Call, database: str, name: str, values: Sequence[str], asked: Asked) -> Vended:
        """GetTemporaryGluePartitionCredentials: for one partition's location."""
        governed = self.governed(call.principal, database, name)
        self._check(call.principal, governed, asked)
        location = self._catalog.partition_location(database, name, values)
        if location is None:
            raise EntityNotFoundException("Cannot find partition.")
        return self._vend(call, governed, location, asked)

    def for_location(self, call: Call, location: str, asked: Asked) -> Vended:
        """GetTemporaryDataLocationCredentials, for holders of the location who may also do so in every table there.

        INVARIANT (least_reach): a data location permission reads nothing by itself. A table that lies on, below or around
        the path must be the caller's in full.
        """
        principal = call.principal
        facts = self._book.facts(principal.grantee_arn)
        if not full_table_access(self._book.settings()) or not may_use_location(facts, location):
            raise InsufficientPermissions("Data Location Access", location)
        for database, name, place in self._catalog.located():
            if name and (is_below(place, location) or is_below(location, place)):
                governed = self.governed(principal, database, name, hidden=location)
                if not _is_full(governed.table, governed.access) or not asked.permissions <= governed.access.actions:
                    raise InsufficientPermissions("Select on all columns", location)
        return self._vend(call, None, location, asked)

    def governed(self, principal: Principal, database: str, name: str, hidden: str = "") -> GovernedTable:
        """A visible table; refused alike for hidden and absent ones. ``hidden`` is what a refusal names instead."""
        table = self._catalog.found_table(database, name)
        if table is not None:
            access = table_access(self._book.facts(principal.grantee_arn, database), table)
            if access.visible or hidden:
                return GovernedTable(table, access)
        raise InsufficientPermissions("Describe", hidden or name)

    def _check(self, principal: Principal, governed: GovernedTable, asked: Asked) -> None:
        access, name = governed.access, governed.table.name
        if access.mode is not AccessMode.LAKE_FORMATION:
            # SEMANTICS: where IAM decides, no credentials are vended.
            raise InsufficientPermissions("Lake Formation permissions on a registered location", name)
        if not asked.permissions <= _OFFERED or not asked.permissions:
            raise InvalidInputException("Permissions are SELECT, INSERT and DELETE.")
        missing = asked.permissions - access.actions
        if missing or not access.columns:
            raise InsufficientPermissions((min(missing, default="SELECT")).capitalize(), name)
        if is_trusted(principal, self._book.settings()):
            check_supported(governed, asked.supported)
        elif not full_table_access(self._book.settings()) or not _is_full(governed.table, access):
            # INVARIANT (least_reach): raw files go to nobody who may read a part only and is no engine to be trusted.
            raise InsufficientPermissions("Select on all columns and rows, as a registered engine,", name)

    def _vend(self, call: Call, governed: GovernedTable | None, location: str, asked: Asked) -> Vended:
        role = self._role(location)
        seconds = checked_seconds(asked.seconds)
        ends = call.at.replace(microsecond=0) + timedelta(seconds=seconds)
        held = call.principal.session
        # INVARIANT (no_escalation): what a session is given ends with it.
        if held is not None and held.expires_at < ends:
            ends = held.expires_at
        suffix = "".join(secrets.choice(_LETTERS) for _ in range(10))
        name = f"AWSLF-00-GL-{self._account}-{suffix}"
        # INVARIANT (no_answer_without_audit): the record is durable before the credentials are made.
        self._disclosures.data_access(call, governed, location, asked.permissions, name, asked.context)
        made = self._sessions.issue(call, role, name, session_policy(location, asked.permissions), ends)
        return replace(made, location=location)

    def _role(self, location: str) -> str:
        with self._store.read() as records:
            around = [one for one in records.locations() if is_below(location, one.arn)]
        if not around:
            raise InsufficientPermissions("a registered location", location)
        return max(around, key=lambda one: len(path_of(one.arn))).role_arn


def checked_seconds(seconds: int | None) -> int:
    """DurationSeconds; raises InvalidInput."""
    if seconds is None:
        return _USUAL
    if not _SHORTEST <= seconds <= _LONGEST:
        raise InvalidInputException(f"DurationSeconds must be between {_SHORTEST} and {_LONGEST}.")
    return seconds


def _is_full(table: Table, access: TableAccess) -> bool:
    whole = len(access.columns) == len(table.all_columns)
    return whole and bool(access.columns) and access.rows.all_rows and access.mode is AccessMode.LAKE_FORMATION
