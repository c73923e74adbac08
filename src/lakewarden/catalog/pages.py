"""Names with wildcards, and pages of what has names. Pure."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import DatabaseRecord

Params = Mapping[str, Any]
T = TypeVar("T")
PAGE = 100


def name_expression(text: str | None) -> Callable[[str], bool]:
    """GetTables' Expression: names with ``*`` (or ``.*``) for any text and ``|`` between alternatives.

    Matched part by part and not as a regular expression, so that no pattern can take more than a moment.
    """
    if not text:
        return lambda _: True
    alternatives = [re.split(r"\.?\*", one) for one in text.lower().split("|")]
    return lambda name: any(_matches(name, parts) for parts in alternatives)


def _matches(name: str, parts: Sequence[str]) -> bool:
    """Whether ``name`` is ``parts`` with any text between them."""
    first, *middle = parts
    if not middle:
        return name == first
    last = middle.pop()
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last) or end < len(first):
        return False
    position = len(first)
    for part in middle:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def token_of(name: str) -> str:
    """A NextToken that means "behind this name"."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def name_of(token: str | None) -> str:
    """The name in a NextToken; raises InvalidInput."""
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInputException("NextToken is invalid.") from error


def page(items: Sequence[DatabaseRecord], params: Params) -> tuple[Sequence[DatabaseRecord], dict[str, Any]]:
    """The databases of one page, and NextToken where there are more."""
    after, limit = name_of(params.get("NextToken")), int(params.get("MaxResults", PAGE))
    rest = [one for one in items if one.name > after]
    return rest[:limit], {"NextToken": token_of(rest[limit - 1].name)} if len(rest) > limit else {}


def numbered(items: Sequence[T], params: Params, name: str, default: int = PAGE) -> dict[str, Any]:
    """One page of what is answered whole each time; the token is the position of the next item."""
    text = name_of(params.get("NextToken")) or "0"
    if not text.isdigit():
        raise InvalidInputException("NextToken is invalid.")
    start = int(text)
    end = start + int(params.get("MaxResults", default))
    more = {"NextToken": token_of(str(end))} if end < len(items) else {}
    return {name: list(items[start:end]), **more}
