"""CloudTrail's trails: their settings, and what only takes effect once its own call is on the record."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lakewarden.audit import selectors
from lakewarden.audit.digests import log_prefix
from lakewarden.audit.errors import (
    CloudTrailARNInvalidException,
    ConflictException,
    InsufficientS3BucketPolicyException,
    InvalidEventSelectorsException,
    InvalidParameterCombinationException,
    InvalidS3PrefixException,
    InvalidTrailNameException,
    MaximumNumberOfTrailsExceededException,
    ResourceNotFoundException,
    S3BucketDoesNotExistException,
    TagsLimitExceededException,
    TrailAlreadyExistsException,
    TrailNotFoundException,
    UnsupportedOperationException,
)
from lakewarden.audit.model import Trail
from lakewarden.audit.ports import TrailBuckets
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.clock import Clock

_NAME = re.compile(r"(?=.{3,128}$)[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,200}")
_MOST_TRAILS = 5
_MOST_TAGS = 50
_NOT_OFFERED = (
    "SnsTopicName", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KmsKeyId", "IsOrganizationTrail",
    "RecursiveLogging",
)  # fmt: skip
Params = Mapping[str, Any]


class TrailService:
    """The trails of one account and region. ``wake`` tells whoever delivers that there is something to do."""

    def __init__(
        self,
        store: TrailStore,
        log: AuditStore,
        buckets: TrailBuckets,
        account: str,
        region: str,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._log = log
        self._buckets = buckets
        self._account = account
        self._region = region
        self._clock = clock
        self._wake = wake

    def arn(self, name: str) -> str:
        """The ARN of a trail, given its name or its ARN."""
        return name if name.startswith("arn:") else str(Arn("cloudtrail", self._region, self._account, f"trail/{name}"))

    def create(self, params: Params) -> Trail:
        """CreateTrail; logging starts with StartLogging."""
        name = params["Name"]
        if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name):
            raise InvalidTrailNameException(f"Trail name {name[:200]!r} is not valid.")
        _check_offered(params)
        if params.get("IsMultiRegionTrail") and params.get("IncludeGlobalServiceEvents") is False:
            raise InvalidParameterCombinationException("A multi-region trail includes global service events.")
        trail = Trail(
            name=name,
            arn=self.arn(name),
            region=self._region,
            bucket=params["S3BucketName"],
            prefix=(params.get("S3KeyPrefix") or "").strip("/"),
            global_events=params.get("IncludeGlobalServiceEvents", True),
            multi_region=params.get("IsMultiRegionTrail", False),
            validation=params.get("EnableLogFileValidation", False),
            tags=_tags(params.get("TagsList") or (), {}),
        )
        self._check_target(trail)
        with self._store.write() as records:
            present = records.trail(name)
            if present is not None and present.deleting:
                raise ConflictException(f"Trail {name} is being deleted. Try again in a moment.")
            if present is not None:
                raise TrailAlreadyExistsException(f"Trail {name} already exists for customer: {self._account}")
            if len(records.trails()) >= _MOST_TRAILS:
                raise MaximumNumberOfTrailsExceededException(
                    f"User: {self._account} already has {_MOST_TRAILS} trails."
                )
            records.add(trail, self._log.head().sequence)
        return trail

    def update(self, params: Params) -> Trail:
        """UpdateTrail."""
        _check_offered(params)
        trail = self.trail(params["Name"])
        changes: dict[str, Any] = {
            field: params[member]
            for member, field in (
                ("S3BucketName", "bucket"),
                ("IncludeGlobalServiceEvents", "global_events"),
                ("IsMultiRegionTrail", "multi_region"),
                ("EnableLogFileValidation", "validation"),
            )
            if params.get(member) is not None
        }
        if params.get("S3KeyPrefix") is not None:
            changes["prefix"] = params["S3KeyPrefix"].strip("/")
        self._check_target(msgspec.structs.replace(trail, **changes))
        changed = self._store.change(trail.name, lambda found: msgspec.structs.replace(found, **changes))
        if changed is None:
            raise _not_found(trail.name)
        return changed

    def trail(self, name: str) -> Trail:
        """The trail of a name or ARN; raises TrailNotFound, InvalidTrailName or CloudTrailARNInvalid."""
        if name.startswith("arn:"):
            head, _, short = name.rpartition("/")
            if head != self.arn("x").rpartition("/")[0]:
                raise CloudTrailARNInvalidException(
                    f"{name[:200]} is not the ARN of a trail of this account and region."
                )
            name = short
        with self._store.read() as records:
            found = records.trail(name)
        if found is None or found.deleting:
            raise _not_found(name[:200])
        return found

    def trails(self) -> list[Trail]:
        """All trails by name."""
        with self._store.read() as records:
            return [trail for trail in records.trails() if not trail.deleting]

    def start(self, name: str) -> None:
        """StartLogging: from the log's present head on; a stop whose files are still on their way is taken back."""
        trail, head = self.trail(name), self._log.head().sequence
        if trail.logging:
            return
        now = self._now()

        def started(found: Trail) -> Trail:
            return msgspec.structs.replace(
                found, logging=True, since=head, until=0, started=now, stopped="", digest_from=found.digest_from or now
            )

        with self._store.write() as records:
            found = records.trail(trail.name)
            if found is None:
                raise _not_found(name)
            if not found.until:
                records.move(trail.name, head)
                found = msgspec.structs.replace(found, digest_from=now)
            records.put(started(found))

    def stop(self, name: str) -> None:
        """The effect of StopLogging. Its record is in the log already, and is the last that the trail delivers."""
        self._end(name, self._log.head().sequence, deleting=False)

    def delete(self, name: str) -> None:
        """The effect of DeleteTrail: gone for everybody at once; what is pending is delivered first."""
        self._end(name, self._log.head().sequence, deleting=True)

    def _end(self, name: str, head: int, *, deleting: bool) -> None:
        now = self._now()
        end_trail(self._store, self.trail(name).name, head, now, deleting=deleting)
        self._wake()

    def want_digest(self, name: str) -> None:
        """Ask for a digest now."""
        self._store.change(self.trail(name).name, lambda found: msgspec.structs.replace(found, digest_wanted=True))
        self._wake()

    def select(self, name: str, basic: Sequence[Params], advanced: Sequence[Params]) -> Trail:
        """PutEventSelectors."""
        trail = self.trail(name)
        if bool(basic) == bool(advanced):
            raise InvalidEventSelectorsException("Give either EventSelectors or AdvancedEventSelectors.")
        try:
            if advanced:
                selectors.check_advanced(advanced)
            else:
                selectors.check_basic(basic)
        except selectors.InvalidSelector as error:
            raise InvalidEventSelectorsException(str(error)) from error
        kept = tuple(map(dict, basic)), tuple(map(dict, advanced))
        changed = self._store.change(
            trail.name, lambda found: msgspec.structs.replace(found, selectors=kept[0], advanced=kept[1])
        )
        if changed is None:
            raise _not_found(name)
        return changed

    # Tags

    def tag(self, arn: str, added: Sequence[Params], removed: Sequence[str]) -> None:
        """AddTags and RemoveTags."""
        trail = self._tagged(arn)
        kept = {key: value for key, value in trail.tags.items() if key not in removed}
        tags = _tags(added, kept)
        self._store.change(trail.name, lambda found: msgspec.structs.replace(found, tags=tags))

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of a trail; raises ResourceNotFound."""
        return self._tagged(arn).tags

    def _tagged(self, arn: str) -> Trail:
        if not arn.startswith("arn:"):
            raise CloudTrailARNInvalidException(f"{arn[:200]} is not an ARN.")
        try:
            return self.trail(arn)
        except TrailNotFoundException as error:
            raise ResourceNotFoundException(f"Resource {arn[:200]} was not found.") from error

    def _check_target(self, trail: Trail) -> None:
        if not _PREFIX.fullmatch(trail.prefix):
            raise InvalidS3PrefixException(f"S3 prefix {trail.prefix[:200]!r} is not valid.")
        if self._buckets.region(trail.bucket) is None:
            raise S3BucketDoesNotExistException(f"S3 bucket {trail.bucket} does not exist.")
        key = f"{log_prefix(trail, self._account)}/CloudTrail/{trail.region}/"
        if not self._buckets.may_deliver(trail.bucket, key, trail.arn):
            raise InsufficientS3BucketPolicyException(
                f"Incorrect S3 bucket policy is detected for bucket: {trail.bucket}"
            )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def end_trail(store: TrailStore, name: str, head: int, now: str, *, deleting: bool) -> None:
    """Let a trail deliver up to ``head`` and no further. Doing it twice changes nothing."""

    def ended(found: Trail) -> Trail:
        if not found.logging:
            return msgspec.structs.replace(found, deleting=found.deleting or deleting)
        return msgspec.structs.replace(
            found, logging=False, deleting=found.deleting or deleting, until=head, stopped=now, digest_wanted=True
        )

    store.change(name, ended)


def _check_offered(params: Params) -> None:
    for member in _NOT_OFFERED:
        if params.get(member):
            raise UnsupportedOperationException(f"{member} is not supported.")


def _tags(added: Sequence[Params], kept: Mapping[str, str]) -> dict[str, str]:
    tags = dict(kept) | {one["Key"]: one.get("Value") or "" for one in added}
    if len(tags) > _MOST_TAGS:
        raise TagsLimitExceededException(f"A trail has at most {_MOST_TAGS} tags.")
    return tags


def _not_found(name: str) -> TrailNotFoundException:
    return TrailNotFoundException(f"Unknown trail: {name}")
