"""One commit to an Iceberg table: files first, then metadata, then the catalog's pointer, which only moves if nobody
else's has moved it meanwhile.

INVARIANT (crash_safe): until the pointer moves, the table is what it was; what was stored for it is reached by nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.iceberg import Alter, ChangeRows, ColumnOf, Create, Expire, NewFile, Reach, Work
from lakewarden.kernel.lake import GovernedTable
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_ports import Changed, ChangedFile, IcebergLake, Scribe, Scribed
from lakewarden.query.model import Execution

_TRIES = 5
DATA, METADATA = "data", "metadata"


@dataclass(frozen=True, slots=True)
class Right:
    """What a caller may do to a table: checked, and asked for again when the commit is made."""

    actions: frozenset[str]
    vended: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """How it went: the table's columns, and files that nothing leads to any more."""

    columns: tuple[ColumnOf, ...]
    unreached: tuple[str, ...]


class Commits:
    """Makes commits for statements."""

    def __init__(self, iceberg: IcebergLake, scribe: Scribe, clock: Clock) -> None:
        self._iceberg = iceberg
        self._scribe = scribe
        self._clock = clock

    def metadata_path(self, call: Call, governed: GovernedTable) -> str:
        """The local path of the table's metadata, for the engine; raises QueryFailed."""
        found = self._files(call, governed).get(location_of(governed))
        if found is None:
            raise _no_metadata()
        return found

    def store(
        self, call: Call, execution: Execution, location: str, changed: Changed, *, vended: bool
    ) -> Sequence[NewFile]:
        """Store what the engine wrote, below the table's ``data/``."""
        stamp = datetime.fromisoformat(execution.submitted).strftime("%Y%m%d_%H%M%S")
        named: dict[str, ChangedFile] = {
            f"{stamp}_{number:05d}_{execution.id}{'_deletes' if one.deletes else ''}.parquet": one
            for number, one in enumerate(changed.files)
        }
        streams = {name: one.file for name, one in named.items()}
        stored = self._iceberg.store(call, f"{folder(location)}{DATA}", streams, vended=vended)
        return [
            NewFile(put.uri, put.path, put.size, one.records, one.partition, one.spec_id, one.deletes)
            for put, one in zip(stored, named.values(), strict=True)
        ]

    def create(self, call: Call, location: str, work: Create, *, vended: bool) -> tuple[NewFile, tuple[ColumnOf, ...]]:
        """The first metadata of a table that is not in the catalog yet."""
        place = f"{folder(location)}{METADATA}"
        with self._scribe.work(work, base="", place=place, files={}, now_ms=self._now_ms()) as scribed:
            stored = self._iceberg.store(call, place, scribed.files, vended=vended)
            return next(one for one in stored if one.uri.endswith(f"/{scribed.metadata}")), scribed.columns

    def fill(
        self, call: Call, location: str, first: NewFile, added: Sequence[NewFile], *, vended: bool
    ) -> Sequence[NewFile]:
        """The metadata with the first rows; the last of what is answered is the table's."""
        place = f"{folder(location)}{METADATA}"
        work = ChangeRows(tuple(added), "append")
        with self._scribe.work(
            work, base=first.uri, place=place, files={first.uri: first.path}, now_ms=self._now_ms()
        ) as scribed:
            stored = self._iceberg.store(call, place, scribed.files, vended=vended)
        return sorted(stored, key=lambda one: one.uri.endswith(f"/{scribed.metadata}"))

    def rows(self, call: Call, governed: GovernedTable, right: Right, work: ChangeRows) -> None:
        """A snapshot. Appends do not mind what others committed meanwhile; everything else is refused then."""
        current = governed
        for _ in range(_TRIES if work.operation == "append" else 1):
            if self._try(call, current, right, work, alter=False) is not None:
                return
            current = self._iceberg.current(call, governed)
        raise conflict(governed)

    def alter(self, call: Call, governed: GovernedTable, right: Right, work: Alter | Expire) -> Committed:
        """A change that makes no snapshot."""
        done = self._try(call, governed, right, work, alter=isinstance(work, Alter))
        if done is None:
            raise conflict(governed)
        return done

    def reached(self, call: Call, governed: GovernedTable) -> Sequence[str]:
        """Every file that the table's metadata leads to and that lies below its location; nothing if it leads nowhere."""
        place, files = place_of(governed), self._files(call, governed)
        with (
            suppress(QueryFailed),
            self._scribe.work(Reach(), base=location_of(governed), place=place, files=files, now_ms=0) as scribed,
        ):
            return scribed.unreached
        return ()

    def discard(self, files: Sequence[NewFile]) -> None:
        """Remove what was stored for a commit that was not made."""
        self._iceberg.discard([one.uri for one in files])

    def _try(self, call: Call, governed: GovernedTable, right: Right, work: Work, *, alter: bool) -> Committed | None:
        """None when another commit came first."""
        place, base = place_of(governed), location_of(governed)
        files = self._files(call, governed)
        with self._scribe.work(work, base=base, place=place, files=files, now_ms=self._now_ms()) as scribed:
            done = Committed(scribed.columns, scribed.unreached)
            if not scribed.metadata:
                return done
            return done if self._commit(call, governed, right, scribed, place, alter=alter) else None

    def _commit(
        self, call: Call, governed: GovernedTable, right: Right, scribed: Scribed, place: str, *, alter: bool
    ) -> bool:
        stored = self._iceberg.store(call, place, scribed.files, vended=right.vended)
        made = False
        try:
            metadata = f"{place}/{scribed.metadata}"
            made = self._iceberg.commit(call, governed, right.actions, metadata, scribed.columns if alter else None)
        finally:
            if not made:
                self.discard(stored)
        return made

    def _files(self, call: Call, governed: GovernedTable) -> Mapping[str, str]:
        """The table's metadata files: local paths by URI."""
        found = self._iceberg.files(call, governed)
        return {one.uri: one.path for one in found if not one.uri.endswith(".parquet")}

    def _now_ms(self) -> int:
        return round(self._clock().timestamp() * 1000)


def folder(location: str) -> str:
    """The location with one closing slash."""
    return location.rstrip("/") + "/"


def location_of(governed: GovernedTable) -> str:
    """The URI of the table's metadata; raises QueryFailed where it has none."""
    found = governed.table.parameters.get("metadata_location", "")
    if not found:
        raise _no_metadata()
    return found


def place_of(governed: GovernedTable) -> str:
    """The folder of its metadata, which must lie below its location."""
    place = location_of(governed).rpartition("/")[0]
    if not governed.table.location or not f"{place}/".startswith(folder(governed.table.location)):
        raise QueryFailed("NOT_SUPPORTED: An Iceberg table whose metadata lies outside of its location", 2, 1303)
    return place


def is_iceberg(governed: GovernedTable) -> bool:
    """Whether the table is an Iceberg table."""
    return governed.table.parameters.get("table_type", "").upper() == "ICEBERG"


def conflict(governed: GovernedTable) -> QueryFailed:
    """Another commit came first."""
    name = f"{governed.table.database}.{governed.table.name}"
    return QueryFailed(f"ICEBERG_COMMIT_ERROR: Failed to commit Iceberg update to table: {name}", 2, 233)


def _no_metadata() -> QueryFailed:
    return QueryFailed("ICEBERG_MISSING_METADATA: The metadata of the Iceberg table is not there", 2, 1100)
