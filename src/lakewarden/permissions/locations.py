"""Where data lies, and which of it is under Lake Formation's control. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

_ARN = "arn:aws:s3:::"
_SCHEMES = ("s3://", "s3a://", "s3n://")


def path_of(location: str) -> str:
    """An S3 ARN or URI as ``bucket/key`` without a closing slash; empty when it is neither.

    INVARIANT (deny_by_default): every spelling that storage reads must come out here alike, or a registered path could
    be entered under another name.
    """
    for head in (_ARN, *_SCHEMES):
        if location.startswith(head):
            return location.removeprefix(head).rstrip("/")
    return ""


def is_below(location: str, parent: str) -> bool:
    """Whether ``location`` is ``parent`` or lies below it; keys are compared part by part, never as mere prefixes."""
    path, above = path_of(location), path_of(parent)
    return bool(above) and (path + "/").startswith(above + "/")


@dataclass(frozen=True, slots=True)
class Locations:
    """A set of paths, asked in the time that the depth of a path takes."""

    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, locations: Iterable[str]) -> Self:
        """From ARNs or URIs."""
        return cls(frozenset(filter(None, map(path_of, locations))))

    def covers(self, location: str) -> bool:
        """Whether ``location`` is one of the paths or lies below one."""
        return any(path in self.paths for path in _ancestors(path_of(location)))

    def overlaps(self, location: str) -> bool:
        """Whether ``location`` is, lies below, or contains one of the paths."""
        path = path_of(location)
        return self.covers(location) or (bool(path) and any(one.startswith(path + "/") for one in self.paths))


NOWHERE = Locations()


def _ancestors(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
