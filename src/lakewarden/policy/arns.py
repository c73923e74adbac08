"""ARN patterns, matched segment by segment: a star never reaches over one of the first five colons.

IAM JSON policy reference, "Resource": an incomplete ARN is completed with wildcards.
"""

from dataclasses import dataclass

from lakewarden.policy.patterns import Context, Pattern, compile_pattern

_SEGMENTS = 6


class BadArn(ValueError):
    """A Resource or ArnLike value that is neither ``*`` nor an ARN."""


@dataclass(frozen=True, slots=True)
class ArnPattern:
    """``None`` segments match anything at all, even what is not an ARN."""

    segments: tuple[Pattern, ...] | None

    def matches(self, arn: str, context: Context) -> bool:
        """Whether ``arn`` fits every segment."""
        if self.segments is None:
            return True
        parts = arn.split(":", _SEGMENTS - 1)
        if len(parts) != _SEGMENTS:
            return False
        # The resource differs most often and rejects fastest.
        return all(
            segment.matches(part, context)
            for segment, part in zip(reversed(self.segments), reversed(parts), strict=True)
        )


def compile_arn(text: str, *, variables: bool) -> ArnPattern:
    """Compile an ARN with wildcards, or ``*``. Raises :class:`BadArn` or BadVariable."""
    if text == "*":
        return ArnPattern(None)
    parts = _split(text)
    if parts[0] not in {"arn", "*"} or len(parts) < 2:
        raise BadArn("must be an ARN or *")
    parts += ["*"] * (_SEGMENTS - len(parts))
    return ArnPattern(tuple(compile_pattern(part, variables=variables) for part in parts))


def _split(text: str) -> list[str]:
    """Split at the first five colons that stand outside ``${...}``."""
    parts = [""]
    depth = 0
    for at, letter in enumerate(text):
        if text.startswith("${", at):
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        if letter == ":" and depth == 0 and len(parts) < _SEGMENTS:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
