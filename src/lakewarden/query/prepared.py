"""Prepared statements: by Athena's API, and by PREPARE, EXECUTE and DEALLOCATE under the same rights."""

import re
from collections.abc import Sequence

from lakewarden.guard import Access, Authorizer
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.query.errors import InvalidRequestException, ResourceNotFoundException
from lakewarden.query.model import PreparedStatement
from lakewarden.query.store import QueryStore

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{0,255}")
_MOST = 1000


class PreparedStatements:
    """The prepared statements of every workgroup; implements :class:`lakewarden.query.ports.Prepared`."""

    def __init__(self, store: QueryStore, authorizer: Authorizer, account: str, region: str, clock: Clock) -> None:
        self._store = store
        self._authorizer = authorizer
        self._account = account
        self._region = region
        self._clock = clock

    # By SQL: the rights that the API's rules ask for are asked for here.

    def prepare(self, call: Call, workgroup: str, name: str, text: str) -> None:
        """PREPARE: a name that is taken gets the new statement."""
        self._require(call, "CreatePreparedStatement", workgroup)
        self.put(workgroup, name, text, "", replace=None)

    def text(self, call: Call, workgroup: str, name: str) -> str:
        """The statement that EXECUTE runs."""
        self._require(call, "GetPreparedStatement", workgroup)
        return self.get(workgroup, name).text

    def deallocate(self, call: Call, workgroup: str, name: str) -> None:
        """DEALLOCATE PREPARE."""
        self._require(call, "DeletePreparedStatement", workgroup)
        self.delete(workgroup, name)

    def _require(self, call: Call, action: str, workgroup: str) -> None:
        arn = str(Arn("athena", self._region, self._account, f"workgroup/{workgroup}"))
        self._authorizer.require(call, Access(f"athena:{action}", arn))

    # By the API

    def put(self, workgroup: str, name: str, text: str, description: str, *, replace: bool | None) -> None:
        """Create (``replace`` False), update (True) or either (None)."""
        if not _NAME.fullmatch(name):
            raise InvalidRequestException("StatementName is invalid.")
        statement = PreparedStatement(
            workgroup=workgroup,
            name=name.lower(),
            text=text,
            description=description,
            modified=self._clock().isoformat(),
        )
        with self._store.write() as records:
            if records.workgroup(workgroup) is None:
                raise InvalidRequestException(f"WorkGroup {workgroup} is not found.")
            present = records.prepared(workgroup, statement.name)
            if present is not None and replace is False:
                raise InvalidRequestException(f"PreparedStatement {name} already exists in WorkGroup {workgroup}.")
            if present is None and replace is True:
                raise _not_found(name, workgroup)
            if present is None and len(records.all_prepared(workgroup)) >= _MOST:
                raise InvalidRequestException(f"A workgroup has at most {_MOST} prepared statements.")
            records.put_prepared(statement)

    def get(self, workgroup: str, name: str) -> PreparedStatement:
        """GetPreparedStatement; raises ResourceNotFoundException."""
        with self._store.read() as records:
            found = records.prepared(workgroup, name.lower())
        if found is None:
            raise _not_found(name, workgroup)
        return found

    def listed(self, workgroup: str) -> Sequence[PreparedStatement]:
        """ListPreparedStatements, by name."""
        with self._store.read() as records:
            return records.all_prepared(workgroup)

    def delete(self, workgroup: str, name: str) -> None:
        """DeletePreparedStatement."""
        with self._store.write() as records:
            if records.prepared(workgroup, name.lower()) is None:
                raise _not_found(name, workgroup)
            records.remove_prepared(workgroup, name.lower())


def _not_found(name: str, workgroup: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"PreparedStatement {name} was not found in WorkGroup {workgroup}.")
