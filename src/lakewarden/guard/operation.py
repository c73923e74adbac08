"""What a context declares about each of its operations: the row of its ``OPERATIONS`` table."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lakewarden.kernel.call import Answer, Call, Principal
from lakewarden.kernel.decision import Decision
from lakewarden.policy import CompiledPolicy

ContextValues = Mapping[str, str | Sequence[str]]
"""Condition keys to their values; names are matched without regard to case."""


@dataclass(frozen=True, slots=True)
class Access:
    """One question to the policies: may the caller do ``action`` on ``resource``?

    ``context`` adds condition keys to those that the guard fills for every call. ``resource_policy`` is the policy
    attached to the resource; with ``resource_policy_must_allow`` (a role's trust policy) the call also fails
    when that policy does not allow it.
    """

    action: str
    resource: str = "*"
    context: ContextValues = field(default_factory=dict)
    resource_policy: CompiledPolicy | None = None
    resource_policy_must_allow: bool = False


Rule = Callable[[Call], Sequence[Access]]
"""Turns a call into the questions that must ALL be answered with yes. It may read a store, and nothing else."""

_SEAL: Final = object()


class AuthorizedCall:
    """A call together with the decisions that allowed it. Handlers accept nothing else.

    INVARIANT (deny_by_default): only :class:`lakewarden.guard.Guard` can make one.
    """

    __slots__ = ("call", "decisions")

    def __init__(self, call: Call, decisions: tuple[Decision, ...], *, seal: object) -> None:
        # INVARIANT: the seal is private to the guard package, so no other code can authorise a call.
        if seal is not _SEAL:
            raise TypeError("only the guard can authorise a call")
        self.call = call
        self.decisions = decisions

    @property
    def params(self) -> Mapping[str, Any]:
        """The input members of the call."""
        return self.call.params


Result = Mapping[str, Any] | Answer
Handler = Callable[[AuthorizedCall], Result | Awaitable[Result]]
"""A plain function runs in a worker thread and may block; an ``async def`` runs on the event loop and must not."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One AWS operation. ``name`` is botocore's operation name, ``rule`` says what it needs.

    ``read_only`` is CloudTrail's readOnly (and decides whether responseElements are recorded).
    ``hidden`` lists input and output members (dotted paths, ``*`` for any list index or key) that the audit trail
    hides beyond those that botocore's model marks sensitive. ``data_event`` marks S3 object-level events.
    ``unsigned`` marks the few operations that AWS takes without a signature; ``rule`` must still decide.
    ``identify`` says who is calling such an operation, from what the call itself proves (a provider's token); it
    raises when it proves nothing. The rule, the handler and the audit trail then see that principal.
    """

    name: str
    handler: Handler
    rule: Rule
    read_only: bool
    hidden: frozenset[str] = frozenset()
    data_event: bool = False
    unsigned: bool = False
    identify: Callable[[Call], Principal] | None = None


Operations = Mapping[str, Operation]
"""Operation name -> :class:`Operation`, one table per AWS service."""


def table_of(*operations: Operation) -> Operations:
    """An ``OPERATIONS`` table; raises ``ValueError`` when a name stands twice."""
    table = {operation.name: operation for operation in operations}
    if len(table) != len(operations):
        raise ValueError("an operation is declared twice")
    return table


def on(action: str, resource: str | Callable[[Call], str] = "*") -> Rule:
    """A rule with one question. ``resource`` is an ARN, or a function of the call that gives it."""

    def rule(call: Call) -> Sequence[Access]:
        return (Access(action, resource if isinstance(resource, str) else resource(call)),)

    return rule


def own(call: Call) -> Sequence[Access]:  # noqa: ARG001 - a rule's signature
    """The rule of the few operations that every authenticated caller has (sts:GetCallerIdentity)."""
    return ()
