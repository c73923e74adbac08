"""CloudTrail records, built from calls. Pure.

CloudTrail User Guide, "CloudTrail record contents"; field values as SEMANTICS says.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import GovernedTable, RowFilter

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
OMITTED = "***OMITTED***"
_VERSION = "1.11"
_LONGEST_TEXT = 4096
_LONGEST_LIST = 200
_ATHENA = "athena.amazonaws.com"
_WORD = re.compile(r"^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]")
_SOURCES = {
    "sso-admin": "sso.amazonaws.com",
    "sso-oidc": "sso.amazonaws.com",
    "sso": "sso.amazonaws.com",
}

Record = dict[str, Any]
Paths = frozenset[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a call is recorded: whether it only reads, whether it is a data event, and the members to hide."""

    read_only: bool
    data_event: bool
    hidden_request: Paths
    hidden_response: Paths


def event_source(service: str) -> str:
    """``athena`` -> ``athena.amazonaws.com``."""
    return _SOURCES.get(service, f"{service or 'unknown'}.amazonaws.com")


def call_record(
    call: Call, shown: Shown, account: str, event_id: str, answer: Mapping[str, Any], error: AwsError | None
) -> Record:
    """The record of an API call: allowed, denied or failed."""
    record = _envelope(call, account, event_id)
    record |= {
        "eventSource": event_source(call.service),
        "eventName": call.operation or "Unknown",
        "sourceIPAddress": call.source_ip,
        "userAgent": call.user_agent,
    }
    if error is not None:
        record |= {"errorCode": error.code, "errorMessage": error.message[:_LONGEST_TEXT]}
    responds = error is None and not shown.read_only and bool(answer)
    record |= {
        "requestParameters": _shown(call.params, shown.hidden_request) or None,
        "responseElements": _shown(answer, shown.hidden_response) if responds else None,
        "requestID": call.request_id,
        "eventID": event_id,
        "readOnly": shown.read_only,
        "resources": _resources(call, account),
        "eventType": "AwsApiCall",
        "managementEvent": not shown.data_event,
        "recipientAccountId": account,
        "eventCategory": "Data" if shown.data_event else "Management",
    }
    if call.service == "athena" and "queryString" in (record["requestParameters"] or {}):
        record["requestParameters"]["queryString"] = OMITTED
    return record


def data_access_record(
    call: Call, account: str, event_id: str, request_id: str, session: str, query_id: str, governed: GovernedTable
) -> Record:
    """GetDataAccess: written for each governed table that a query reads, before a byte of it is read."""
    record = _envelope(call, account, event_id)
    record["userIdentity"]["invokedBy"] = _ATHENA
    table = governed.table
    restricted = len(governed.access.columns) < len(table.all_columns) or governed.access.rows != RowFilter(True)
    return record | {
        "eventSource": "lakeformation.amazonaws.com",
        "eventName": "GetDataAccess",
        "sourceIPAddress": _ATHENA,
        "userAgent": _ATHENA,
        "requestParameters": {
            "tableArn": f"arn:aws:glue:{call.region}:{account}:table/{table.database}/{table.name}",
            "permissions": ["SELECT"],
            "auditContext": {"additionalAuditContext": f"{{queryId: {query_id}}}"},
            "cellLevelSecurityEnforced": restricted,
            "expectedTableId": table.table_id,
        },
        "responseElements": None,
        "additionalEventData": {
            "requesterService": "ATHENA",
            "LakeFormationTrustedCallerInvocation": "true",
            "lakeFormationPrincipal": call.principal.grantee_arn,
            "lakeFormationRoleSessionName": session,
        },
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": True,
        "resources": [{"type": "AWS::Glue::Table", "ARN": f"{table.database}.{table.name}", "accountId": account}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def outcome_record(call: Call, account: str, event_id: str, details: Mapping[str, Any], at: datetime) -> Record:
    """How a query ended. CloudTrail has no such event; its form is that of other AWS service events."""
    record = _envelope(call, account, event_id)
    record["eventTime"] = moment(at)
    record["userIdentity"]["invokedBy"] = _ATHENA
    return record | {
        "eventSource": _ATHENA,
        "eventName": "QueryExecutionCompleted",
        "sourceIPAddress": _ATHENA,
        "userAgent": _ATHENA,
        "requestParameters": None,
        "responseElements": None,
        "serviceEventDetails": dict(details),
        "requestID": call.request_id,
        "eventID": event_id,
        "readOnly": True,
        "resources": [],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def _envelope(call: Call, account: str, event_id: str) -> Record:
    return {
        "eventVersion": _VERSION,
        "userIdentity": user_identity(call.principal, account),
        "eventTime": moment(call.at),
        "eventSource": "",
        "eventName": "",
        "awsRegion": call.region,
        "eventID": event_id,
    }


def user_identity(principal: Principal, account: str) -> Record:
    """CloudTrail's userIdentity element."""
    if principal.type is PrincipalType.ANONYMOUS:
        if not principal.access_key_id:
            return {"type": "Unknown", "principalId": "ANONYMOUS", "accountId": "ANONYMOUS_PRINCIPAL"}
        return {"type": "Unknown", "accountId": account, "accessKeyId": principal.access_key_id}
    identity: Record = {
        "type": "IAMUser" if principal.type is PrincipalType.USER else principal.type.value,
        "principalId": principal.user_id,
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": principal.access_key_id,
    }
    if principal.type is PrincipalType.USER:
        identity["userName"] = principal.name
    session = principal.session
    if session is None:
        return identity
    context: Record = {
        "attributes": {
            "creationDate": moment(session.issued_at),
            "mfaAuthenticated": "true" if session.mfa else "false",
        }
    }
    if session.role_arn:
        context["sessionIssuer"] = {
            "type": "Role",
            "principalId": session.role_id,
            "arn": session.role_arn,
            "accountId": principal.account,
            "userName": session.role_name,
        }
    if session.source_identity:
        context["sourceIdentity"] = session.source_identity
    return identity | {"sessionContext": context}


def username_of(identity: Mapping[str, Any]) -> str:
    """What LookupEvents calls the user: the IAM user's name, or the role session's."""
    if "userName" in identity:
        return str(identity["userName"])
    return str(identity.get("arn", "")).rpartition("/")[2]


def moment(value: datetime) -> str:
    """``2026-01-31T09:30:00Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _resources(call: Call, account: str) -> list[Record]:
    if call.service == "s3" and call.params.get("Bucket"):
        bucket = {"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{call.params['Bucket']}", "accountId": account}
        if call.params.get("Key"):
            return [{"type": "AWS::S3::Object", "ARN": f"{bucket['ARN']}/{call.params['Key']}"}, bucket]
        return [bucket]
    if call.service == "sts" and call.params.get("RoleArn"):
        return [{"type": "AWS::IAM::Role", "ARN": call.params["RoleArn"], "accountId": account}]
    return []


def _shown(members: Mapping[str, Any], hidden: Paths) -> Record:
    return {_lower_camel(name): _value(value, name, hidden) for name, value in members.items() if value is not None}


def _value(value: Any, path: str, hidden: Paths) -> Any:
    # INVARIANT: what the model or the operation's table calls secret never enters the log.
    if path in hidden:
        return HIDDEN
    if isinstance(value, Mapping):
        starred = f"{path}.*" in hidden
        return {
            _lower_camel(str(key)): HIDDEN if starred else _value(item, _below(path, str(key), hidden), hidden)
            for key, item in value.items()
        }
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "..."
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value[:_LONGEST_TEXT]).decode("ascii")
    if isinstance(value, Sequence):
        return [_value(item, f"{path}.*", hidden) for item in value[:_LONGEST_LIST]]
    if isinstance(value, datetime):
        return moment(value)
    return value if isinstance(value, bool | int | float) else str(value)


def _below(path: str, key: str, hidden: Paths) -> str:
    """Maps are written ``path.*`` in the hidden paths, structures ``path.Member``."""
    starred = f"{path}.*"
    return starred if any(one.startswith(f"{starred}.") for one in hidden) else f"{path}.{key}"


def _lower_camel(name: str) -> str:
    found = _WORD.match(name)
    return name if found is None else found.group(0).lower() + name[found.end() :]
