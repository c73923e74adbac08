"""AWS bytes to calls and back. Knows the protocols, and nothing of what the operations mean."""

from lakewarden.wire.gateway import Received, Refused, Wire
from lakewarden.wire.request import Headers, RawRequest, Response

__all__ = ["Headers", "RawRequest", "Received", "Refused", "Response", "Wire"]
