"""What a codec reads and writes."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.model import OperationModel

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError
from lakewarden.wire.request import Headers


@dataclass(frozen=True, slots=True)
class Incoming:
    """A routed request: ``labels`` come from the path, ``query`` from the query string, both decoded.

    ``body`` is complete; it is empty where the operation's payload streams.
    ``form`` are its fields, where they were read already.
    """

    headers: Headers
    body: bytes
    labels: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A response without the headers that every response carries."""

    status: int
    body: bytes | AsyncIterable[bytes]
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""


class Codec(Protocol):
    """A protocol's module."""

    def parse(self, operation: OperationModel, request: Incoming) -> dict[str, Any]:
        """The input members; raises an AwsError of the protocol's kind."""
        ...

    def serialize(self, operation: OperationModel, answer: Answer, request_id: str) -> Outgoing:
        """The response to a call that went well."""
        ...

    def error(self, service: str, problem: AwsError, request_id: str, resource: str) -> Outgoing:
        """The response to one that did not; ``resource`` is the path as sent, which S3 names in its errors."""
        ...
