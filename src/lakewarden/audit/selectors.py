"""Event selectors, pure: which records a trail delivers (CloudTrail API reference, PutEventSelectors)."""

from collections.abc import Mapping, Sequence
from typing import Any

Selector = Mapping[str, Any]
DEFAULT: tuple[dict[str, Any], ...] = (
    {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []},
)
"""What AWS gives to a trail without selectors: all management events and no data events."""

_OBJECTS = "AWS::S3::Object"
_ALL_OBJECTS = ("arn:aws:s3", "arn:aws:s3:::")
_MOST_SELECTORS = 5
_MOST_ADVANCED = 500
_FIELDS = frozenset(
    {
        "eventCategory", "readOnly", "eventSource", "eventName", "eventType", "resources.type", "resources.ARN",
        "userIdentity.arn",
    }
)  # fmt: skip
_TESTS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")
_GLOBAL_SOURCES = frozenset({"iam.amazonaws.com", "sts.amazonaws.com"})


class InvalidSelector(Exception):
    """A selector that CloudTrail does not take, or that selects what there is not here. The text says which."""


def selects(
    selectors: Sequence[Selector], advanced: Sequence[Selector], record: Mapping[str, Any], *, global_events: bool
) -> bool:
    """Whether a trail delivers a record."""
    if not global_events and record["eventSource"] in _GLOBAL_SOURCES:
        return False
    if advanced:
        return any(_fits(one, record) for one in advanced)
    return any(_selects(one, record) for one in selectors or DEFAULT)


def check_basic(selectors: Sequence[Selector]) -> None:
    """Raise :class:`InvalidSelector` unless every selector can be kept to."""
    if not 1 <= len(selectors) <= _MOST_SELECTORS:
        raise InvalidSelector(f"A trail has 1 to {_MOST_SELECTORS} event selectors.")
    for one in selectors:
        if one.get("ReadWriteType", "All") not in {"All", "ReadOnly", "WriteOnly"}:
            raise InvalidSelector("ReadWriteType is All, ReadOnly or WriteOnly.")
        for resource in one.get("DataResources") or ():
            if resource.get("Type") != _OBJECTS:
                raise InvalidSelector(f"Data events of {str(resource.get('Type'))[:100]} do not exist here.")
            if not all(str(value).startswith("arn:aws:s3") for value in resource.get("Values") or ()):
                raise InvalidSelector("The values of a data resource are ARNs of S3 buckets or objects.")


def check_advanced(selectors: Sequence[Selector]) -> None:
    """The same for advanced event selectors."""
    if not 1 <= len(selectors) <= _MOST_ADVANCED:
        raise InvalidSelector(f"A trail has 1 to {_MOST_ADVANCED} advanced event selectors.")
    for one in selectors:
        fields = one.get("FieldSelectors") or ()
        for field in fields:
            _check_field(field)
        names = [field["Field"] for field in fields]
        if len(names) != len(set(names)):
            raise InvalidSelector("A field stands once in an advanced event selector.")
        categories = [
            value for field in fields if field["Field"] == "eventCategory" for value in field.get("Equals") or ()
        ]
        if categories not in (["Management"], ["Data"]):
            raise InvalidSelector("An advanced event selector says eventCategory Equals Management or Data.")
        if categories == ["Data"] and "resources.type" not in names:
            raise InvalidSelector("A selector of data events says its resources.type.")


def _check_field(field: Selector) -> None:
    if field.get("Field") not in _FIELDS:
        raise InvalidSelector(f"The field {str(field.get('Field'))[:100]} cannot be selected by.")
    if not any(field.get(test) for test in _TESTS):
        raise InvalidSelector(f"The field {field['Field']} has no operator.")
    if field["Field"] in {"eventCategory", "resources.type"} and set(field) - {"Field", "Equals"}:
        raise InvalidSelector(f"The field {field['Field']} takes Equals only.")
    if field["Field"] == "resources.type" and field["Equals"] != [_OBJECTS]:
        raise InvalidSelector(f"Data events of {str(field['Equals'])[:100]} do not exist here.")


def _selects(selector: Selector, record: Mapping[str, Any]) -> bool:
    wanted = selector.get("ReadWriteType", "All")
    if wanted != "All" and record["readOnly"] is not (wanted == "ReadOnly"):
        return False
    if record["managementEvent"]:
        excluded = selector.get("ExcludeManagementEventSources") or ()
        return bool(selector.get("IncludeManagementEvents", True)) and record["eventSource"] not in excluded
    values = [value for one in selector.get("DataResources") or () for value in one.get("Values") or ()]
    return any(_covers(str(value), arn) for value in values for arn in _arns(record))


def _covers(value: str, arn: str) -> bool:
    """``arn:aws:s3:::bucket/`` means the bucket's objects, ``.../prefix`` those whose key begins with it."""
    if value in _ALL_OBJECTS:
        return arn.startswith("arn:aws:s3:::")
    return arn.startswith(value) or f"{arn}/" == value


def _fits(selector: Selector, record: Mapping[str, Any]) -> bool:
    return all(_field_fits(field, _values(field["Field"], record)) for field in selector["FieldSelectors"])


def _field_fits(field: Selector, values: Sequence[str]) -> bool:
    wanted = [
        test(value, text)
        for name, test in (("Equals", str.__eq__), ("StartsWith", str.startswith), ("EndsWith", str.endswith))
        for text in field.get(name) or ()
        for value in values
    ]
    unwanted = [
        test(value, text)
        for name, test in (("NotEquals", str.__eq__), ("NotStartsWith", str.startswith), ("NotEndsWith", str.endswith))
        for text in field.get(name) or ()
        for value in values
    ]
    positive = any(field.get(name) for name in _TESTS[:3])
    return (any(wanted) or not positive) and not any(unwanted)


def _values(field: str, record: Mapping[str, Any]) -> Sequence[str]:
    if field == "readOnly":
        return ("true" if record["readOnly"] else "false",)
    if field == "resources.ARN":
        return _arns(record)
    if field == "resources.type":
        return (
            [_OBJECTS] if record["eventCategory"] == "Data" else [one["type"] for one in record.get("resources") or ()]
        )
    if field == "userIdentity.arn":
        return (str(record["userIdentity"].get("arn", "")),)
    return (str(record.get(field, "")),)


def _arns(record: Mapping[str, Any]) -> list[str]:
    return [str(one["ARN"]) for one in record.get("resources") or ()]
