"""``catalog.crawlers.RoleLake``: the lake as a crawler's role may see it."""

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lakewarden.adapters.glue_rights import GlueRights
from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import Shown, call_record
from lakewarden.catalog.crawl_plan import DEPRECATED, MADE_BY, differs, merged
from lakewarden.catalog.errors import AlreadyExistsException, InvalidInputException
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.identity.directory import Directory
from lakewarden.kernel.arn import Arn, iam, s3
from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AccessDeniedException
from lakewarden.kernel.lake import DataFile
from lakewarden.storage.service import StorageService, split_uri

_SERVICE = "glue.amazonaws.com"
_SESSION = "AWS-Crawler"
_HOURS = 12
_LOOK_SECONDS = 120
_PAGE = 1000


class CrawlerRoleLake:
    """Asks IAM on S3 and Glue, and Lake Formation, for everything in the role's name, and puts it on the record."""

    def __init__(
        self,
        catalog: CatalogService,
        partitions: PartitionService,
        storage: StorageService,
        guard: Guard,
        directory: Directory,
        log: AuditLog,
        clock: Clock,
        account: str,
        region: str,
    ) -> None:
        self._catalog = catalog
        self._partitions = partitions
        self._storage = storage
        self._guard = guard
        self._glue = GlueRights(guard, catalog.attached, account, region, {})
        self._directory = directory
        self._log = log
        self._clock = clock
        self._account = account
        self._region = region

    def session(self, role: str, crawler: str) -> Call:
        """A call in the role's name; raises AccessDenied when there is no such role, or it does not trust Glue."""
        found = self._directory.role(role.rpartition("/")[2])
        if found is None or iam(self._account, found.resource) != role or not _trusts_glue(found.trust):
            raise AccessDeniedException(f"Service is unable to assume provided role {role}.")
        now = self._clock()
        session = Session(
            now, now + timedelta(hours=_HOURS), _SESSION, role_arn=role, role_id=found.id, role_name=found.name
        )
        arn = str(Arn("sts", "", self._account, f"assumed-role/{found.name}/{_SESSION}"))
        principal = Principal(
            PrincipalType.ASSUMED_ROLE, self._account, arn, f"{found.id}:{_SESSION}", found.name, "", session, found.tags
        )  # fmt: skip
        params = {"Name": crawler}
        return Call(
            principal, "glue", "StartCrawler", params, str(uuid.uuid4()), now, self._region, user_agent=_SERVICE
        )

    def files(self, call: Call, location: str) -> Sequence[DataFile]:
        """The data objects below a location, which the role may list and read; others' query results are not there."""
        bucket, prefix = split_uri(location)
        prefix = prefix.rstrip("/")
        policy = self._storage.policy(bucket)
        for action, resource, context in (
            ("s3:ListBucket", bucket, {"s3:prefix": f"{prefix}/" if prefix else ""}),
            ("s3:GetObject", f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*", {}),
        ):
            self._guard.require(call, Access(action, s3(resource), context, policy))
        return [one for one in self._storage.files_under(location) if self._may_read(call, one)]

    def _may_read(self, call: Call, file: DataFile) -> bool:
        bucket, key = split_uri(file.uri)
        stored = self._storage.find(bucket, key)
        if stored is None or (stored.owner and stored.owner != call.principal.grantee_arn):
            return False
        access = Access("s3:GetObject", s3(f"{bucket}/{key}"), {}, self._storage.policy(bucket))
        return self._guard.check(call, access).allowed

    def look(
        self, call: Call, files: Sequence[DataFile], classifiers: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """What the files are, found out in a confined process of its own; each is on the record before it is opened."""
        for file in files:
            bucket, key = split_uri(file.uri)
            self._record(call, "s3", "GetObject", {"bucketName": bucket, "key": key}, read=True)
        request = json.dumps({"paths": [file.path for file in files], "classifiers": list(classifiers)})
        command = [sys.executable, "-m", "lakewarden.engines.duckdb.sniff"]
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                command, input=request, capture_output=True, text=True, timeout=_LOOK_SECONDS, check=True,
                env=environment, cwd="/",
            )  # fmt: skip
            answer = json.loads(done.stdout)
        except (subprocess.SubprocessError, ValueError) as error:
            raise InvalidInputException("The files could not be looked at.") from error
        found: Sequence[Mapping[str, Any]] = answer["files"]
        return found

    def present(self, call: Call, database: str, name: str) -> Mapping[str, Any] | None:
        """A table's document, as far as the role sees it; None for hidden and absent ones."""
        database = database.lower()
        self._glue.require_table(call, "glue:GetTable", database, name)
        if self._catalog.find(call.principal, database, name) is None:
            return None
        return self._catalog.table(call.principal, database, name)[1].document

    def save(self, call: Call, database: str, document: Mapping[str, Any], *, update: bool, merge: bool) -> str:
        """Create or update a table; answers ``created``, ``updated`` or nothing."""
        database, name = database.lower(), document["Name"]
        self._glue.require_table(call, "glue:GetTable", database, name)
        present = self._catalog.find(call.principal, database, name)
        if present is None:
            self._glue.require_table(call, "glue:CreateTable", database, name)
            self._catalog.create_table(call.principal, database, document)
            self._record(call, "glue", "CreateTable", {"databaseName": database, "tableInput": {"name": name}})
            return "created"
        if present.table.location.rstrip("/") != document["StorageDescriptor"]["Location"].rstrip("/"):
            raise InvalidInputException(f"Table {name} lies elsewhere, and is left as it is.")
        _, record = self._catalog.table(call.principal, database, name)
        wanted = merged(record, document) if merge else document
        if not update or not differs(record, wanted):
            return ""
        self._glue.require_table(call, "glue:UpdateTable", database, name)
        self._catalog.update_table(call.principal, database, wanted, str(record.version))
        self._record(call, "glue", "UpdateTable", {"databaseName": database, "tableInput": {"name": name}})
        return "updated"

    def save_partitions(
        self, call: Call, database: str, table: str, partitions: Sequence[tuple[tuple[str, ...], Mapping[str, Any]]]
    ) -> int:
        """Add the partitions that are not there; answers how many."""
        database = database.lower()
        self._glue.require_table(call, "glue:BatchCreatePartition", database, table)
        added = 0
        for values, storage in partitions:
            with contextlib.suppress(AlreadyExistsException):
                document = {"Values": list(values), "StorageDescriptor": storage}
                self._partitions.create(call.principal, database, table, document)
                added += 1
        if added:
            self._record(call, "glue", "BatchCreatePartition", {"databaseName": database, "tableName": table})
        return added

    def drop_partitions(self, call: Call, database: str, table: str, below: str, kept: Set[tuple[str, ...]]) -> None:
        """Remove the partitions that lie below a place and are not ``kept``."""
        database = database.lower()
        self._glue.require_table(call, "glue:GetPartitions", database, table)
        gone: list[tuple[str, ...]] = []
        token: str | None = None
        while token is None or token:
            page, token = self._partitions.page(call.principal, database, table, token=token, limit=_PAGE)
            gone += [one.values for one in page if one.values not in kept and one.location.startswith(below)]
        if not gone:
            return
        self._glue.require_table(call, "glue:BatchDeletePartition", database, table)
        for values in gone:
            self._partitions.delete(call.principal, database, table, values)
        self._record(call, "glue", "BatchDeletePartition", {"databaseName": database, "tableName": table})

    def made_by(self, call: Call, database: str, crawler: str) -> Sequence[Mapping[str, Any]]:
        """The tables that the role sees and the crawler made."""
        database = database.lower()
        self._glue.require_table(call, "glue:GetTables", database, "*")
        shown = self._catalog.tables(call.principal, database)
        return [one.document for _, one in shown if (one.document.get("Parameters") or {}).get(MADE_BY) == crawler]

    def drop(self, call: Call, database: str, name: str) -> None:
        """Delete a table."""
        database = database.lower()
        self._glue.require_table(call, "glue:DeleteTable", database, name)
        self._catalog.delete_table(call.principal, database, name)
        self._record(call, "glue", "DeleteTable", {"databaseName": database, "name": name})

    def deprecate(self, call: Call, database: str, name: str) -> None:
        """Mark a table as one whose files are gone."""
        database = database.lower()
        self._glue.require_table(call, "glue:UpdateTable", database, name)
        _, record = self._catalog.table(call.principal, database, name)
        since = str(int(self._clock().timestamp() * 1000))
        marked = {**record.document, "Parameters": {**(record.document.get("Parameters") or {}), DEPRECATED: since}}
        self._catalog.update_table(call.principal, database, marked, str(record.version))
        self._record(call, "glue", "UpdateTable", {"databaseName": database, "tableInput": {"name": name}})

    def _record(
        self, call: Call, service: str, operation: str, params: Mapping[str, Any], *, read: bool = False
    ) -> None:
        asked = replace(call, service=service, operation=operation, request_id=str(uuid.uuid4()), at=self._clock())
        shown = Shown(read, service == "s3", params, {})
        record = call_record(asked, shown, self._account, str(uuid.uuid4()), None)
        record["userIdentity"]["invokedBy"] = _SERVICE
        record["sourceIPAddress"] = _SERVICE
        # INVARIANT (no_answer_without_audit): durable before what it tells of is done.
        self._log.append(record).result()


def _trusts_glue(trust: str) -> bool:
    """Whether a role's trust policy lets Glue take it, unconditionally."""
    statements = json.loads(trust)["Statement"]
    for one in statements if isinstance(statements, list) else [statements]:
        principal = one.get("Principal")
        services = principal.get("Service", ()) if isinstance(principal, Mapping) else ()
        named = [services] if isinstance(services, str) else services
        if one.get("Effect") == "Allow" and _SERVICE in named and not one.get("Condition"):
            return True
    return False
