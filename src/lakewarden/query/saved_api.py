"""Handlers of workgroups, prepared statements, saved queries and tags."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.kernel.errors import AwsError
from lakewarden.query.answers import ENGINE, named_answer, prepared_answer, workgroup_answer
from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.pages import page
from lakewarden.query.prepared import PreparedStatements
from lakewarden.query.workgroups import PRIMARY, WorkGroups

Params = Mapping[str, Any]


class SavedHandlers:
    """What is kept in workgroups."""

    def __init__(self, groups: WorkGroups, prepared: PreparedStatements) -> None:
        self._groups = groups
        self._prepared = prepared

    # Workgroups

    def create_workgroup(self, call: AuthorizedCall) -> Params:
        """CreateWorkGroup."""
        self._groups.create(call.params)
        return {}

    def get_workgroup(self, call: AuthorizedCall) -> Params:
        """GetWorkGroup."""
        return {"WorkGroup": workgroup_answer(self._groups.get(call.params["WorkGroup"]))}

    def update_workgroup(self, call: AuthorizedCall) -> Params:
        """UpdateWorkGroup."""
        self._groups.update(call.params)
        return {}

    def delete_workgroup(self, call: AuthorizedCall) -> Params:
        """DeleteWorkGroup."""
        self._groups.delete(call.params["WorkGroup"], recursive=bool(call.params.get("RecursiveDeleteOption")))
        return {}

    def list_workgroups(self, call: AuthorizedCall) -> Params:
        """ListWorkGroups."""
        found = [
            {
                "Name": group.name,
                "State": "ENABLED" if group.enabled else "DISABLED",
                "Description": group.description,
                "CreationTime": datetime.fromisoformat(group.created),
                "EngineVersion": ENGINE,
            }
            for group in self._groups.all()
        ]
        return page(found, call.params, "WorkGroups")

    def list_engine_versions(self, call: AuthorizedCall) -> Params:
        """ListEngineVersions."""
        return page([{**ENGINE, "SelectedEngineVersion": one} for one in _VERSIONS], call.params, "EngineVersions")

    # Prepared statements

    def create_prepared(self, call: AuthorizedCall) -> Params:
        """CreatePreparedStatement."""
        self._put(call, replace=False)
        return {}

    def update_prepared(self, call: AuthorizedCall) -> Params:
        """UpdatePreparedStatement."""
        self._put(call, replace=True)
        return {}

    def _put(self, call: AuthorizedCall, *, replace: bool) -> None:
        params = call.params
        self._prepared.put(
            params["WorkGroup"],
            params["StatementName"],
            params["QueryStatement"],
            params.get("Description") or "",
            replace=replace,
        )

    def get_prepared(self, call: AuthorizedCall) -> Params:
        """GetPreparedStatement."""
        found = self._prepared.get(call.params["WorkGroup"], call.params["StatementName"])
        return {"PreparedStatement": prepared_answer(found)}

    def batch_get_prepared(self, call: AuthorizedCall) -> Params:
        """BatchGetPreparedStatement."""
        found, missing = [], []
        for name in call.params["PreparedStatementNames"]:
            try:
                found.append(prepared_answer(self._prepared.get(call.params["WorkGroup"], name)))
            except AwsError as error:
                missing.append({"StatementName": name, "ErrorCode": error.code, "ErrorMessage": error.message})
        return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}

    def list_prepared(self, call: AuthorizedCall) -> Params:
        """ListPreparedStatements."""
        self._groups.get(call.params["WorkGroup"])
        found = [
            {"StatementName": one.name, "LastModifiedTime": datetime.fromisoformat(one.modified)}
            for one in self._prepared.listed(call.params["WorkGroup"])
        ]
        return page(found, call.params, "PreparedStatements")

    def delete_prepared(self, call: AuthorizedCall) -> Params:
        """DeletePreparedStatement."""
        self._prepared.delete(call.params["WorkGroup"], call.params["StatementName"])
        return {}

    # Saved queries

    def create_named(self, call: AuthorizedCall) -> Params:
        """CreateNamedQuery."""
        return {"NamedQueryId": self._groups.save(call.call, call.params)}

    def get_named(self, call: AuthorizedCall) -> Params:
        """GetNamedQuery."""
        return {"NamedQuery": named_answer(self._groups.named(call.params["NamedQueryId"]))}

    def batch_get_named(self, call: AuthorizedCall) -> Params:
        """BatchGetNamedQuery."""
        found, missing = [], []
        for query_id in call.params["NamedQueryIds"]:
            try:
                found.append(named_answer(self._groups.named(query_id)))
            except InvalidRequestException as error:
                missing.append({"NamedQueryId": query_id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": error.message})
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    def list_named(self, call: AuthorizedCall) -> Params:
        """ListNamedQueries."""
        found = self._groups.all_named(call.params.get("WorkGroup") or PRIMARY)
        return page([one.id for one in found], call.params, "NamedQueryIds")

    def update_named(self, call: AuthorizedCall) -> Params:
        """UpdateNamedQuery."""
        self._groups.update_named(call.params)
        return {}

    def delete_named(self, call: AuthorizedCall) -> Params:
        """DeleteNamedQuery."""
        self._groups.delete_named(call.params["NamedQueryId"])
        return {}

    # Tags

    def tag(self, call: AuthorizedCall) -> Params:
        """TagResource."""
        self._groups.tag(call.params["ResourceARN"], call.params["Tags"])
        return {}

    def untag(self, call: AuthorizedCall) -> Params:
        """UntagResource."""
        self._groups.untag(call.params["ResourceARN"], call.params["TagKeys"])
        return {}

    def tags(self, call: AuthorizedCall) -> Params:
        """ListTagsForResource."""
        found = [{"Key": key, "Value": value} for key, value in self._groups.tags(call.params["ResourceARN"]).items()]
        return page(found, call.params, "Tags")


_VERSIONS = ("AUTO", "Athena engine version 3")
