"""The event data stores of CloudTrail Lake, pure: the audit tables under names that its statements and IAM use."""

import re
from collections.abc import Mapping

from lakewarden.kernel.arn import Arn

DATABASE = "lakewarden_audit"
IDS: Mapping[str, str] = {
    "events": "6d3ebd42-bc66-587d-9b45-59f57fac671a",
    "queries": "5e03705b-619a-5030-8a60-80ee8bf2bd7d",
    "lineage": "b3699d46-8d99-5a8e-a0e9-4a268e38ce62",
}
"""Each store's name, which is its table's in :data:`DATABASE`, and its id, which is the same everywhere."""
_NAMES = {found: name for name, found in IDS.items()}
_PARTS = re.compile(
    r"""'(?:[^']|'')*' | --[^\n]* | /\*.*?\*/
    | (?P<quote>"?)(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?P=quote)
    | "(?:[^"]|"")*" """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


class UnknownStore(Exception):
    """No event data store has this id."""


def arn_of(name: str, account: str, region: str) -> str:
    """The ARN of the store called ``name``."""
    return str(Arn("cloudtrail", region, account, f"eventdatastore/{IDS[name]}"))


def named(text: str) -> str:
    """The store that an ARN, an id or the end of an ARN names; raises :class:`UnknownStore`."""
    found = _NAMES.get(text.rpartition("/")[2].lower())
    if found is None:
        raise UnknownStore(text[:256])
    return found


def translated(statement: str) -> tuple[str, tuple[str, ...]]:
    """``statement`` with tables in the place of ids, and the stores that it names, in order.

    Whatever stands in a literal, a comment or an identifier stays as it is, and so does every other character's place,
    which errors name. Raises :class:`UnknownStore`.
    """
    found: dict[str, None] = {}

    def table(match: re.Match[str]) -> str:
        if match["id"] is None:
            return match[0]
        name = named(match["id"])
        found[name] = None
        return f"{DATABASE}.{name}".ljust(len(match[0]))

    return _PARTS.sub(table, statement), tuple(found)


def stores_in(statement: object) -> tuple[str, ...]:
    """The stores that a text names, as far as they are known; attempts can hold anything."""
    ids = (match["id"] for match in _PARTS.finditer(statement[:10_000])) if isinstance(statement, str) else ()
    return tuple(dict.fromkeys(_NAMES[one.lower()] for one in ids if one and one.lower() in _NAMES))
