"""Encoded authorization messages: why a call was denied, readable only through sts:DecodeAuthorizationMessage.

STS API reference, "DecodeAuthorizationMessage". A denial carries its message in the header
``x-lakewarden-authorization-message``; AWS puts one into EC2's denial texts only.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.identity.errors import InvalidAuthorizationMessage
from lakewarden.identity.sealed import KeyRing, NotSealedHere
from lakewarden.kernel.decision import Decision, Verdict
from lakewarden.policy import Request

_PURPOSE = "authorization-message"
_BLOCK = 512
_MAX_STATEMENTS = 20
_LONGEST_VALUE = 200
_LONGEST_PLAIN = 64 * 1024


def encoder(ring: KeyRing) -> Callable[[Decision, Request], str]:
    """What the guard calls for each denial."""

    def encode(decision: Decision, request: Request) -> str:
        packed = zlib.compress(json.dumps(_message(decision, request)).encode())
        # INVARIANT (non_interference): padded, so that the length tells next to nothing about the policies.
        padded = len(packed).to_bytes(4, "big") + packed
        return ring.seal(padded + bytes(-len(padded) % _BLOCK), _PURPOSE)

    return encode


def decoded(ring: KeyRing, text: str) -> str:
    """The message as JSON; raises :class:`InvalidAuthorizationMessage`."""
    try:
        plain = ring.open(text, _PURPOSE)
        length = int.from_bytes(plain[:4], "big")
        return zlib.decompressobj().decompress(plain[4 : 4 + length], _LONGEST_PLAIN).decode()
    except (NotSealedHere, zlib.error, ValueError) as error:
        raise InvalidAuthorizationMessage("The encoded message is not one of this server, or was changed.") from error


def _message(decision: Decision, request: Request) -> Mapping[str, Any]:
    explicit = decision.verdict is Verdict.EXPLICIT_DENY
    layer = decision.layer
    return {
        "allowed": False,
        "explicitDeny": explicit,
        "matchedStatements": _items(
            [
                {
                    "statementId": one.sid,
                    "effect": "DENY",
                    "policy": one.policy,
                    "policyType": one.layer.value,
                    "index": one.index,
                }
                for one in decision.because[:_MAX_STATEMENTS]
            ]
        ),
        "failures": _items([] if explicit or layer is None else [{"policyType": layer.value, "reason": "no allow"}]),
        "context": {
            "principal": {"id": request.principal.user_id, "arn": request.principal.arn},
            "action": request.action,
            "resource": request.resource,
            "conditions": _items(
                [
                    {"key": key, "values": _items([{"value": value[:_LONGEST_VALUE]} for value in values[:20]])}
                    for key, values in request.context.items()
                ]
            ),
        },
    }


def _items(values: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"items": list(values)}
