"""PURE: credentials that reach one place and a few verbs, as a session policy (Lake Formation's vending).

A session is limited by its session policy whatever its role may do, so the limit holds at every door that asks the
guard, and nowhere else is it written down.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verbs(Enum):
    """What a scoped session may do with its objects."""

    READ = "READ"
    WRITE = "WRITE"
    READ_WRITE = "READ_WRITE"


_READS = ("s3:GetObject",)
_WRITES = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_ACTIONS: Mapping[Verbs, tuple[str, ...]] = {
    Verbs.READ: _READS,
    Verbs.WRITE: _WRITES,
    Verbs.READ_WRITE: _READS + _WRITES,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Everything below ``prefix`` in a bucket. A prefix is a folder: ``a/b`` and ``a/b/`` are the same place.

    INVARIANT (least_reach): ``a/b`` does not reach ``a/bc``. An empty prefix is the whole bucket.
    """

    bucket: str
    prefix: str

    @property
    def folder(self) -> str:
        """The prefix with its slash at the end; empty for the whole bucket."""
        return f"{self.prefix.rstrip('/')}/" if self.prefix.rstrip("/") else ""

    def holds(self, bucket: str, key: str) -> bool:
        """Whether an object lies here."""
        return bucket == self.bucket and key.startswith(self.folder)


def session_policy(places: Iterable[Place], verbs: Verbs) -> str:
    """The session policy that limits a session to ``places``, as JSON. No place: nothing is allowed.

    ``s3:ListBucket`` is allowed with a prefix of the place only; without one, or with an outer one, it is denied.
    """
    statements = [statement for place in sorted(set(places), key=_order) for statement in _statements(place, verbs)]
    if not statements:
        statements = [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, ensure_ascii=False, separators=(",", ":"))


def _order(place: Place) -> tuple[str, str]:
    return place.bucket, place.folder


def _statements(place: Place, verbs: Verbs) -> Sequence[Mapping[str, Any]]:
    folder = literal(place.folder)
    bucket = f"arn:aws:s3:::{place.bucket}"
    listing: dict[str, Any] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket}
    if folder:
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{folder}*"}}
    return (
        {"Effect": "Allow", "Action": list(_ACTIONS[verbs]), "Resource": f"{bucket}/{folder}*"},
        listing,
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": bucket},
    )


def literal(text: str) -> str:
    """``text`` as a policy pattern that means exactly itself: its wildcards and variables are spelled out."""
    return "".join({"*": "${*}", "?": "${?}", "$": "${$}"}.get(letter, letter) for letter in text)
