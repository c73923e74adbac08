"""ARNs and names of Studio's resources. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.kernel.arn import Arn
from lakewarden.kernel.errors import ValidationError

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_DOMAIN = re.compile(r"d-(-*[a-z0-9]){1,61}")
_PATH = re.compile(r"(domain|user-profile|space|app)/[^/]+(/[^/]+){0,3}")


def name(value: str, member: str) -> str:
    """A profile's, space's, app's or domain's name; raises :class:`ValidationError`."""
    # The length first: the pattern is AWS's own, and slow on long text.
    if len(value) > 63 or not _NAME.fullmatch(value):
        raise ValidationError(
            f"1 validation error detected: Value '{value[:128]}' at '{member}' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
        )
    return value


def is_name(value: str) -> bool:
    """Whether ``value`` could be the name of a profile or space."""
    return len(value) <= 63 and _NAME.fullmatch(value) is not None


def is_domain_id(value: str) -> bool:
    """Whether ``value`` could be a domain's id."""
    return len(value) <= 63 and _DOMAIN.fullmatch(value) is not None


class Arns:
    """The ARNs of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region

    def of(self, path: str) -> str:
        """``domain/d-1`` -> ``arn:aws:sagemaker:...``."""
        return str(Arn("sagemaker", self._region, self._account, path))

    def profile(self, domain: str, profile: str) -> str:
        """A user profile's ARN."""
        return self.of(f"user-profile/{domain}/{profile}")

    def path(self, arn: str) -> str:
        """The resource part of one of our ARNs; raises :class:`ValidationError` for any other."""
        try:
            parsed = Arn.parse(arn)
        except ValueError as error:
            raise ValidationError(f"Invalid ARN: {arn[:200]}") from error
        if str(Arn("sagemaker", self._region, self._account, parsed.resource)) != arn or not _PATH.fullmatch(
            parsed.resource
        ):
            raise ValidationError(f"Tags are kept for domains, user profiles, spaces and apps, not for {arn[:200]}")
        return parsed.resource


def tags_of(pairs: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """AWS's list of Key and Value as a dict; raises :class:`ValidationError` for a key that stands twice."""
    tags = {pair["Key"]: pair["Value"] for pair in pairs or ()}
    if len(tags) != len(pairs or ()):
        raise ValidationError("A tag key stands twice.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise ValidationError("Tag keys that begin with aws: are reserved.")
    return tags


def execution_roles(*settings: Mapping[str, Any] | None) -> list[str]:
    """The execution roles that settings structures name."""
    return [one["ExecutionRole"] for one in settings if one and one.get("ExecutionRole")]
