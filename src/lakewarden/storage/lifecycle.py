"""PURE: life cycle rules of a bucket: what they say, and what is due (S3 User Guide, "Managing the lifecycle of objects")."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from lakewarden.storage.errors import InvalidArgument, InvalidRequest, UnsupportedHeader

if TYPE_CHECKING:  # a bucket has rules, and rules speak of objects
    from lakewarden.storage.model import StoredObject

_MOST_RULES = 1000
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
_REFUSED = ("Transitions", "NoncurrentVersionTransitions")


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule; zero and empty mean that it does not say. ``date`` is ISO 8601; sizes are exclusive bounds in bytes."""

    id: str
    enabled: bool
    prefix: str = ""
    tags: dict[str, str] = {}
    larger_than: int = -1
    smaller_than: int = 0
    days: int = 0
    date: str = ""
    lone_markers: bool = False
    noncurrent_days: int = 0
    newer_versions: int = 0
    abort_days: int = 0
    form: str = "Filter"
    """Where the prefix stood: ``Filter``, ``And``, or ``Prefix`` in older configurations. It is given back there."""

    def covers(self, stored: "StoredObject") -> bool:
        """Whether the rule is about this object or version."""
        return (
            self.enabled
            and stored.key.startswith(self.prefix)
            and self.tags.items() <= stored.attributes.tags.items()
            and stored.size > self.larger_than
            and (not self.smaller_than or stored.size < self.smaller_than)
        )

    def expires(self, stored: "StoredObject", now: datetime) -> bool:
        """Whether the object that is has reached its age or the rule's day."""
        if not self.covers(stored):
            return False
        if self.date and now >= datetime.fromisoformat(self.date):
            return True
        return bool(self.days) and now >= due(stored.modified, self.days)

    def expires_version(self, stored: "StoredObject", since: str, newer: int, now: datetime) -> bool:
        """Whether a version that was replaced at ``since`` goes; ``newer`` older ones than the object are newer than it."""
        return (
            bool(self.noncurrent_days)
            and self.covers(stored)
            and newer >= self.newer_versions
            and now >= due(since, self.noncurrent_days)
        )

    def aborts(self, key: str, created: str, now: datetime) -> bool:
        """Whether an unfinished upload ends."""
        return (
            self.enabled
            and bool(self.abort_days)
            and key.startswith(self.prefix)
            and now >= due(created, self.abort_days)
        )


def due(since: str, days: int) -> datetime:
    """The midnight (UTC) that follows so many days after ``since``, as S3 counts."""
    after = datetime.fromisoformat(since).astimezone(UTC) + timedelta(days=days)
    midnight = datetime.combine(after.date(), time(), UTC)
    return midnight if midnight == after else midnight + timedelta(days=1)


def rules_of(configuration: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of a LifecycleConfiguration; raises InvalidRequest, InvalidArgument, or what is not implemented by name."""
    given = configuration.get("Rules") or []
    if not 1 <= len(given) <= _MOST_RULES:
        raise InvalidRequest(f"A lifecycle configuration has 1 to {_MOST_RULES} rules.")
    rules = tuple(_rule(one, number) for number, one in enumerate(given, 1))
    if len({rule.id for rule in rules}) != len(rules):
        raise InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")
    return rules


def _rule(given: Mapping[str, Any], number: int) -> Rule:
    for name in _REFUSED:
        if given.get(name):
            raise UnsupportedHeader(f"Lifecycle action {name} is not implemented: there is one storage class.")
    if not any(given.get(name) for name in _ACTIONS):
        raise InvalidRequest("At least one action needs to be specified in a rule")
    scope, form = _scope(given)
    expiration = given.get("Expiration") or {}
    if sum(bool(expiration.get(name)) for name in ("Days", "Date", "ExpiredObjectDeleteMarker")) > 1:
        raise InvalidRequest("Only one of Days, Date and ExpiredObjectDeleteMarker can be specified in Expiration")
    when = expiration.get("Date")
    noncurrent = given.get("NoncurrentVersionExpiration") or {}
    abort = given.get("AbortIncompleteMultipartUpload") or {}
    tags = scope.get("Tags") or ([scope["Tag"]] if scope.get("Tag") else [])
    if abort and tags:
        raise InvalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if noncurrent and not noncurrent.get("NoncurrentDays"):
        raise InvalidRequest("NoncurrentVersionExpiration needs NoncurrentDays.")
    return Rule(
        id=given.get("ID") or f"rule-{number}",
        enabled=given["Status"] == "Enabled",
        prefix=scope.get("Prefix", ""),
        tags={tag["Key"]: tag["Value"] for tag in tags},
        larger_than=scope.get("ObjectSizeGreaterThan", -1),
        smaller_than=scope.get("ObjectSizeLessThan", 0),
        days=_positive(expiration, "Days"),
        date=_midnight(when) if when else "",
        lone_markers=bool(expiration.get("ExpiredObjectDeleteMarker")),
        noncurrent_days=_positive(noncurrent, "NoncurrentDays"),
        newer_versions=noncurrent.get("NewerNoncurrentVersions") or 0,
        abort_days=_positive(abort, "DaysAfterInitiation"),
        form=form,
    )


def _scope(given: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if "Filter" in given and "Prefix" in given:
        raise InvalidRequest("Filter and Prefix cannot be used in the same rule.")
    if "Filter" not in given:
        if "Prefix" not in given:
            raise InvalidRequest("A rule needs a Filter or a Prefix.")
        return {"Prefix": given["Prefix"]}, "Prefix"
    chosen: Mapping[str, Any] = given["Filter"] or {}
    if len(chosen) > 1:
        raise InvalidRequest("A Filter has one condition; put several into And.")
    return (chosen["And"], "And") if "And" in chosen else (chosen, "Filter")


def _positive(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if value is None:
        return 0
    if value < 1:
        raise InvalidArgument(f"'{name}' must be a positive integer")
    return int(value)


def _midnight(value: datetime | date) -> str:
    if not isinstance(value, datetime) or value.astimezone(UTC).time() != time():
        raise InvalidArgument("'Date' must be at midnight GMT")
    return value.astimezone(UTC).isoformat()


def configuration_of(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The Rules of GetBucketLifecycleConfiguration, in the form in which they were put."""
    return [_given(rule) for rule in rules]


def _given(rule: Rule) -> dict[str, Any]:
    answer: dict[str, Any] = {"ID": rule.id, "Status": "Enabled" if rule.enabled else "Disabled"}
    scope: dict[str, Any] = {}
    if rule.larger_than >= 0:
        scope["ObjectSizeGreaterThan"] = rule.larger_than
    if rule.smaller_than:
        scope["ObjectSizeLessThan"] = rule.smaller_than
    tags = [{"Key": key, "Value": value} for key, value in rule.tags.items()]
    if rule.form == "Prefix":
        answer["Prefix"] = rule.prefix
    elif rule.form == "And":
        extra = {"Prefix": rule.prefix} if rule.prefix else {}
        answer["Filter"] = {"And": scope | extra | ({"Tags": tags} if tags else {})}
    else:
        plain = scope or ({"Tag": tags[0]} if tags else {"Prefix": rule.prefix})
        answer["Filter"] = plain
    if rule.date:
        answer["Expiration"] = {"Date": datetime.fromisoformat(rule.date)}
    elif rule.days or rule.lone_markers:
        answer["Expiration"] = {"Days": rule.days} if rule.days else {"ExpiredObjectDeleteMarker": True}
    if rule.noncurrent_days:
        newer = {"NewerNoncurrentVersions": rule.newer_versions} if rule.newer_versions else {}
        answer["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.noncurrent_days, **newer}
    if rule.abort_days:
        answer["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_days}
    return answer
