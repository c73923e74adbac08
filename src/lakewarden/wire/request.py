"""A request and a response as they stand on the wire."""

from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass
from datetime import datetime


class Headers:
    """Header fields in order, looked up without regard to case."""

    __slots__ = ("_first", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = tuple((name.lower(), value) for name, value in pairs)
        self._first: dict[str, str] = {}
        for name, value in self.pairs:
            self._first.setdefault(name, value)

    def get(self, name: str, default: str = "") -> str:
        """The first value of ``name`` (lower case), or ``default``."""
        return self._first.get(name, default)

    def all(self, name: str) -> list[str]:
        """Every value of ``name`` in order."""
        return [value for key, value in self.pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return name in self._first

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Nothing is decoded yet: ``raw_path`` and ``query_string`` are percent-encoded as sent."""

    method: str
    scheme: str
    raw_path: str
    query_string: str
    headers: Headers
    source_ip: str
    received_at: datetime
    request_id: str
    body: AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, ready to send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | AsyncIterable[bytes]
