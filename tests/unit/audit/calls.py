"""Callers and calls that the audit tests record."""

from datetime import UTC, datetime
from typing import Any

from lakewarden.kernel.call import ANONYMOUS, Call, Principal, PrincipalType, Session
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, GovernedTable, Table, TableAccess

ACCOUNT = "111122223333"
REGION = "us-east-1"
AT = datetime(2026, 1, 31, 9, 30, 15, tzinfo=UTC)
USER = Principal(
    PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ana", "AIDAEXAMPLE", "ana", access_key_id="AKIAEXAMPLE"
)
SESSION = Principal(
    PrincipalType.ASSUMED_ROLE, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Science/SageMaker", "AROAEXAMPLE:SageMaker",
    "Science", access_key_id="ASIAEXAMPLE",
    session=Session(
        issued_at=AT, expires_at=AT, session_name="SageMaker", role_arn=f"arn:aws:iam::{ACCOUNT}:role/Science",
        role_id="AROAEXAMPLE", role_name="Science", source_identity="ben",
    ),
)  # fmt: skip
CALLERS = {"user": USER, "session": SESSION, "stranger": ANONYMOUS}
GOVERNED = GovernedTable(
    Table("clinic", "visits", (Column("id", "bigint"), Column("name", "string")), table_id="0f0f"),
    TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), ("id",), ALL_ROWS, ("SELECT on clinic.visits",)),
)


def call(service: str, operation: str, params: dict[str, Any] | None = None, caller: str = "user") -> Call:
    return Call(
        CALLERS[caller], service, operation, params or {}, f"request-{operation}", AT, REGION, "10.0.0.7", "aws-cli/2.0"
    )
