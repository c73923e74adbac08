"""Callers and calls that the audit tests record."""

from dataclasses import replace
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
TOKEN = Session(issued_at=AT, expires_at=AT, mfa=True)
USER_SESSION = replace(USER, access_key_id="ASIAEXAMPLE", session=TOKEN)
FEDERATED = Principal(
    PrincipalType.FEDERATED_USER, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:federated-user/guest", f"{ACCOUNT}:guest", "guest",
    access_key_id="ASIAEXAMPLE", session=replace(TOKEN, session_name="guest", mfa=False), issuer_arn=USER.arn,
)  # fmt: skip
WEB_SESSION = replace(
    SESSION, session=replace(SESSION.session, source_identity="", provider="id.example.org")  # type: ignore[type-var]
)  # fmt: skip
WEB_USER = Principal(PrincipalType.WEB_IDENTITY_USER, ACCOUNT, "", "subject-7", "id.example.org")
SAML_USER = Principal(
    PrincipalType.SAML_USER, ACCOUNT, "", "ben@example.org", f"arn:aws:iam::{ACCOUNT}:saml-provider/Id"
)
SERVICE = Principal(PrincipalType.SERVICE, ACCOUNT, "", "", "cloudtrail.amazonaws.com")
ROOT = Principal(PrincipalType.ACCOUNT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "", access_key_id="AKIAROOT")
CALLERS = {
    "user": USER, "session": SESSION, "stranger": ANONYMOUS, "user session": USER_SESSION, "federated": FEDERATED,
    "web session": WEB_SESSION, "web identity": WEB_USER, "saml identity": SAML_USER, "service": SERVICE, "root": ROOT,
    "wrong key": replace(ANONYMOUS, access_key_id="AKIAUNKNOWN"),
}  # fmt: skip
GOVERNED = GovernedTable(
    Table("clinic", "visits", (Column("id", "bigint"), Column("name", "string")), table_id="0f0f"),
    TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), ("id",), ALL_ROWS, ("SELECT on clinic.visits",)),
)


def call(service: str, operation: str, params: dict[str, Any] | None = None, caller: str = "user") -> Call:
    return Call(
        CALLERS[caller], service, operation, params or {}, f"request-{operation}", AT, REGION, "10.0.0.7", "aws-cli/2.0"
    )
