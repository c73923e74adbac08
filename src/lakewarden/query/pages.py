"""Pages of listings: a NextToken is a position, or the last name that was told."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.query.errors import InvalidRequestException

Params = Mapping[str, Any]


def token_of(position: int) -> str:
    """The NextToken that means a position."""
    return base64.b64encode(str(position).encode()).decode("ascii")


def start_of(params: Params) -> int:
    """The position that a call goes on from; raises InvalidRequestException."""
    if not params.get("NextToken"):
        return 0
    try:
        return max(0, int(base64.b64decode(params["NextToken"], validate=True)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestException("NextToken is invalid.") from error


def page(items: Sequence[Any], params: Params, name: str) -> Params:
    """One page of ``items`` under the member ``name``."""
    start = start_of(params)
    end = start + int(params.get("MaxResults", 50))
    return {name: list(items[start:end]), **({"NextToken": token_of(end)} if end < len(items) else {})}
