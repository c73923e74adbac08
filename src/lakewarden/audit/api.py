"""CloudTrail's OPERATIONS table."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.audit.digests import DigestKeys
from lakewarden.audit.errors import InvalidTimeRangeException
from lakewarden.audit.model import Trail
from lakewarden.audit.selectors import DEFAULT
from lakewarden.audit.service import EventHistory
from lakewarden.audit.trails import TrailService
from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, on, table_of
from lakewarden.kernel.call import Call

Params = Mapping[str, Any]


class Handlers:
    """CloudTrail's handlers."""

    def __init__(self, history: EventHistory, trails: TrailService, keys: DigestKeys) -> None:
        self._history = history
        self._trails = trails
        self._keys = keys

    def on_trail(self, action: str, member: str = "Name") -> Rule:
        """A rule on the trail that the call names by name or ARN."""
        return lambda call: (Access(action, self._trails.arn(call.params[member])),)

    def on_trails(self, action: str) -> Rule:
        """A rule on each of the resources that a call lists."""

        def rule(call: Call) -> Sequence[Access]:
            return tuple(Access(action, arn) for arn in call.params["ResourceIdList"]) or (Access(action),)

        return rule

    def look_up(self, call: AuthorizedCall) -> Params:
        """LookupEvents."""
        return self._history.look_up(call.params)

    def create(self, call: AuthorizedCall) -> Params:
        """CreateTrail."""
        return _settings(self._trails.create(call.params))

    def update(self, call: AuthorizedCall) -> Params:
        """UpdateTrail."""
        return _settings(self._trails.update(call.params))

    def find(self, call: AuthorizedCall) -> Params:
        """StopLogging and DeleteTrail: here the trail is only looked for; they take effect when they are recorded.

        INVARIANT (no_answer_without_audit): nothing stops being delivered before the log holds who stopped it.
        """
        self._trails.trail(call.params["Name"])
        return {}

    def get(self, call: AuthorizedCall) -> Params:
        """GetTrail."""
        return {"Trail": _described(self._trails.trail(call.params["Name"]))}

    def describe(self, call: AuthorizedCall) -> Params:
        """DescribeTrails; names that are not there are left out, as AWS does."""
        wanted = call.params.get("trailNameList")
        found = self._trails.trails()
        if wanted:
            found = [trail for trail in found if {trail.name, trail.arn} & set(wanted)]
        return {"trailList": [_described(trail) for trail in found]}

    def listed(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """ListTrails."""
        return {
            "Trails": [
                {"TrailARN": one.arn, "Name": one.name, "HomeRegion": one.region} for one in self._trails.trails()
            ]
        }

    def start(self, call: AuthorizedCall) -> Params:
        """StartLogging."""
        self._trails.start(call.params["Name"])
        return {}

    def status(self, call: AuthorizedCall) -> Params:
        """GetTrailStatus."""
        trail = self._trails.trail(call.params["Name"])
        texts = {
            "LatestDeliveryError": trail.error,
            "LatestDigestDeliveryError": trail.digest_error,
            "LatestDeliveryAttemptTime": trail.attempted,
            "LatestDeliveryAttemptSucceeded": trail.delivered,
            "LatestNotificationAttemptTime": "",
            "LatestNotificationAttemptSucceeded": "",
            "TimeLoggingStarted": trail.started,
            "TimeLoggingStopped": trail.stopped,
        }
        times = {
            "LatestDeliveryTime": trail.delivered,
            "LatestDigestDeliveryTime": trail.digested,
            "StartLoggingTime": trail.started,
            "StopLoggingTime": trail.stopped,
        }
        return (
            {"IsLogging": trail.logging}
            | texts
            | {name: datetime.fromisoformat(value) for name, value in times.items() if value}
        )

    def put_selectors(self, call: AuthorizedCall) -> Params:
        """PutEventSelectors."""
        params = call.params
        trail = self._trails.select(
            params["TrailName"], params.get("EventSelectors") or (), params.get("AdvancedEventSelectors") or ()
        )
        return _selected(trail)

    def get_selectors(self, call: AuthorizedCall) -> Params:
        """GetEventSelectors."""
        return _selected(self._trails.trail(call.params["TrailName"]))

    def add_tags(self, call: AuthorizedCall) -> Params:
        """AddTags."""
        self._trails.tag(call.params["ResourceId"], call.params["TagsList"], ())
        return {}

    def remove_tags(self, call: AuthorizedCall) -> Params:
        """RemoveTags."""
        keys = [one["Key"] for one in call.params["TagsList"]]
        self._trails.tag(call.params["ResourceId"], (), keys)
        return {}

    def list_tags(self, call: AuthorizedCall) -> Params:
        """ListTags."""
        return {
            "ResourceTagList": [
                {
                    "ResourceId": arn,
                    "TagsList": [{"Key": key, "Value": value} for key, value in self._trails.tags(arn).items()],
                }
                for arn in call.params["ResourceIdList"]
            ]
        }

    def public_keys(self, call: AuthorizedCall) -> Params:
        """ListPublicKeys."""
        start, end = call.params.get("StartTime"), call.params.get("EndTime")
        if start is not None and end is not None and start > end:
            raise InvalidTimeRangeException("StartTime must be before EndTime.")
        return {
            "PublicKeyList": [
                {
                    "Value": key.public_key,
                    "Fingerprint": key.fingerprint,
                    "ValidityStartTime": key.valid_from,
                    "ValidityEndTime": key.valid_to,
                }
                for key in self._keys.public(start, end)
            ]
        }


def operations(handlers: Handlers) -> Operations:
    """CloudTrail's operations."""
    trail, selected = handlers.on_trail, "TrailName"
    return table_of(
        Operation("LookupEvents", handlers.look_up, on("cloudtrail:LookupEvents"), read_only=True),
        Operation("CreateTrail", handlers.create, trail("cloudtrail:CreateTrail"), read_only=False),
        Operation("UpdateTrail", handlers.update, trail("cloudtrail:UpdateTrail"), read_only=False),
        Operation("DeleteTrail", handlers.find, trail("cloudtrail:DeleteTrail"), read_only=False),
        Operation("GetTrail", handlers.get, trail("cloudtrail:GetTrail"), read_only=True),
        Operation("DescribeTrails", handlers.describe, on("cloudtrail:DescribeTrails"), read_only=True),
        Operation("ListTrails", handlers.listed, on("cloudtrail:ListTrails"), read_only=True),
        Operation("StartLogging", handlers.start, trail("cloudtrail:StartLogging"), read_only=False),
        Operation("StopLogging", handlers.find, trail("cloudtrail:StopLogging"), read_only=False),
        Operation("GetTrailStatus", handlers.status, trail("cloudtrail:GetTrailStatus"), read_only=True),
        Operation(
            "PutEventSelectors",
            handlers.put_selectors,
            trail("cloudtrail:PutEventSelectors", selected),
            read_only=False,
        ),
        Operation(
            "GetEventSelectors", handlers.get_selectors, trail("cloudtrail:GetEventSelectors", selected), read_only=True
        ),
        Operation("AddTags", handlers.add_tags, trail("cloudtrail:AddTags", "ResourceId"), read_only=False),
        Operation("RemoveTags", handlers.remove_tags, trail("cloudtrail:RemoveTags", "ResourceId"), read_only=False),
        Operation("ListTags", handlers.list_tags, handlers.on_trails("cloudtrail:ListTags"), read_only=True),
        Operation("ListPublicKeys", handlers.public_keys, on("cloudtrail:ListPublicKeys"), read_only=True),
    )


def _settings(trail: Trail) -> dict[str, Any]:
    return {
        "Name": trail.name,
        "S3BucketName": trail.bucket,
        **({"S3KeyPrefix": trail.prefix} if trail.prefix else {}),
        "IncludeGlobalServiceEvents": trail.global_events,
        "IsMultiRegionTrail": trail.multi_region,
        "TrailARN": trail.arn,
        "LogFileValidationEnabled": trail.validation,
        "IsOrganizationTrail": False,
    }


def _described(trail: Trail) -> dict[str, Any]:
    return _settings(trail) | {
        "HomeRegion": trail.region,
        "HasCustomEventSelectors": bool(trail.selectors or trail.advanced),
        "HasInsightSelectors": False,
    }


def _selected(trail: Trail) -> dict[str, Any]:
    if trail.advanced:
        return {"TrailARN": trail.arn, "AdvancedEventSelectors": list(trail.advanced)}
    return {"TrailARN": trail.arn, "EventSelectors": list(trail.selectors or DEFAULT)}
