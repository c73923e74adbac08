"""CloudTrail records, built from calls. Pure.

CloudTrail User Guide, "CloudTrail record contents"; field values as SEMANTICS says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakewarden.audit.resources import resources_of, table_resource
from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import GovernedTable, RowFilter

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
OMITTED = "***OMITTED***"
_VERSION = "1.11"
_LONGEST_TEXT = 4096
_LONGEST_NAME = 128
_REQUESTERS = {"athena": "ATHENA", "cloudtrail": "CLOUDTRAIL"}
_CLOUDTRAIL = "cloudtrail.amazonaws.com"
_METHODS = {"REST-HEADER": "AuthHeader", "REST-QUERY-STRING": "QueryString", "POST": "HtmlForm"}
_STATEMENTS = ("queryString", "queryStatement")
_IDENTITY_TYPES = {PrincipalType.USER: "IAMUser", PrincipalType.ACCOUNT: "Root"}
_SOURCES = {
    "sso-admin": "sso.amazonaws.com",
    "sso-oidc": "sso.amazonaws.com",
    "sso": "sso.amazonaws.com",
}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call's record shows: its parameters and answer without secrets, and what kind of event it is.

    ``answer`` is empty for a call that only reads, but for STS: what that hands out is on the record. ``bytes_in`` and
    ``bytes_out`` are those of an object's body, None where there is none.
    """

    read_only: bool
    data_event: bool
    params: Mapping[str, Any]
    answer: Mapping[str, Any]
    bytes_in: int | None = None
    bytes_out: int | None = None


def event_source(service: str) -> str:
    """``athena`` -> ``athena.amazonaws.com``."""
    return _SOURCES.get(service, f"{service or 'unknown'}.amazonaws.com")


def call_record(call: Call, shown: Shown, account: str, event_id: str, error: AwsError | None) -> Record:
    """The record of an API call: allowed, denied or failed."""
    record = _envelope(call, account, event_id)
    record |= {
        "eventSource": event_source(call.service[:_LONGEST_NAME]),
        "eventName": call.operation[:_LONGEST_NAME] or "Unknown",
        "sourceIPAddress": call.source_ip,
        "userAgent": call.user_agent[:_LONGEST_TEXT],
    }
    if error is not None:
        record |= {"errorCode": error.code, "errorMessage": error.message[:_LONGEST_TEXT]}
    parameters: Record = dict(shown.params)
    if call.service in _REQUESTERS:
        # As AWS: the text of a statement is not for everybody who may read the trail.
        parameters |= {name: OMITTED for name in _STATEMENTS if name in parameters}
    responds = error is None and bool(shown.answer)
    record |= {
        "requestParameters": parameters or None,
        "responseElements": dict(shown.answer) if responds else None,
        **_additional(call, shown),
        "requestID": call.request_id,
        "eventID": event_id,
        "readOnly": shown.read_only,
        "resources": resources_of(call, account),
        "eventType": "AwsApiCall",
        "managementEvent": not shown.data_event,
        "recipientAccountId": account,
        "eventCategory": "Data" if shown.data_event else "Management",
    }
    return record


def _additional(call: Call, shown: Shown) -> Record:
    """S3's additionalEventData: how the caller proved who it is, and how much went over the wire."""
    moved = {"bytesTransferredIn": shown.bytes_in, "bytesTransferredOut": shown.bytes_out}
    found: Record = {name: size for name, size in moved.items() if size is not None}
    if call.auth_type in _METHODS:
        found |= {"SignatureVersion": "SigV4", "AuthenticationMethod": _METHODS[call.auth_type]}
    return {"additionalEventData": found} if found else {}


def data_access_record(
    call: Call,
    account: str,
    event_id: str,
    request_id: str,
    session: str,
    query_id: str,
    governed: GovernedTable,
    permissions: Sequence[str] = ("SELECT",),
) -> Record:
    """GetDataAccess: for each governed table that a query reads or adds to, before a byte is read or written."""
    record = _envelope(call, account, event_id)
    via = event_source(call.service)
    record["userIdentity"]["invokedBy"] = via
    table = governed.table
    restricted = "SELECT" in permissions and (
        len(governed.access.columns) < len(table.all_columns) or governed.access.rows != RowFilter(True)
    )
    return record | {
        "eventSource": "lakeformation.amazonaws.com",
        "eventName": "GetDataAccess",
        "sourceIPAddress": via,
        "userAgent": via,
        "requestParameters": {
            "tableArn": f"arn:aws:glue:{call.region}:{account}:table/{table.database}/{table.name}",
            "permissions": list(permissions),
            "auditContext": {"additionalAuditContext": f"{{queryId: {query_id}}}"},
            "cellLevelSecurityEnforced": restricted,
            "expectedTableId": table.table_id,
        },
        "responseElements": None,
        "additionalEventData": {
            "requesterService": _REQUESTERS.get(call.service, "ATHENA"),
            "LakeFormationTrustedCallerInvocation": "true",
            "lakeFormationPrincipal": call.principal.grantee_arn,
            "lakeFormationRoleSessionName": session,
        },
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": True,
        "resources": [table_resource(call, account, table.database, table.name)],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def outcome_record(call: Call, account: str, event_id: str, details: Mapping[str, Any], at: datetime) -> Record:
    """How a query ended. CloudTrail has no such event; its form is that of other AWS service events."""
    record = _envelope(call, account, event_id)
    record["eventTime"] = moment(at)
    via = event_source(call.service)
    record["userIdentity"]["invokedBy"] = via
    return record | {
        "eventSource": via,
        "eventName": "QueryExecutionCompleted",
        "sourceIPAddress": via,
        "userAgent": via,
        "requestParameters": None,
        "responseElements": None,
        "serviceEventDetails": {
            **details,
            "completedAt": at.isoformat(timespec="milliseconds"),
            "clientAddress": call.source_ip,
            "clientAgent": call.user_agent[:_LONGEST_TEXT],
        },
        "requestID": call.request_id,
        "eventID": event_id,
        "readOnly": True,
        "resources": [
            table_resource(call, account, *str(one["table"]).split(".", 1)) for one in details.get("tables") or ()
        ],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def service_record(
    name: str, account: str, region: str, event_id: str, details: Mapping[str, Any], at: datetime
) -> Record:
    """Something that the server did to the trail by itself."""
    return {
        "eventVersion": _VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": _CLOUDTRAIL, "accountId": account},
        "eventTime": moment(at),
        "eventSource": _CLOUDTRAIL,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": _CLOUDTRAIL,
        "userAgent": _CLOUDTRAIL,
        "requestParameters": None,
        "responseElements": None,
        "serviceEventDetails": dict(details),
        "requestID": event_id,
        "eventID": event_id,
        "readOnly": False,
        "resources": [],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def is_service_record(record: Mapping[str, Any], name: str) -> bool:
    """Whether a record is one of :func:`service_record`; nothing that a caller names or sends can look like one."""
    identity = record.get("userIdentity")
    return (
        record.get("eventType") == "AwsServiceEvent"
        and record.get("eventName") == name
        and isinstance(identity, Mapping)
        and identity.get("type") == "AWSService"
    )


def accessed(governed: GovernedTable, columns: Sequence[str]) -> Record:
    """What a query does with a table: the columns it reads, under which filters, and the grants that allow it."""
    access = governed.access
    filters = [] if access.rows.all_rows else list(access.rows.expressions) or ["false"]
    return {
        "table": f"{governed.table.database}.{governed.table.name}",
        "columns": list(columns),
        "filters": filters,
        "because": list(access.because),
        "mode": access.mode.value,
        "location": governed.table.location,
    }


def with_accesses(tables: object, accesses: Mapping[str, Mapping[str, object]]) -> list[Record]:
    """The tables of a query's outcome: what its context tells of each, and what was recorded when it was opened."""
    told = tables if isinstance(tables, list) else []
    merged = {name: dict(one) for name, one in accesses.items()}
    for one in told:
        name = str(one["table"])
        merged[name] = merged.get(name, {}) | dict(one)
    return list(merged.values())


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
    """CloudTrail's userIdentity element (User Guide, "CloudTrail userIdentity element")."""
    match principal.type:
        case PrincipalType.ANONYMOUS if principal.access_key_id:
            return {"type": "Unknown", "accountId": account, "accessKeyId": principal.access_key_id}
        case PrincipalType.ANONYMOUS:
            return {"type": "AWSAccount", "principalId": "ANONYMOUS", "accountId": "ANONYMOUS_PRINCIPAL"}
        case PrincipalType.SERVICE:
            return {"type": "AWSService", "invokedBy": principal.name}
        case PrincipalType.WEB_IDENTITY_USER | PrincipalType.SAML_USER:
            return {
                "type": principal.type.value,
                "principalId": f"{principal.name}:{principal.user_id}",
                "userName": principal.user_id,
                "identityProvider": principal.name,
            }
    identity: Record = {
        "type": _IDENTITY_TYPES.get(principal.type, principal.type.value),
        "principalId": principal.user_id,
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": principal.access_key_id,
    }
    if principal.type is PrincipalType.USER:
        identity["userName"] = principal.name
    if principal.session is not None:
        identity["sessionContext"] = _session_context(principal, principal.session)
    return identity


def _session_context(principal: Principal, session: Session) -> Record:
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
    elif principal.issuer_arn:
        context["sessionIssuer"] = {
            "type": "IAMUser",
            "arn": principal.issuer_arn,
            "accountId": principal.account,
            "userName": principal.issuer_arn.rpartition("/")[2],
        }
    if session.provider:
        context["webIdFederationData"] = {"federatedProvider": session.provider, "attributes": {}}
    if session.source_identity:
        context["sourceIdentity"] = session.source_identity
    return context


def person_of(identity: Mapping[str, Any]) -> str:
    """Who acted: the source identity where the role is shared, else the user's or the session's name."""
    context = identity.get("sessionContext") or {}
    return str(context.get("sourceIdentity") or username_of(identity))


def username_of(identity: Mapping[str, Any]) -> str:
    """What LookupEvents calls the user: the IAM user's name, or the role session's."""
    if "userName" in identity:
        return str(identity["userName"])
    return str(identity.get("arn", "")).rpartition("/")[2]


def moment(value: datetime) -> str:
    """``2026-01-31T09:30:00Z``."""
    return value.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"
