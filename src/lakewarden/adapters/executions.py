"""``audit.ports.Executions`` over Athena's executions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakewarden.audit.queries import Execution
from lakewarden.query.store import QueryStore


@dataclass(frozen=True, slots=True)
class KeptExecutions:
    """Reads the executions' own store."""

    store: QueryStore

    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        """Those that are known, by id."""
        with self.store.read() as records:
            found = [one for query_id in dict.fromkeys(query_ids) if (one := records.execution(query_id)) is not None]
        return {
            one.id: Execution(one.sql, one.submitted, one.workgroup, one.database, one.substatement) for one in found
        }
