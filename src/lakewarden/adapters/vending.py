"""What credential vending needs of identity and of the audit log."""

import contextlib
import json
import uuid
from collections.abc import Iterable, Set
from datetime import datetime

import msgspec

from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import data_access_record
from lakewarden.identity.directory import Directory
from lakewarden.identity.errors import EntityAlreadyExists
from lakewarden.identity.model import Role
from lakewarden.identity.profiles import LinkedRoles
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import issue, seal
from lakewarden.identity.store import IdentityStore
from lakewarden.kernel.arn import Arn, iam, s3
from lakewarden.kernel.call import Call, Session
from lakewarden.kernel.errors import AccessDeniedException
from lakewarden.kernel.lake import NO_ROWS, AccessMode, GovernedTable, Table, TableAccess
from lakewarden.permissions.locations import path_of
from lakewarden.permissions.ports import Vended
from lakewarden.permissions.store import PermissionStore
from lakewarden.permissions.trust import SESSION_TAG

SERVICE_ROLE = "AWSServiceRoleForLakeFormationDataAccess"
_SERVICE = "lakeformation.amazonaws.com"
_PATH = f"/aws-service-role/{_SERVICE}/"
_TRUST = [{"Effect": "Allow", "Principal": {"Service": _SERVICE}, "Action": "sts:AssumeRole"}]
_POLICY = "LakeFormationDataAccessServiceRolePolicy"
_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


class RegisteredRoleSessions:
    """Implements ``permissions.ports.RoleSessions``: sessions of the roles that locations are registered with.

    The service-linked role is made when it is first needed, and may reach the locations registered with it only.
    """

    def __init__(
        self,
        identities: IdentityStore,
        linked: LinkedRoles,
        directory: Directory,
        ring: KeyRing,
        store: PermissionStore,
        account: str,
    ) -> None:
        self._identities = identities
        self._linked = linked
        self._directory = directory
        self._ring = ring
        self._store = store
        self._account = account

    def issue(self, call: Call, role_arn: str, session_name: str, policy: str, ends: datetime) -> Vended:
        """A session of the role, limited by ``policy``; raises AccessDenied when the role is gone."""
        role = self._role(role_arn)
        held = call.principal.session
        session = Session(
            issued_at=call.at.replace(microsecond=0),
            expires_at=ends,
            session_name=session_name,
            role_arn=role_arn,
            role_id=role.id,
            role_name=role.name,
            source_identity=held.source_identity if held is not None else "",
            policies=(policy,),
        )
        made = issue(session)
        return Vended(made.key_id, made.secret, seal(self._ring, made), ends)

    def _role(self, role_arn: str) -> Role:
        if role_arn == iam(self._account, f"role{_PATH}{SERVICE_ROLE}"):
            self._ensure_service_role(role_arn)
        role = self._directory.role(role_arn.rpartition("/")[2])
        if role is None or iam(self._account, role.resource) != role_arn:
            raise AccessDeniedException(f"The role that the location is registered with does not exist: {role_arn}")
        return role

    def _ensure_service_role(self, role_arn: str) -> None:
        with self._store.read() as records:
            paths = sorted(path_of(one.arn) for one in records.locations() if one.role_arn == role_arn)
        document = json.dumps(_service_policy(paths))
        role = self._directory.role(SERVICE_ROLE)
        if role is not None and role.inline.get(_POLICY) == document:
            return
        with contextlib.suppress(EntityAlreadyExists):
            self._linked.create(_SERVICE, "", "")
        with self._identities.write() as identities:
            found = identities.get(Role, SERVICE_ROLE)
            # INVARIANT (no_escalation): a role of this name that is not the service's own is given nothing.
            if found is None or found.path != _PATH or json.loads(found.trust)["Statement"] != _TRUST:
                raise AccessDeniedException(f"{SERVICE_ROLE} is not the service's own role.")
            identities.put(msgspec.structs.replace(found, inline={**found.inline, _POLICY: document}))


def _service_policy(paths: Iterable[str]) -> dict[str, object]:
    held = list(paths)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(_ACTIONS), "Resource": [s3(f"{path}/*") for path in held]},
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": [s3(bucket) for bucket in sorted({path.partition("/")[0] for path in held})],
            },
        ],
    }


class AuditedDisclosures:
    """Implements ``permissions.ports.Disclosures``."""

    def __init__(self, log: AuditLog, account: str) -> None:
        self._log = log
        self._account = account

    def data_access(
        self,
        call: Call,
        governed: GovernedTable | None,
        location: str,
        permissions: Set[str],
        session_name: str,
        context: str,
    ) -> None:
        """One GetDataAccess record; durable when it returns. Its session name is that of the S3 events to come."""
        about = governed or GovernedTable(Table("", "", ()), TableAccess(AccessMode.NONE, frozenset(), (), NO_ROWS))
        record = data_access_record(
            call, self._account, str(uuid.uuid4()), str(uuid.uuid4()), session_name, call.request_id, about
        )
        del record["userIdentity"]["invokedBy"]
        asked = {
            **record["requestParameters"],
            "permissions": sorted(permissions),
            "auditContext": {"additionalAuditContext": context},
        }
        if governed is None:
            asked = {"dataLocations": [location], "permissions": sorted(permissions)}
            arn = str(Arn("s3", "", "", path_of(location)))
            record["resources"] = [{"type": "AWS::S3::Object", "ARN": arn, "accountId": self._account}]
        session = call.principal.session
        caller = session.tags.get(SESSION_TAG, "") if session is not None else ""
        record |= {
            "sourceIPAddress": call.source_ip,
            "userAgent": call.user_agent,
            "requestParameters": asked,
            "additionalEventData": {
                **record["additionalEventData"],
                "requesterService": caller or "EXTERNAL_ENGINE",
                "LakeFormationTrustedCallerInvocation": "true" if caller else "false",
            },
        }
        self._log.append(record).result()
