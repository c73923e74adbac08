"""Query executions and workgroups."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from lakewarden.kernel.call import Call, Principal, PrincipalType, Session

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class Failure(msgspec.Struct, frozen=True):
    """AthenaError."""

    category: int
    error_type: int
    message: str


class Statistics(msgspec.Struct, frozen=True):
    """Milliseconds and bytes, as GetQueryExecution answers them."""

    queue_ms: int = 1
    planning_ms: int = 0
    engine_ms: int = 0
    service_ms: int = 0
    total_ms: int = 0
    scanned_bytes: int = 0
    rows: int = 0
    written_bytes: int = 0


class Caller(msgspec.Struct, frozen=True):
    """For whom a query runs: a :class:`Call` that can be stored. It holds no secret."""

    type: str
    account: str
    arn: str
    user_id: str
    name: str
    access_key_id: str
    tags: dict[str, str]
    region: str
    source_ip: str
    user_agent: str
    request_id: str
    session: dict[str, Any] | None

    @classmethod
    def of(cls, call: Call) -> "Caller":
        """What of ``call`` is needed to act for its principal."""
        principal, session = call.principal, call.principal.session
        kept = None
        if session is not None:
            kept = {
                "issued_at": session.issued_at.timestamp(),
                "expires_at": session.expires_at.timestamp(),
                "session_name": session.session_name,
                "role_arn": session.role_arn,
                "role_id": session.role_id,
                "role_name": session.role_name,
                "source_identity": session.source_identity,
                "tags": dict(session.tags),
                "transitive_tag_keys": list(session.transitive_tag_keys),
                "policies": list(session.policies),
                "policy_arns": list(session.policy_arns),
                "mfa": session.mfa,
            }
        return cls(
            principal.type.value, principal.account, principal.arn, principal.user_id, principal.name,
            principal.access_key_id, dict(principal.tags), call.region, call.source_ip, call.user_agent,
            call.request_id, kept,
        )  # fmt: skip

    def call(self, at: datetime, operation: str, params: Mapping[str, Any]) -> Call:
        """A call of the same principal, made by Athena at ``at``."""
        session = None
        if self.session is not None:
            fields = dict(self.session)
            for instant in ("issued_at", "expires_at"):
                fields[instant] = datetime.fromtimestamp(fields[instant], UTC)
            for several in ("transitive_tag_keys", "policies", "policy_arns"):
                fields[several] = tuple(fields[several])
            session = Session(**fields)
        principal = Principal(
            PrincipalType(self.type),
            self.account,
            self.arn,
            self.user_id,
            self.name,
            self.access_key_id,
            session,
            self.tags,
        )
        return Call(
            principal, "athena", operation, params, self.request_id, at, self.region, self.source_ip, self.user_agent
        )


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One query. Instants are ISO 8601 UTC; ``owner`` is the ARN that grants name."""

    id: str
    owner: str
    workgroup: str
    sql: str
    database: str
    output: str
    submitted: str
    caller: Caller
    token: str = ""
    state: str = "QUEUED"
    reason: str = ""
    failure: Failure | None = None
    completed: str = ""
    kind: str = "DML"
    substatement: str = ""
    statistics: Statistics = Statistics()
    parameters: tuple[str, ...] = ()
    reuse_minutes: int = 0
    cutoff_bytes: int = 0
    update_count: int = 0
    manifest: str = ""
    fingerprint: str = ""
    reused: bool = False

    @property
    def staging(self) -> str:
        """The folder that the result is written to, with its closing slash."""
        return self.output.rpartition("/")[0] + "/"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL


class WorkGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A workgroup; ``output`` is its result location, which ``enforced`` puts above the client's."""

    name: str
    created: str
    description: str = ""
    enabled: bool = True
    output: str = ""
    enforced: bool = False
    cutoff_bytes: int = 0
    metrics: bool = False


class PreparedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with question marks, shared by who may use its workgroup."""

    workgroup: str
    name: str
    text: str
    modified: str
    description: str = ""


class NamedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A saved query."""

    id: str
    workgroup: str
    name: str
    database: str
    text: str
    owner: str
    created: str
    description: str = ""
    token: str = ""
