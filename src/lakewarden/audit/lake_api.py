"""CloudTrail Lake's part of CloudTrail's OPERATIONS table. What is not here is refused by its name."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.audit import datastores
from lakewarden.audit.errors import (
    EventDataStoreNotFoundException,
    InvalidDateRangeException,
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidParameterException,
    InvalidQueryStatusException,
    UnsupportedOperationException,
)
from lakewarden.audit.lake import LakeService
from lakewarden.audit.lake_model import LakeQuery
from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, on, table_of
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError

Params = Mapping[str, Any]
_LONGEST_PAGE = 1000
_STATUSES = frozenset({"QUEUED", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "TIMED_OUT"})
_NOT_OFFERED = ("DeliveryS3Uri", "QueryAlias", "QueryParameters", "RefreshId")


class LakeHandlers:
    """Handlers and rules. ``opened`` is when the stores were made: with the account."""

    def __init__(self, service: LakeService, account: str, region: str, retention_days: int | None) -> None:
        self._service = service
        self._account = account
        self._region = region
        self._retention_days = retention_days

    # Rules

    def on_statement(self, action: str) -> Rule:
        """Each of the stores that the statement names."""
        return lambda call: self._accesses(action, datastores.stores_in(call.params.get("QueryStatement")))

    def on_query(self, action: str) -> Rule:
        """Each of the stores of a query; of one that is hidden or absent, all stores."""

        def rule(call: Call) -> Sequence[Access]:
            try:
                stores = self._service.query(call, call.params.get("QueryId") or "").stores
            except AwsError:
                stores = ()
            return self._accesses(action, stores)

        return rule

    def on_store(self, action: str) -> Rule:
        """The store that the call names; where there is none, all stores."""

        def rule(call: Call) -> Sequence[Access]:
            try:
                return self._accesses(action, (datastores.named(call.params["EventDataStore"]),))
            except datastores.UnknownStore:
                return self._accesses(action, ())

        return rule

    def _accesses(self, action: str, stores: Sequence[str]) -> Sequence[Access]:
        every = f"arn:aws:cloudtrail:{self._region}:{self._account}:eventdatastore/*"
        return tuple(Access(action, self._arn(store)) for store in stores) or (Access(action, every),)

    # Event data stores

    def list_stores(self, call: AuthorizedCall) -> Params:
        """ListEventDataStores: all in one page."""
        if call.params.get("NextToken"):
            raise InvalidNextTokenException("The NextToken is not one of this list.")
        return {"EventDataStores": [{"EventDataStoreArn": self._arn(one), "Name": one} for one in datastores.IDS]}

    def get_store(self, call: AuthorizedCall) -> Params:
        """GetEventDataStore. A store holds every record, and nobody can stop, change or delete it."""
        name = self._named(call.params["EventDataStore"])
        retention = {} if self._retention_days is None else {"RetentionPeriod": self._retention_days}
        return {
            "EventDataStoreArn": self._arn(name),
            "Name": name,
            "Status": "ENABLED",
            "AdvancedEventSelectors": [],
            "MultiRegionEnabled": False,
            "OrganizationEnabled": False,
            "TerminationProtectionEnabled": True,
            **retention,
        }

    # Queries

    def start(self, call: AuthorizedCall) -> Params:
        """StartQuery."""
        self._check_offered(call.params)
        statement = call.params.get("QueryStatement")
        if not statement:
            raise InvalidParameterException("QueryStatement is missing.")
        return {"QueryId": self._service.start(call.call, statement)}

    def describe(self, call: AuthorizedCall) -> Params:
        """DescribeQuery."""
        self._check_offered(call.params)
        if not call.params.get("QueryId"):
            raise InvalidParameterException("QueryId is missing.")
        found = self._service.query(call.call, call.params["QueryId"])
        return {
            "QueryId": found.id,
            "QueryString": found.statement,
            "QueryStatus": found.status,
            "QueryStatistics": {
                "EventsMatched": found.rows,
                "BytesScanned": found.scanned_bytes,
                "ExecutionTimeInMillis": found.run_ms,
                "CreationTime": datetime.fromisoformat(found.created),
            },
            "ErrorMessage": found.error or None,
        }

    def results(self, call: AuthorizedCall) -> Params:
        """GetQueryResults: a page; a page ends early where its rows are long."""
        self._check_offered(call.params)
        limit = call.params.get("MaxQueryResults", _LONGEST_PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidMaxResultsException("MaxQueryResults must be between 1 and 1000.")
        found = self._service.query(call.call, call.params["QueryId"])
        page, first = _position(call.params["NextToken"], found) if call.params.get("NextToken") else (0, 0)
        kept = self._service.rows(call.call, found, page) if found.status == "FINISHED" else []
        rows = kept[first : first + limit]
        following = (page, first + limit) if first + limit < len(kept) else (page + 1, 0)
        more = {"NextToken": _token(found, following)} if following[0] < found.pages else {}
        return {
            "QueryStatus": found.status,
            "QueryStatistics": {
                "ResultsCount": len(rows),
                "TotalResultsCount": found.rows,
                "BytesScanned": found.scanned_bytes,
            },
            "QueryResultRows": [
                [{name: value} for name, value in zip(found.columns, row, strict=True)] for row in rows
            ],
            "ErrorMessage": found.error or None,
            **more,
        }

    def list_queries(self, call: AuthorizedCall) -> Params:
        """ListQueries: the caller's own, newest first, all in one page."""
        params = call.params
        store, status = self._named(params["EventDataStore"]), params.get("QueryStatus")
        start, end = params.get("StartTime"), params.get("EndTime")
        if status is not None and status not in _STATUSES:
            raise InvalidQueryStatusException(f"{str(status)[:100]} is no query status.")
        if start is not None and end is not None and start > end:
            raise InvalidDateRangeException("StartTime must be before EndTime.")
        if params.get("NextToken"):
            raise InvalidNextTokenException("The NextToken is not one of this list.")
        found = [
            {"QueryId": one.id, "QueryStatus": one.status, "CreationTime": created}
            for one in self._service.queries(call.call)
            if store in one.stores and status in {None, one.status}
            for created in (datetime.fromisoformat(one.created),)
            if (start is None or created >= start) and (end is None or created <= end)
        ]
        return {"Queries": found[:_LONGEST_PAGE]}

    def cancel(self, call: AuthorizedCall) -> Params:
        """CancelQuery."""
        self._check_offered(call.params)
        found = self._service.cancel(call.call, call.params["QueryId"])
        return {"QueryId": found.id, "QueryStatus": found.status}

    def _check_offered(self, params: Params) -> None:
        for member in _NOT_OFFERED:
            if params.get(member):
                raise UnsupportedOperationException(f"{member} is not supported.")
        if params.get("EventDataStoreOwnerAccountId", self._account) != self._account:
            raise UnsupportedOperationException("Event data stores of another account are not supported.")

    def _arn(self, name: str) -> str:
        return datastores.arn_of(name, self._account, self._region)

    def _named(self, text: str) -> str:
        try:
            name = datastores.named(text)
        except datastores.UnknownStore as error:
            raise EventDataStoreNotFoundException(f"Event data store {error} was not found.") from error
        if text.startswith("arn:") and text != self._arn(name):
            raise EventDataStoreNotFoundException(f"Event data store {text[:256]} was not found.")
        return name


def operations(handlers: LakeHandlers) -> Operations:
    """CloudTrail Lake's operations."""
    query, store = handlers.on_query, handlers.on_store
    start = handlers.on_statement("cloudtrail:StartQuery")
    return table_of(
        Operation("ListEventDataStores", handlers.list_stores, on("cloudtrail:ListEventDataStores"), read_only=True),
        Operation("GetEventDataStore", handlers.get_store, store("cloudtrail:GetEventDataStore"), read_only=True),
        Operation("StartQuery", handlers.start, start, read_only=False),
        Operation("DescribeQuery", handlers.describe, query("cloudtrail:DescribeQuery"), read_only=True),
        Operation("GetQueryResults", handlers.results, query("cloudtrail:GetQueryResults"), read_only=True),
        Operation("ListQueries", handlers.list_queries, store("cloudtrail:ListQueries"), read_only=True),
        Operation("CancelQuery", handlers.cancel, query("cloudtrail:CancelQuery"), read_only=False),
    )


def _token(query: LakeQuery, position: tuple[int, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps([query.id, *position]).encode()).decode("ascii")


def _position(token: str, query: LakeQuery) -> tuple[int, int]:
    """The page and the row in it at which a token goes on; raises InvalidNextToken for another query's token."""
    try:
        made_for, page, first = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if made_for != query.id or type(page) is not int or type(first) is not int:
            raise ValueError("made for another query")
        if not 0 <= page < max(1, query.pages) or not 0 <= first < _LONGEST_PAGE:
            raise ValueError("not a place in the result")
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise InvalidNextTokenException("The NextToken is not one of this query.") from error
    return page, first
