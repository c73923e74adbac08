"""ARN patterns, matched segment by segment: a star never reaches over one of the first five colons.

IAM JSON policy reference, "Resource": an incomplete ARN is completed with wildcards.
"""

from dataclasses import dataclass

from lakewarden.policy.patterns import Context, Pattern, Tail, compile_pattern

_SEGMENTS = 6


class BadArn(ValueError):
    """A Resource or ArnLike value that is neither ``*`` nor an ARN."""


@dataclass(frozen=True, slots=True)
class ArnPattern:
    """``None`` segments match anything at all, even what is not an ARN.

    ``head`` is the fixed text that every fitting ARN begins with; ``tail`` says whether anything may follow it.
    """

    segments: tuple[Pattern, ...] | None
    head: str = ""
    tail: Tail = Tail.SEGMENTS

    def matches(self, arn: str, context: Context) -> bool:
        """Whether ``arn`` fits every segment."""
        if self.segments is None:
            return True
        if not arn.startswith(self.head):
            return False
        if self.tail is not Tail.SEGMENTS:
            return self.tail is Tail.ANYTHING or len(arn) == len(self.head)
        parts = arn.split(":", _SEGMENTS - 1)
        if len(parts) != _SEGMENTS:
            return False
        # The resource differs most often and rejects fastest.
        return all(
            segment.matches(part, context)
            for segment, part in zip(reversed(self.segments), reversed(parts), strict=True)
        )


def is_arn(text: str) -> bool:
    """Whether ``text`` has an ARN's six parts."""
    return text.startswith("arn:") and text.count(":") >= _SEGMENTS - 1


def compile_resource(text: str, *, variables: bool) -> ArnPattern:
    """A ``Resource``: like :func:`compile_arn`, and variables only behind the fifth colon."""
    if variables and any("${" in part for part in _split(text)[: _SEGMENTS - 1]):
        raise BadArn("may have policy variables only after the fifth colon of the ARN")
    return compile_arn(text, variables=variables)


def compile_arn(text: str, *, variables: bool) -> ArnPattern:
    """Compile an ARN with wildcards, or ``*``. Raises :class:`BadArn` or BadVariable."""
    if text == "*":
        return ArnPattern(None)
    parts = _split(text)
    if parts[0] not in {"arn", "*"} or len(parts) < 2:
        raise BadArn("must be an ARN or *")
    parts += ["*"] * (_SEGMENTS - len(parts))
    segments = tuple(compile_pattern(part, variables=variables) for part in parts)
    return ArnPattern(segments, *_head(segments))


def _head(segments: tuple[Pattern, ...]) -> tuple[str, Tail]:
    """The fixed beginning, and what may follow it."""
    heads: list[str] = []
    for at, segment in enumerate(segments):
        fixed, open_end = segment.head
        heads.append(fixed)
        if open_end is not Tail.NOTHING:
            last = at == _SEGMENTS - 1
            return ":".join(heads), open_end if last else Tail.SEGMENTS
    return ":".join(heads), Tail.NOTHING


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
