"""Workgroups, their saved queries, and tags."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.query.errors import InvalidRequestException, ResourceNotFoundException
from lakewarden.query.model import NamedQuery, WorkGroup
from lakewarden.query.store import QueryStore

PRIMARY = "primary"
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,128}")
_LEAST_CUTOFF = 10_000_000
_MOST_TAGS = 50
_REFUSED = (
    "ManagedQueryResultsConfiguration", "RequesterPaysEnabled", "AdditionalConfiguration", "ExecutionRole",
    "MonitoringConfiguration", "EngineConfiguration", "CustomerContentEncryptionConfiguration",
    "EnableMinimumEncryptionConfiguration", "IdentityCenterConfiguration", "QueryResultsS3AccessGrantsConfiguration",
)  # fmt: skip
_REFUSED_RESULT = ("EncryptionConfiguration", "AclConfiguration")
Params = Mapping[str, Any]


class WorkGroups:
    """The workgroups of one account."""

    def __init__(self, store: QueryStore, account: str, region: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._region = region
        self._clock = clock

    def arn(self, name: str) -> str:
        """A workgroup's ARN."""
        return str(Arn("athena", self._region, self._account, f"workgroup/{name}"))

    def ensure_primary(self) -> None:
        """The workgroup ``primary`` always exists."""
        with self._store.write_groups() as records:
            if records.workgroup(PRIMARY) is None:
                records.put_workgroup(WorkGroup(name=PRIMARY, created=self._now()))

    def get(self, name: str) -> WorkGroup:
        """The workgroup; raises InvalidRequestException."""
        found = self._store.groups().by_name.get(name)
        if found is None:
            raise _no_group(name)
        return found

    def all(self) -> Sequence[WorkGroup]:
        """All workgroups by name."""
        return tuple(self._store.groups().by_name.values())

    def create(self, params: Params) -> None:
        """CreateWorkGroup; its configuration is enforced unless it says otherwise, as on AWS."""
        name = params["Name"]
        if not _NAME.fullmatch(name):
            raise InvalidRequestException("WorkGroup name is invalid.")
        configuration = params.get("Configuration") or {}
        group = _configured(
            WorkGroup(name=name, created=self._now(), description=params.get("Description") or "", enforced=True),
            configuration,
            configuration.get("ResultConfiguration") or {},
            self._account,
        )
        tags = _tags(params.get("Tags") or ())
        with self._store.write_groups() as records:
            if records.workgroup(name) is not None:
                raise InvalidRequestException(f"WorkGroup {name} is already created")
            records.put_workgroup(group)
            records.put_tags(self.arn(name), tags)

    def update(self, params: Params) -> None:
        """UpdateWorkGroup."""
        updates = params.get("ConfigurationUpdates") or {}
        results = updates.get("ResultConfigurationUpdates") or {}
        with self._store.write_groups() as records:
            group = records.workgroup(params["WorkGroup"])
            if group is None:
                raise _no_group(params["WorkGroup"])
            if params.get("Description") is not None:
                group = msgspec.structs.replace(group, description=params["Description"])
            if params.get("State"):
                group = msgspec.structs.replace(group, enabled=params["State"] == "ENABLED")
            if results.get("RemoveOutputLocation"):
                group = msgspec.structs.replace(group, output="")
            if updates.get("RemoveBytesScannedCutoffPerQuery"):
                group = msgspec.structs.replace(group, cutoff_bytes=0)
            records.put_workgroup(_configured(group, updates, results, self._account))

    def delete(self, name: str, *, recursive: bool) -> None:
        """DeleteWorkGroup; with ``recursive`` also what is saved in it. The history of what ran stays."""
        if name == PRIMARY:
            raise InvalidRequestException("The primary WorkGroup cannot be deleted.")
        with self._store.write_groups() as records:
            if records.workgroup(name) is None:
                raise _no_group(name)
            named, prepared = records.all_named(name), records.all_prepared(name)
            if not recursive and (named or prepared or records.has_executions(name)):
                raise InvalidRequestException(f"WorkGroup {name} is not empty")
            for query in named:
                records.remove_named(query.id)
            for statement in prepared:
                records.remove_prepared(name, statement.name)
            records.put_tags(self.arn(name), {})
            records.remove_workgroup(name)

    # Saved queries

    def save(self, call: Call, params: Params) -> str:
        """CreateNamedQuery: the same token of the same caller gives the same query."""
        group = self.get(params.get("WorkGroup") or PRIMARY).name
        owner, token = call.principal.grantee_arn, params.get("ClientRequestToken") or ""
        query = NamedQuery(
            id=str(uuid.uuid4()),
            workgroup=group,
            name=params["Name"],
            database=params["Database"],
            text=params["QueryString"],
            description=params.get("Description") or "",
            owner=owner,
            created=self._now(),
            token=token,
        )
        with self._store.write() as records:
            for one in records.all_named(group) if token else ():
                if (one.owner, one.token) == (owner, token):
                    if (one.name, one.text, one.database) != (query.name, query.text, query.database):
                        raise InvalidRequestException("Idempotent parameters do not match")
                    return one.id
            records.put_named(query)
        return query.id

    def named(self, query_id: str) -> NamedQuery:
        """GetNamedQuery; raises InvalidRequestException."""
        with self._store.read() as records:
            found = records.named(query_id)
        if found is None:
            raise InvalidRequestException(f"NamedQuery {query_id} was not found")
        return found

    def all_named(self, workgroup: str) -> Sequence[NamedQuery]:
        """ListNamedQueries, newest first."""
        self.get(workgroup)
        with self._store.read() as records:
            return records.all_named(workgroup)

    def update_named(self, params: Params) -> None:
        """UpdateNamedQuery."""
        found = self.named(params["NamedQueryId"])
        changed = msgspec.structs.replace(
            found,
            name=params["Name"],
            text=params["QueryString"],
            description=params.get("Description", found.description),
        )
        with self._store.write() as records:
            records.put_named(changed)

    def delete_named(self, query_id: str) -> None:
        """DeleteNamedQuery."""
        self.named(query_id)
        with self._store.write() as records:
            records.remove_named(query_id)

    # Tags

    def tags(self, arn: str) -> Mapping[str, str]:
        """ListTagsForResource; raises ResourceNotFoundException."""
        with self._store.read() as records:
            self._check_taggable(arn, records.workgroup(arn.rpartition("/")[2]) is not None)
            return records.tags(arn)

    def tags_of(self, workgroup: str) -> Mapping[str, str]:
        """A workgroup's tags, for the conditions of policies; none where it does not exist."""
        return self._store.groups().tags.get(self.arn(workgroup), {})

    def tag(self, arn: str, members: Sequence[Mapping[str, str]]) -> None:
        """TagResource."""
        added = _tags(members)
        with self._store.write_groups() as records:
            self._check_taggable(arn, records.workgroup(arn.rpartition("/")[2]) is not None)
            tags = {**records.tags(arn), **added}
            if len(tags) > _MOST_TAGS:
                raise InvalidRequestException(f"A resource has at most {_MOST_TAGS} tags.")
            records.put_tags(arn, tags)

    def untag(self, arn: str, keys: Sequence[str]) -> None:
        """UntagResource."""
        with self._store.write_groups() as records:
            self._check_taggable(arn, records.workgroup(arn.rpartition("/")[2]) is not None)
            records.put_tags(arn, {key: value for key, value in records.tags(arn).items() if key not in keys})

    def _check_taggable(self, arn: str, exists: bool) -> None:
        catalog = str(Arn("athena", self._region, self._account, "datacatalog/AwsDataCatalog"))
        if arn != catalog and not (exists and arn == self.arn(arn.rpartition("/")[2])):
            raise ResourceNotFoundException(f"{arn[:200]} was not found", {"ResourceName": arn[:200]})

    def _now(self) -> str:
        return self._clock().isoformat()


def _configured(group: WorkGroup, configuration: Params, results: Params, account: str) -> WorkGroup:
    """The workgroup with what a configuration says; raises for what is not offered here."""
    for name in _REFUSED:
        value = configuration.get(name)
        if value and not (isinstance(value, Mapping) and value.get("Enabled") is False):
            raise InvalidRequestException(f"{name} is not supported.")
    check_results(results, account)
    version = (configuration.get("EngineVersion") or {}).get("SelectedEngineVersion") or "AUTO"
    if version not in {"AUTO", "Athena engine version 3"}:
        raise InvalidRequestException(f"The engine version {version} is not supported.")
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < _LEAST_CUTOFF:
        raise InvalidRequestException(f"BytesScannedCutoffPerQuery must be at least {_LEAST_CUTOFF}.")
    return msgspec.structs.replace(
        group,
        output=_location(results["OutputLocation"]) if results.get("OutputLocation") else group.output,
        enforced=configuration.get("EnforceWorkGroupConfiguration", group.enforced),
        cutoff_bytes=cutoff or group.cutoff_bytes,
        metrics=configuration.get("PublishCloudWatchMetricsEnabled", group.metrics),
    )


def check_results(results: Params, account: str) -> None:
    """Raise for a ResultConfiguration that asks for what is not done here, rather than ignore it."""
    for name in _REFUSED_RESULT:
        if results.get(name):
            raise InvalidRequestException(f"{name} is not supported.")
    if results.get("ExpectedBucketOwner", account) != account:
        raise InvalidRequestException("ExpectedBucketOwner is not the owner of the bucket.")


def _location(text: str) -> str:
    if not text.startswith("s3://") or len(text) > 900 or not text[5:].strip("/"):
        raise InvalidRequestException("outputLocation is not a valid S3 path.")
    return text


def _tags(members: Sequence[Mapping[str, str]]) -> dict[str, str]:
    tags = {one.get("Key") or "": one.get("Value") or "" for one in members}
    if len(tags) != len(members) or any(not key or key.lower().startswith("aws:") for key in tags):
        raise InvalidRequestException("Tag keys must be given once each, and not begin with aws:")
    return tags


def _no_group(name: str) -> InvalidRequestException:
    return InvalidRequestException(f"WorkGroup {name} is not found.")
