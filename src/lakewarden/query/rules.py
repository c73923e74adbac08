"""What Athena's operations ask the policies: the workgroup, with its tags, that a call is about."""

from collections.abc import Sequence

from lakewarden.guard import Access, Rule
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError
from lakewarden.query.service import QueryService
from lakewarden.query.workgroups import PRIMARY, WorkGroups


class Rules:
    """Rules over workgroups. What is hidden or absent is asked about like something in ``primary``."""

    def __init__(self, service: QueryService, groups: WorkGroups) -> None:
        self._service = service
        self._groups = groups

    def workgroup(self, action: str, member: str = "WorkGroup") -> Rule:
        """The workgroup that the call names, or ``primary``."""
        return lambda call: (self._access(action, call.params.get(member) or PRIMARY),)

    def new_workgroup(self, action: str) -> Rule:
        """A workgroup to be, with the tags that it is to have."""

        def rule(call: Call) -> Sequence[Access]:
            tags = call.params.get("Tags") or ()
            context: dict[str, str | Sequence[str]] = {
                f"aws:RequestTag/{one.get('Key')}": one.get("Value") or "" for one in tags
            }
            if tags:
                context["aws:TagKeys"] = tuple(one.get("Key") or "" for one in tags)
            return (Access(action, self._groups.arn(call.params["Name"]), context),)

        return rule

    def execution(self, action: str) -> Rule:
        """The workgroup of the execution."""
        return lambda call: (self._access(action, self._ran_in(call, call.params["QueryExecutionId"])),)

    def executions(self, action: str) -> Rule:
        """The workgroups of several executions."""

        def rule(call: Call) -> Sequence[Access]:
            groups = {self._ran_in(call, one) for one in call.params["QueryExecutionIds"]} or {PRIMARY}
            return tuple(self._access(action, group) for group in sorted(groups))

        return rule

    def named(self, action: str) -> Rule:
        """The workgroup of a saved query."""
        return lambda call: (self._access(action, self._saved_in(call.params["NamedQueryId"])),)

    def several_named(self, action: str) -> Rule:
        """The workgroups of several saved queries."""

        def rule(call: Call) -> Sequence[Access]:
            groups = {self._saved_in(one) for one in call.params["NamedQueryIds"]} or {PRIMARY}
            return tuple(self._access(action, group) for group in sorted(groups))

        return rule

    def tagged(self, action: str) -> Rule:
        """The resource whose tags are read or changed."""

        def rule(call: Call) -> Sequence[Access]:
            arn = call.params["ResourceARN"]
            added = {one.get("Key") or "": one.get("Value") or "" for one in call.params.get("Tags") or ()}
            keys = (*added, *(call.params.get("TagKeys") or ()))
            context: dict[str, str | Sequence[str]] = dict(self._tags(arn.rpartition("/")[2]))
            context |= {f"aws:RequestTag/{key}": value for key, value in added.items()}
            if keys:
                context["aws:TagKeys"] = keys
            return (Access(action, arn, context),)

        return rule

    def _access(self, action: str, workgroup: str) -> Access:
        return Access(action, self._groups.arn(workgroup), self._tags(workgroup))

    def _tags(self, workgroup: str) -> dict[str, str]:
        return {f"aws:ResourceTag/{key}": value for key, value in self._groups.tags_of(workgroup).items()}

    def _ran_in(self, call: Call, execution_id: str) -> str:
        try:
            return self._service.execution(call, execution_id).workgroup
        except AwsError:
            return PRIMARY

    def _saved_in(self, query_id: str) -> str:
        try:
            return self._groups.named(query_id).workgroup
        except AwsError:
            return PRIMARY
