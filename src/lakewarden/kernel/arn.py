"""Amazon Resource Names: ``arn:partition:service:region:account:resource``."""

from dataclasses import dataclass
from typing import Self

PARTITION = "aws"


@dataclass(frozen=True, slots=True)
class Arn:
    """A parsed ARN. ``resource`` is everything after the fifth colon, colons included."""

    service: str
    region: str
    account: str
    resource: str
    partition: str = PARTITION

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split ``text``; raises ``ValueError`` when it is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
            raise ValueError(f"not an ARN: {text!r}")
        _, partition, service, region, account, resource = parts
        return cls(service, region, account, resource, partition)

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def iam(account: str, resource: str) -> str:
    """An IAM ARN, which has no region: ``iam("1234", "user/a")``."""
    return str(Arn("iam", "", account, resource))


def s3(resource: str) -> str:
    """An S3 ARN, which has neither region nor account: ``s3("bucket/key")``."""
    return str(Arn("s3", "", "", resource))
