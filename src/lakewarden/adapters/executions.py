"""``audit.ports.Executions`` over Athena's executions and CloudTrail Lake's queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakewarden.audit.datastores import DATABASE, translated
from lakewarden.audit.lake_store import LakeStore
from lakewarden.audit.queries import Execution
from lakewarden.query.store import QueryStore


@dataclass(frozen=True, slots=True)
class KeptExecutions:
    """Reads the executions' own store."""

    store: QueryStore
    lake: LakeStore

    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        """Those that are known, by id."""
        with self.store.read() as records:
            found = [one for query_id in dict.fromkeys(query_ids) if (one := records.execution(query_id)) is not None]
        known = {
            one.id: Execution(one.sql, one.submitted, one.workgroup, one.database, one.substatement) for one in found
        }
        return {**known, **self._of_the_trail([one for one in query_ids if one not in known])}

    def _of_the_trail(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        with self.lake.read() as records:
            found = [one for query_id in dict.fromkeys(query_ids) if (one := records.query(query_id)) is not None]
        return {one.id: Execution(translated(one.statement)[0], one.created, "", DATABASE, "SELECT") for one in found}
