"""Exclude patterns of crawlers: ``*`` within a folder, ``**`` across folders, ``?``, ``[a-z]``, ``{a,b}``. Pure.

Glue Developer Guide, "Include and exclude patterns". Matched letter by letter with all places in the pattern at once, and
not as a regular expression, so that no pattern can take more than a moment.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lakewarden.catalog.errors import InvalidInputException

_LONGEST = 255
_MOST_ALTERNATIVES = 64


@dataclass(frozen=True, slots=True)
class _Token:
    """One letter of the text, or with ``many`` any number of them."""

    takes: Callable[[str], bool]
    many: bool = False


def excluded_by(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path below the target is excluded; raises InvalidInput for what is no pattern."""
    compiled = [_tokens(one) for text in patterns for one in _alternatives(text)]
    return lambda path: any(_matches(tokens, path) for tokens in compiled)


def _alternatives(text: str) -> list[str]:
    if not 0 < len(text) <= _LONGEST:
        raise InvalidInputException(f"An exclude pattern has 1 to {_LONGEST} letters.")
    found = [""]
    position = 0
    while position < len(text):
        letter = text[position]
        if letter == "{":
            end = text.find("}", position)
            inside = text[position + 1 : end]
            if end < 0 or "{" in inside:
                raise InvalidInputException(f"Exclude pattern: {{ without }}, or one within another: {text}")
            found = [begun + one for begun in found for one in inside.split(",")]
            if len(found) > _MOST_ALTERNATIVES:
                raise InvalidInputException(f"Exclude pattern has more than {_MOST_ALTERNATIVES} alternatives.")
            position = end + 1
            continue
        size = 2 if letter == "\\" else 1
        found = [begun + text[position : position + size] for begun in found]
        position += size
    return found


def _tokens(text: str) -> Sequence[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        letter = text[position]
        if letter == "[":
            end = text.find("]", position + 2)
            if end < 0:
                raise InvalidInputException(f"Exclude pattern: [ without ]: {text}")
            tokens.append(_Token(_one_of(text[position + 1 : end])))
            position = end + 1
        elif text.startswith("**", position):
            tokens.append(_Token(lambda _: True, many=True))
            position += 2
        elif letter == "*":
            tokens.append(_Token(_inside_a_folder, many=True))
            position += 1
        elif letter == "?":
            tokens.append(_Token(_inside_a_folder))
            position += 1
        else:
            if letter == "\\":
                position += 1
                letter = text[position : position + 1]
                if not letter:
                    raise InvalidInputException(f"Exclude pattern ends with \\: {text}")
            tokens.append(_Token(letter.__eq__))
            position += 1
    return tokens


def _inside_a_folder(letter: str) -> bool:
    return letter != "/"


def _one_of(listed: str) -> Callable[[str], bool]:
    negated = listed.startswith("!")
    body = listed[negated:]
    ranges: list[tuple[str, str]] = []
    position = 0
    while position < len(body):
        wide = body[position + 1 : position + 2] == "-" and position + 2 < len(body)
        ranges.append((body[position], body[position + 2] if wide else body[position]))
        position += 3 if wide else 1
    return lambda letter: letter != "/" and any(low <= letter <= high for low, high in ranges) != negated


def _matches(tokens: Sequence[_Token], text: str) -> bool:
    places = _skipped(tokens, {0})
    for letter in text:
        following: set[int] = set()
        for place in places:
            if place < len(tokens) and tokens[place].takes(letter):
                following.add(place if tokens[place].many else place + 1)
        places = _skipped(tokens, following)
        if not places:
            return False
    return len(tokens) in places


def _skipped(tokens: Sequence[_Token], places: set[int]) -> set[int]:
    """The same places, and those behind what may stand for nothing."""
    found = set(places)
    for place in places:
        behind = place
        while behind < len(tokens) and tokens[behind].many:
            behind += 1
            found.add(behind)
    return found
