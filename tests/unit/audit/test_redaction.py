"""No secret enters the log: every operation of every service, every member that its model marks sensitive."""

import json
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import HealthCheck, given, settings

from lakewarden.adapters.shown import SECRET_NAMES, shown_input, shown_output
from lakewarden.wire.models import SERVICES, operation_model, operation_names
from tests.wire.shapes import members

MARK = "zQ7-planted-secret"
DEEPEST = 7


def full(shape: Shape, depth: int = 0, secret: bool = False, above: tuple[str, ...] = ()) -> Any:
    """A value with every member, recursive shapes twice over; everything that is sensitive carries the mark."""
    secret = secret or bool(shape.metadata.get("sensitive"))
    if isinstance(shape, StructureShape):
        if depth > DEEPEST or above.count(shape.name) > 1:
            return {}
        above = (*above, shape.name)
        return {
            name: full(member, depth + 1, secret or name.lower() in SECRET_NAMES, above)
            for name, member in shape.members.items()
        }
    if isinstance(shape, ListShape):
        return [full(shape.member, depth + 1, secret, above) for _ in range(2)] if depth <= DEEPEST else []
    if isinstance(shape, MapShape):
        key = MARK if secret or shape.key.metadata.get("sensitive") else "a.key"
        return {key: full(shape.value, depth + 1, secret, above)}
    return MARK if secret else "plain"


def plant(value: Any, shape: Shape, secret: bool = False) -> Any:
    """``value`` with the mark in every sensitive leaf."""
    secret = secret or bool(shape.metadata.get("sensitive"))
    if isinstance(shape, StructureShape) and isinstance(value, dict) and shape.members:
        return {
            name: plant(one, shape.members[name], secret or name.lower() in SECRET_NAMES) for name, one in value.items()
        }
    if isinstance(shape, ListShape):
        return [plant(one, shape.member, secret) for one in value]
    if isinstance(shape, MapShape):
        return {key: plant(one, shape.value, secret) for key, one in value.items()}
    return MARK if secret else value


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_sensitive_survives_in_any_operation(service: str) -> None:
    planted = 0
    for name in operation_names(service):
        model = operation_model(service, name)
        for shape, show in ((model.input_shape, shown_input), (model.output_shape, shown_output)):
            if shape is None:
                continue
            value = full(shape)
            planted += MARK in json.dumps(value)
            assert MARK not in json.dumps(show(service, name, value, ())), name
    if service in {"iam", "sts", "s3", "glue", "sagemaker", "secretsmanager"}:
        assert planted


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_sensitive_survives_of_random_parameters(service: str) -> None:
    for name in sorted(operation_names(service)):
        shape = operation_model(service, name).input_shape
        if shape is not None and MARK in json.dumps(full(shape)):
            _random(service, name, shape)


def _random(service: str, name: str, shape: Any) -> None:
    @settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(members(shape))
    def check(value: dict[str, Any]) -> None:
        assert MARK not in json.dumps(shown_input(service, name, plant(value, shape), ()))

    check()


def test_hidden_paths_reach_lists_and_maps() -> None:
    value = {"Parts": [{"Inner": {"a": MARK, "b": {"c": MARK}}}], "Keep": "plain"}
    text = json.dumps(shown_input("unknown", "Unknown", value, {"Parts.*.Inner.*"}))
    assert MARK not in text
    assert "plain" in text


def test_what_is_not_secret_is_shown_with_cloudtrails_names() -> None:
    shown = shown_input("glue", "CreateDatabase", {"DatabaseInput": {"Name": "a", "Parameters": {"CamelKey": "B"}}}, ())
    assert shown == {"databaseInput": {"name": "a", "parameters": {"CamelKey": "B"}}}
    assert shown_input("s3", "GetObject", {"Bucket": "b", "Key": "k"}, ()) == {"bucketName": "b", "key": "k"}
