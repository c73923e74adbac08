"""Studio's ports: execution roles from identity, API calls through the guard, and events into the audit log."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import Record, event_source, moment, user_identity
from lakewarden.dispatch import Dispatcher, Recorder
from lakewarden.guard import Access, Guard, Operation
from lakewarden.identity.directory import Directory
from lakewarden.identity.model import Role
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import issue, seal
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.studio.errors import TrustRefused
from lakewarden.studio.ports import Wearer, Worn

SERVICE = "sagemaker.amazonaws.com"
_SECONDS = 3600
_HIDDEN = frozenset({"Credentials.SecretAccessKey", "Credentials.SessionToken"})


class NotebookRoles:
    """Implements :class:`lakewarden.studio.ports.ExecutionRoles`."""

    def __init__(
        self,
        directory: Directory,
        ring: KeyRing,
        guard: Guard,
        recorder: Recorder,
        account: str,
        region: str,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._ring = ring
        self._guard = guard
        self._recorder = recorder
        self._account = account
        self._region = region
        self._clock = clock

    def exists(self, role_arn: str) -> bool:
        """Whether a role of this account has that ARN."""
        return self._role(role_arn) is not None

    async def wear(self, wearer: Wearer) -> Worn:
        """Assume the role as the service; recorded, whether the trust policy allows it or not."""
        loop = asyncio.get_running_loop()
        params: dict[str, Any] = {"RoleArn": wearer.role_arn, "RoleSessionName": wearer.profile}
        if wearer.identity != "DISABLED" and await loop.run_in_executor(None, self._named, wearer):
            params["SourceIdentity"] = wearer.profile
        call = self._as_service(params)
        operation = Operation("AssumeRole", lambda _: {}, self._rule, read_only=False, hidden=_HIDDEN)
        try:
            await loop.run_in_executor(None, self._guard.authorize, call, operation)
        except AwsError as error:
            await self._recorder.record(call, operation, {}, error)
            wanted = "sts:AssumeRole" + (" and sts:SetSourceIdentity" if "SourceIdentity" in params else "")
            raise TrustRefused(
                f"The execution role {wearer.role_arn} cannot be assumed: its trust policy must allow {wanted} to {SERVICE}."
            ) from error
        worn, answer = await loop.run_in_executor(None, self._issue, wearer, call, params.get("SourceIdentity", ""))
        # INVARIANT (no_answer_without_audit): credentials are handed out after their making is on record.
        await self._recorder.record(call, operation, answer, None)
        return worn

    def _named(self, wearer: Wearer) -> bool:
        """Whether the session is to carry the person as its source identity: always where the domain says so, else
        wherever the role lets it."""
        if wearer.identity == "USER_PROFILE_NAME":
            return True
        call = self._as_service(
            {"RoleArn": wearer.role_arn, "RoleSessionName": wearer.profile, "SourceIdentity": wearer.profile}
        )
        return all(self._guard.check(call, access).allowed for access in self._rule(call))

    def _rule(self, call: Call) -> list[Access]:
        role = self._role(call.params["RoleArn"])
        if role is None:
            return [Access("sts:AssumeRole", call.params["RoleArn"])]
        context: dict[str, str] = {
            "sts:RoleSessionName": call.params["RoleSessionName"], "aws:SourceAccount": self._account,
        }  # fmt: skip
        actions = ["sts:AssumeRole"]
        if "SourceIdentity" in call.params:
            context["sts:SourceIdentity"] = call.params["SourceIdentity"]
            actions.append("sts:SetSourceIdentity")
        trust = self._directory.trust(role)
        return [
            Access(action, call.params["RoleArn"], context, trust, resource_policy_must_allow=True)
            for action in actions
        ]

    def _issue(self, wearer: Wearer, call: Call, source: str) -> tuple[Worn, Mapping[str, Any]]:
        role = self._role(wearer.role_arn)
        if role is None:
            raise TrustRefused(f"The execution role {wearer.role_arn} does not exist any more.")
        start = call.at.replace(microsecond=0)
        session = Session(
            issued_at=start, expires_at=start + timedelta(seconds=_SECONDS), session_name=wearer.profile,
            role_arn=wearer.role_arn, role_id=role.id, role_name=role.name, source_identity=source,
            studio_domain=wearer.domain, studio_profile=wearer.profile,
        )  # fmt: skip
        made = issue(session)
        arn = str(Arn("sts", "", self._account, f"assumed-role/{role.name}/{wearer.profile}"))
        user_id = f"{role.id}:{wearer.profile}"
        principal = Principal(
            PrincipalType.ASSUMED_ROLE, self._account, arn, user_id, role.name, made.key_id, session, role.tags
        )
        answer = {
            "Credentials": {"AccessKeyId": made.key_id, "Expiration": session.expires_at},
            "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
            **({"SourceIdentity": source} if source else {}),
        }
        return Worn(principal, made.key_id, made.secret, seal(self._ring, made), session.expires_at), answer

    def _role(self, arn: str) -> Role | None:
        role = self._directory.role(arn.rpartition("/")[2])
        return role if role is not None and iam(self._account, role.resource) == arn else None

    def _as_service(self, params: Mapping[str, Any]) -> Call:
        service = Principal(PrincipalType.SERVICE, self._account, "", SERVICE, SERVICE)
        return Call(
            service, "sts", "AssumeRole", params, str(uuid.uuid4()), self._clock(), self._region,
            source_ip=SERVICE, user_agent=SERVICE,
        )  # fmt: skip


class StudioCalls:
    """Implements :class:`lakewarden.studio.ports.Calls`: what a person does in the browser goes the way of every call."""

    def __init__(self, dispatcher: Dispatcher, region: str, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._region = region
        self._clock = clock

    async def call(self, principal: Principal, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Guarded and audited; raises the call's AwsError."""
        call = Call(
            principal,
            "sagemaker",
            operation,
            params,
            str(uuid.uuid4()),
            self._clock(),
            self._region,
            user_agent="studio",
        )
        return await self._dispatcher.perform(call)


class StudioTrail:
    """Implements :class:`lakewarden.studio.ports.Trail`."""

    def __init__(self, log: AuditLog, account: str, region: str, clock: Clock) -> None:
        self._log = log
        self._account = account
        self._region = region
        self._clock = clock

    async def event(
        self, principal: Principal, name: str, details: Mapping[str, Any], source_ip: str = "", error: str = ""
    ) -> None:
        """A record of what is no API call; durable when it returns. Its form is that of AWS's service events."""
        event_id = str(uuid.uuid4())
        record: Record = {
            "eventVersion": "1.11",
            "userIdentity": user_identity(
                replace(principal, account=principal.account or self._account), self._account
            ),
            "eventTime": moment(self._clock()),
            "eventSource": event_source("sagemaker"),
            "eventName": name,
            "awsRegion": self._region,
            "sourceIPAddress": source_ip or SERVICE,
            "userAgent": SERVICE,
            **({"errorCode": "AccessDenied", "errorMessage": error} if error else {}),
            "requestParameters": None,
            "responseElements": None,
            "serviceEventDetails": dict(details),
            "requestID": str(uuid.uuid4()),
            "eventID": event_id,
            "readOnly": False,
            "resources": [],
            "eventType": "AwsServiceEvent",
            "managementEvent": True,
            "recipientAccountId": self._account,
            "eventCategory": "Management",
        }
        await asyncio.wrap_future(self._log.append(record))
