"""The resources that a call names: the ``resources`` of its record, and what LookupEvents finds it by. Pure."""

from collections.abc import Mapping
from typing import Any

from lakewarden.audit import datastores
from lakewarden.kernel.arn import Arn, iam, s3
from lakewarden.kernel.call import Call

_IAM = {
    "UserName": ("AWS::IAM::User", "user/"),
    "RoleName": ("AWS::IAM::Role", "role/"),
    "GroupName": ("AWS::IAM::Group", "group/"),
    "InstanceProfileName": ("AWS::IAM::InstanceProfile", "instance-profile/"),
}
_NAMED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("athena", "WorkGroup"): ("AWS::Athena::WorkGroup", "workgroup/"),
    ("sagemaker", "DomainId"): ("AWS::SageMaker::Domain", "domain/"),
}
_TRAILS = ("CreateTrail", "UpdateTrail", "DeleteTrail", "GetTrail", "StartLogging", "StopLogging", "GetTrailStatus")
_LONGEST_NAME = 1024
_S3_ARN = "arn:aws:s3:::"


def resources_of(call: Call, account: str) -> list[dict[str, Any]]:
    """CloudTrail's ``resources``: type, ARN, account."""
    found = [(kind, arn[:_LONGEST_NAME]) for kind, arn in _pairs(call, account)]
    return [{"type": kind, "ARN": arn, "accountId": account} for kind, arn in dict.fromkeys(found)]


def table_resource(call: Call, account: str, database: str, table: str) -> dict[str, Any]:
    """A governed table."""
    arn = str(Arn("glue", call.region, account, f"table/{database}/{table}"))
    return {"type": "AWS::Glue::Table", "ARN": arn, "accountId": account}


def names_of(arn: str) -> tuple[str, ...]:
    """The names by which LookupEvents finds a resource: its ARN, and the short form that people use."""
    if arn.startswith(_S3_ARN):
        return (arn, arn.removeprefix(_S3_ARN))
    try:
        parsed = Arn.parse(arn)
    except ValueError:
        return (arn,)
    kind, _, name = parsed.resource.partition("/")
    if parsed.service == "glue" and kind == "table":
        name = name.replace("/", ".", 1)
    return (arn, name) if name else (arn,)


def _pairs(call: Call, account: str) -> list[tuple[str, str]]:
    params, service = call.params, call.service
    if service == "s3":
        return _objects(params)
    if service == "glue":
        return _catalog(call, account)
    found: list[tuple[str, str]] = []
    if service == "iam":
        found += [
            (kind, iam(account, f"{prefix}{params[name]}"))
            for name, (kind, prefix) in _IAM.items()
            if _text(params, name)
        ]
        found += [("AWS::IAM::Policy", params["PolicyArn"])] if _text(params, "PolicyArn") else []
    if service == "sts" and _text(params, "RoleArn"):
        found.append(("AWS::IAM::Role", params["RoleArn"]))
    if service == "cloudtrail" and call.operation in _TRAILS and _text(params, "Name"):
        name = params["Name"]
        arn = name if name.startswith("arn:") else str(Arn("cloudtrail", call.region, account, f"trail/{name}"))
        found.append(("AWS::CloudTrail::Trail", arn))
    if service == "cloudtrail":
        found += [("AWS::CloudTrail::EventDataStore", arn) for arn in _data_stores(call, account)]
    for (owner, member), (kind, prefix) in _NAMED.items():
        if service == owner and _text(params, member):
            found.append((kind, str(Arn(service, call.region, account, f"{prefix}{params[member]}"))))
    return found


def _data_stores(call: Call, account: str) -> list[str]:
    """The event data stores of CloudTrail Lake that a call names or that its statement reads."""
    names = datastores.stores_in(call.params.get("QueryStatement"))
    store = _text(call.params, "EventDataStore").rpartition("/")[2]
    names += tuple(name for name, found in datastores.IDS.items() if found == store)
    return [datastores.arn_of(name, account, call.region) for name in names]


def _objects(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not _text(params, "Bucket"):
        return []
    bucket = ("AWS::S3::Bucket", s3(params["Bucket"]))
    if not _text(params, "Key"):
        return [bucket]
    return [("AWS::S3::Object", s3(f"{params['Bucket']}/{params['Key']}")), bucket]


def _catalog(call: Call, account: str) -> list[tuple[str, str]]:
    params = call.params
    database = _text(params, "DatabaseName")
    inputs = params.get("TableInput") or params.get("DatabaseInput") or {}
    name = _text(params, "TableName") or _text(params, "Name") or _text(inputs, "Name")
    if database and name:
        return [("AWS::Glue::Table", str(Arn("glue", call.region, account, f"table/{database}/{name}".lower())))]
    if (database or name) and ("Database" in call.operation or database):
        return [("AWS::Glue::Database", str(Arn("glue", call.region, account, f"database/{database or name}".lower())))]
    return []


def _text(members: Any, name: str) -> str:
    """A member where it is a text that is not empty; attempts can hold anything."""
    value = members.get(name) if isinstance(members, Mapping) else None
    return value if isinstance(value, str) else ""
