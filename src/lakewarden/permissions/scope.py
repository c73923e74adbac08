"""What vended credentials are limited to: a session policy of one prefix and some verbs. Pure."""

import json
from collections.abc import Set
from typing import Any

from lakewarden.kernel.arn import s3
from lakewarden.permissions.locations import path_of

_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_DELETE = ("s3:DeleteObject",)
_LITERAL = {"*": "${*}", "?": "${?}", "$": "${$}"}


def session_policy(location: str, permissions: Set[str]) -> str:
    """A policy document that allows what ``permissions`` need below ``location``, and nothing else.

    INVARIANT (least_reach): a location is a name, never a pattern: whoever may create a table could otherwise call its
    location ``s3://lake/*``.
    """
    bucket, _, prefix = path_of(location).partition("/")
    literal = "".join(_LITERAL.get(letter, letter) for letter in prefix)
    actions = [
        *(_READ if permissions & {"SELECT", "ALL"} else ()),
        *(_WRITE if permissions & {"INSERT", "ALL"} else ()),
        *(_DELETE if permissions & {"DELETE", "ALL"} else ()),
    ]
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": actions, "Resource": s3(f"{bucket}/{literal}/*" if literal else f"{bucket}/*")},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": s3(bucket),
            **({"Condition": {"StringLike": {"s3:prefix": f"{literal}/*"}}} if literal else {}),
        },
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": s3(bucket)},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": [one for one in statements if one["Action"]]})
