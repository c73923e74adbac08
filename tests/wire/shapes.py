"""Random valid values of the models' shapes, drawn lazily (building a strategy for every shape costs too much)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEEPEST = 3
_ANY_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x1F9FF, exclude_categories=("Cs", "Cc", "Cn")), max_size=12
)
_PLAIN_TEXT = st.text("abcXYZ019._-", min_size=1, max_size=12)  # for paths and headers
_KEYS = st.text("abcdefgh-", min_size=1, max_size=8)
_SECONDS = st.integers(0, 4_000_000_000)
_COUNTS = st.integers(1, 2)


@st.composite
def members(draw: Draw, shape: StructureShape | None) -> dict[str, Any]:
    """A valid dict of ``shape``'s members, as boto3's users write it."""
    return {} if shape is None else _structure(draw, shape, 0, ())


def _value(draw: Draw, shape: Shape, depth: int, place: str, above: tuple[str, ...]) -> Any:
    if getattr(shape, "is_document_type", False):
        return {"a": [1, "b", None]}
    if isinstance(shape, StructureShape):
        return _structure(draw, shape, depth, above)
    low, high = _bounds(shape)
    if isinstance(shape, ListShape):
        size = max(low, min(draw(_COUNTS) if depth < _DEEPEST else 1, high))
        return [_value(draw, shape.member, depth + 1, place, above) for _ in range(size)]
    if isinstance(shape, MapShape):
        keys = draw(st.sets(_KEYS, min_size=max(1, low), max_size=max(2, low)))
        least, most = _bounds(shape.key)
        named = sorted({_fit(key, least, most) for key in keys})
        enum = getattr(shape.key, "enum", None)
        return {key: _value(draw, shape.value, depth + 1, place, above) for key in (enum[:1] if enum else named)}
    return _scalar(draw, shape, place)


def _structure(draw: Draw, shape: StructureShape, depth: int, above: tuple[str, ...]) -> dict[str, Any]:
    known = {
        name: member
        for name, member in shape.members.items()
        if not getattr(member, "is_event_stream", False) and not getattr(member, "eventstream", False)
    }
    above = (*above, shape.name)
    # A member that leads back to a shape above would never end; required ones do not do so in any model.
    open_ended = sorted(name for name, member in known.items() if not _returns(member, above))
    if shape.is_tagged_union:
        chosen = {draw(st.sampled_from(open_ended or sorted(known)))}
    else:
        chosen = set(shape.required_members) & set(known)
        optional = [name for name in open_ended if name not in chosen]
        if optional and (depth < _DEEPEST or not chosen):
            least = 0 if chosen or depth == 0 else 1  # forms and XML cannot carry an empty structure
            chosen |= draw(st.sets(st.sampled_from(optional), min_size=least, max_size=4 if depth < _DEEPEST else 1))
    return {
        name: _value(draw, member, depth + 1, member.serialization.get("location", "body"), above)
        for name, member in known.items()
        if name in chosen
    }


def _returns(shape: Shape, above: tuple[str, ...]) -> bool:
    if isinstance(shape, ListShape):
        return _returns(shape.member, above)
    if isinstance(shape, MapShape):
        return _returns(shape.value, above)
    return shape.name in above


def _bounds(shape: Shape) -> tuple[int, int]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    return int(low or 0), high if high is not None else 2**40


def _fit(text: str, low: int, high: int) -> str:
    return text[:high].strip().ljust(low, "x")


def _scalar(draw: Draw, shape: Shape, place: str) -> Any:
    kind = shape.type_name
    low, high = _bounds(shape)
    if kind == "string":
        if getattr(shape, "enum", None):
            return draw(st.sampled_from(shape.enum))
        text = draw(_ANY_TEXT if place == "body" else _PLAIN_TEXT)
        return _fit(text, max(low, 1), min(high, 10_000))
    if kind in {"integer", "long"}:
        return draw(st.integers(low, min(high, low + 2**30)))
    if kind in {"float", "double"}:
        return draw(st.floats(float(low), float(min(high, low + 1000)), width=32, allow_nan=False))
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "timestamp":
        return _EPOCH + timedelta(seconds=draw(_SECONDS))
    if kind == "blob":
        return draw(st.binary(min_size=max(1, low), max_size=max(1, low, min(high, 20))))
    raise AssertionError(kind)
