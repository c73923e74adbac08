"""The facts in memory: loaded when first asked for, thrown away when the store's version moves."""

import threading
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Self

from lakewarden.permissions.facts import NO_FACTS, Facts, Holdings
from lakewarden.permissions.ledger import Ledger
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    CREATE_DATABASE,
    IAM_ALLOWED_PRINCIPALS,
    CatalogResource,
    CellsFilter,
    FilterResource,
    Grant,
    Registration,
    Resource,
    Settings,
)
from lakewarden.permissions.store import PermissionStore, Records
from lakewarden.permissions.tags import UNTAGGED, DatabaseTags

_SINGLY, _GRANTS_A_PRINCIPAL = 50, 4000
"""So many principals are loaded one by one, or one for each so many grants that there are: for a good part of the time
that loading everybody's takes."""


class FactBook:
    """Facts by principal and database.

    Only what is asked for is loaded, a principal's grants and a database's hybrid mode, so that one grant among a
    million does not make the next decision read a million rows. When many principals have asked, the others' grants are
    loaded in one go.
    """

    def __init__(self, store: PermissionStore, account: str) -> None:
        self._store = store
        self._everyone = f"{account}:IAMPrincipals"
        self._lock = threading.Lock()
        self._held: _Edition | None = None

    def facts(self, arn: str, database: str = "") -> Facts:
        """What decides about the principal ``arn`` in ``database``; nothing about nobody.

        INVARIANT (revocation_is_immediate): the store's version is compared on every question.
        """
        return self._edition().facts(arn, database) if arn else NO_FACTS

    def settings(self) -> Settings:
        """The data lake settings in force."""
        return self._edition().settings

    def registered(self) -> Locations:
        """The locations under Lake Formation's control."""
        return self._edition().registered

    def _edition(self) -> "_Edition":
        version = self._store.version()
        held = self._held
        if held is not None and held.version == version:
            return held
        with self._lock:
            # The version is read before the load: a write in between makes the edition look old, never new.
            version = self._store.version()
            if self._held is None or self._held.version != version:
                self._held = _Edition(version, self._store, self._everyone)
            return self._held


@dataclass(frozen=True, slots=True)
class _Everybody:
    """What all principals hold, and have opted in to."""

    ledger: Ledger
    opted_in: Mapping[str, frozenset[Resource]]

    @classmethod
    def of(cls, records: Records) -> Self:
        opted_in: dict[str, frozenset[Resource]] = {}
        for principal, resource in records.opt_ins():
            opted_in[principal] = opted_in.get(principal, frozenset()) | {resource}
        return cls(Ledger(records.entries()), opted_in)


class _Edition:
    """The facts at one version. Loading twice is harmless: both threads load the same."""

    def __init__(self, version: int, store: PermissionStore, everyone: str) -> None:
        self.version = version
        self._store = store
        with store.read() as records:
            self.settings = records.settings()
            locations = records.locations()
            self._shared = Holdings.of(records.grants_of(everyone))
            self._named = {name: one.expression for name, one in records.expressions().items()}
            self._hybrid_catalog = _creators(records.grants_of(IAM_ALLOWED_PRINCIPALS, catalog=True))
        self.registered = registered_in(locations)
        self._own: dict[str, tuple[Holdings, frozenset[Resource]]] = {}
        self._all: _Everybody | None = None
        self._singly = _SINGLY
        self._loading = threading.Lock()
        self._tags: dict[str, DatabaseTags] = {}
        self._tagged_databases: frozenset[str] | None = None
        self._hybrid: dict[str, frozenset[Resource]] = {}
        self._facts: dict[tuple[str, str], Facts] = {}
        self._hybrid_databases: frozenset[str] | None = None

    def facts(self, arn: str, database: str) -> Facts:
        # Only databases in hybrid mode, or with LF-tags, make a difference; names that callers invent must not fill the
        # memory.
        database = database if database in self.hybrid_databases() or database in self.tagged_databases() else ""
        found = self._facts.get((arn, database))
        if found is None:
            found = self._facts[arn, database] = self._load(arn, database)
        return found

    def hybrid_databases(self) -> frozenset[str]:
        if self._hybrid_databases is None:
            with self._store.read() as records:
                self._hybrid_databases = records.databases_held(IAM_ALLOWED_PRINCIPALS) - {""}
        return self._hybrid_databases

    def tagged_databases(self) -> frozenset[str]:
        if self._tagged_databases is None:
            with self._store.read() as records:
                self._tagged_databases = records.tagged_databases()
        return self._tagged_databases

    def _load(self, arn: str, database: str) -> Facts:
        own, opted_in = self._principal(arn)
        by_tag = bool(own.policies or self._shared.policies)
        return Facts(
            administrator=arn in self.settings.administrators,
            reader=arn in self.settings.readers,
            own=own,
            shared=self._shared,
            hybrid=self._hybrid_catalog | self._hybrid_in(database),
            opted_in=opted_in,
            registered=self.registered,
            tags=self._tags_in(database) if by_tag else UNTAGGED,
            named=self._named,
            filters=self._filters(own.filters.keys() | self._shared.filters.keys()),
        )

    def _filters(self, named: Set[FilterResource]) -> Mapping[FilterResource, CellsFilter]:
        if not named:
            return {}
        with self._store.read() as records:
            found = ((one, records.filter(one.database, one.table, one.name)) for one in named)
            return {one: limit for one, limit in found if limit is not None}

    def _tags_in(self, database: str) -> DatabaseTags:
        if not database:
            return UNTAGGED
        found = self._tags.get(database)
        if found is None:
            with self._store.read() as records:
                found = self._tags[database] = DatabaseTags.of(records.assignments(database))
        return found

    def _principal(self, arn: str) -> tuple[Holdings, frozenset[Resource]]:
        found = self._own.get(arn)
        if found is None:
            everybody = self._everybody()
            if everybody is not None:
                found = everybody.ledger.holdings(arn), everybody.opted_in.get(arn, frozenset())
            else:
                with self._store.read() as records:
                    found = Holdings.of(records.grants_of(arn)), frozenset(one for _, one in records.opt_ins(arn))
            self._own[arn] = found
        return found

    def _everybody(self) -> "_Everybody | None":
        """All principals' grants once many have asked; until they are there, each is loaded by itself."""
        if self._all is not None or len(self._own) < self._singly:
            return self._all
        if self._loading.acquire(blocking=False):
            with self._store.read() as records:
                enough = records.most_grants() // _GRANTS_A_PRINCIPAL
                if len(self._own) >= enough:
                    self._all = _Everybody.of(records)
                else:
                    self._singly = enough
                    self._loading.release()
        return self._all

    def _hybrid_in(self, database: str) -> frozenset[Resource]:
        if not database:
            return frozenset()
        found = self._hybrid.get(database)
        if found is None:
            with self._store.read() as records:
                found = frozenset(records.held_in(database, IAM_ALLOWED_PRINCIPALS))
            self._hybrid[database] = found
        return found


def registered_in(locations: Iterable[Registration]) -> Locations:
    """The paths of registered locations."""
    return Locations.of(one.arn for one in locations)


def _creators(grants: Iterable[Grant]) -> frozenset[Resource]:
    return frozenset({CatalogResource()} if any(CREATE_DATABASE in one.permissions for one in grants) else ())
