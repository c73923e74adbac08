"""Strings, binary values and regular expressions."""

import re

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms.as_text import as_text
from lakewarden.sql.transforms.build import (
    Calls,
    Rewrite,
    arguments_of,
    call,
    cast,
    literal_text,
    number,
    parenthesised,
    text,
)
from lakewarden.sql.types import D, kind

_ARRAYS = frozenset({D.ARRAY, D.LIST})
_PRINTF = re.compile(r"%(?:%|-?[0-9]*(?:\.[0-9]+)?[sdfexX])")


def by_count(**names: str) -> Rewrite:
    """The engine's function by the number of arguments: ``two=...``, ``three=...``."""
    counts = {{"one": 1, "two": 2, "three": 3, "four": 4}[count]: name for count, name in names.items()}

    def rewrite(node: exp.Expression) -> exp.Expression:
        arguments = arguments_of(node)
        name = counts.get(len(arguments))
        if name is None:
            raise Unsupported(f"The function {node.name.removeprefix('$')} with {len(arguments)} arguments")
        return call(name, *arguments)

    return rewrite


def concatenate(parts: list[exp.Expression]) -> exp.Expression:
    """``||``: strings, arrays, and arrays with elements; null if any part is."""
    arrays = [kind(part) in _ARRAYS for part in parts]
    joined = parts[0]
    is_array = arrays[0]
    for part, array in zip(parts[1:], arrays[1:], strict=True):
        if is_array and not array and kind(part) is not D.UNKNOWN:
            joined = call("list_append", joined, part)
        elif array and not is_array and kind(joined) is not D.UNKNOWN:
            joined, is_array = call("list_prepend", joined, part), True
        else:
            joined = exp.DPipe(this=parenthesised(joined), expression=parenthesised(part), safe=False)
    return joined


def _concat(node: exp.Expression) -> exp.Expression:
    return exp.Paren(this=concatenate(arguments_of(node)))


def pipe(node: exp.Expression) -> exp.Expression:
    """The operator ``||``."""
    return exp.Paren(this=concatenate([node.this, node.expression]))


def _concat_ws(node: exp.Expression) -> exp.Expression:
    separator, *parts = arguments_of(node)
    if len(parts) == 1 and kind(parts[0]) in _ARRAYS:
        return call("array_to_string", parts[0], separator)
    return call("concat_ws", separator, *parts)


def _length(node: exp.Expression) -> exp.Expression:
    value = arguments_of(node)[0]
    return call("octet_length" if kind(value) is D.VARBINARY else "length", value)


def _substr(node: exp.Expression) -> exp.Expression:
    return _part(*arguments_of(node))


def substring(node: exp.Expression) -> exp.Expression:
    """``substring(s FROM start FOR length)``."""
    parts = [node.this, node.args.get("start") or number(1), node.args.get("length")]
    return _part(*[part for part in parts if part is not None])


def _part(value: exp.Expression, start: exp.Expression, length: exp.Expression | None = None) -> exp.Expression:
    """DuckDB counts a start of zero or before the beginning otherwise than Trino does."""
    if kind(value) is D.VARBINARY:
        raise Unsupported("substr of varbinary")
    rest = [] if length is None else [length]
    known = _natural(start) and (length is None or _natural(length))
    return call("substring" if known else "t_substr" if length is None else "t_substr_for", value, start, *rest)


def _natural(node: exp.Expression) -> bool:
    return isinstance(node, exp.Literal) and node.name.isdigit() and int(node.name) > 0


def _pad(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        arguments = arguments_of(node)
        if kind(arguments[0]) is D.VARBINARY:
            raise Unsupported(f"{name} of varbinary")
        value, size, padding = arguments
        return call(name, value, cast(size, "INTEGER"), padding)

    return rewrite


def _replace(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    return call("replace", *arguments, *([text("")] if len(arguments) == 2 else []))


def _reverse(node: exp.Expression) -> exp.Expression:
    value = arguments_of(node)[0]
    return call("list_reverse" if kind(value) in _ARRAYS else "reverse", value)


def trim(node: exp.Expression) -> exp.Expression:
    """``trim([[LEADING | TRAILING | BOTH] [characters] FROM] s)``."""
    side = str(node.args.get("position") or "BOTH").upper()
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "trim")
    characters = node.args.get("expression")
    return call(f"t_{name}", node.this) if characters is None else call(name, node.this, characters)


def _trim(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        arguments = arguments_of(node)
        return call(f"t_{name}" if len(arguments) == 1 else name, *arguments)

    return rewrite


def position(node: exp.Expression) -> exp.Expression:
    """``position(part IN s)``."""
    return call("strpos", node.this, node.args["substr"])


def normalize(node: exp.Expression) -> exp.Expression:
    """``normalize(s)``: the form NFC only."""
    form = node.args.get("form")
    if isinstance(form, exp.Expression) and form.name.upper() != "NFC":
        raise Unsupported(f"normalize to {form.name.upper()[:10]}")
    return call("nfc_normalize", node.this)


def _format(node: exp.Expression) -> exp.Expression:
    """Java's formatter, as far as C's printf answers the same."""
    template, *values = arguments_of(node)
    pattern = literal_text(template, "A format")
    directives = _PRINTF.findall(pattern)
    if "%" in _PRINTF.sub("", pattern):
        raise Unsupported("This format directive")
    kinds = [one[-1] for one in directives if one != "%%"]
    if len(kinds) > len(values):
        raise Unsupported("A format with more directives than arguments")
    shown = [_formatted(value, letter) for value, letter in zip(values, kinds, strict=False)]
    return call("printf", text(pattern), *shown)


def _formatted(value: exp.Expression, letter: str) -> exp.Expression:
    if letter == "s":
        return as_text(value)
    return cast(value, "BIGINT" if letter in "dxX" else "DOUBLE")


# Regular expressions: Trino's are Java's, DuckDB's are RE2's; what RE2 does not know ends the query.


def _regexp_replace(node: exp.Expression) -> exp.Expression:
    value, pattern, *rest = arguments_of(node)
    if not rest:
        return call("regexp_replace", value, pattern, text(""), text("g"))
    if isinstance(rest[0], exp.Lambda):
        raise Unsupported("regexp_replace with a function")
    if not isinstance(rest[0], exp.Literal):
        return call("t_regexp_replace", value, pattern, rest[0])
    return call("regexp_replace", value, pattern, text(_replacement(rest[0].name)), text("g"))


def _replacement(java: str) -> str:
    r"""``$1`` and ``\$`` of Java as RE2's ``\1`` and ``$``."""
    made, rest = "", java
    while rest:
        if rest[0] == "\\" and len(rest) > 1:
            made += "\\\\" if rest[1] == "\\" else rest[1]
            rest = rest[2:]
        elif rest[0] == "$":
            if not rest[1:2].isdigit():
                raise Unsupported("A named group in a replacement")
            made += f"\\{rest[1]}"
            rest = rest[2:]
        else:
            made += rest[0]
            rest = rest[1:]
    return made


def _hex(node: exp.Expression) -> exp.Expression:
    return call("hex", arguments_of(node)[0])


def _unhex(node: exp.Expression) -> exp.Expression:
    return call("unhex", arguments_of(node)[0])


def _decode(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    if len(arguments) > 1:
        raise Unsupported("from_utf8 with a replacement")
    return call("decode", arguments[0])


CALLS: Calls = {
    "concat": _concat,
    "concat_ws": _concat_ws,
    "length": _length,
    "substr": _substr,
    "substring": _substr,
    "lpad": _pad("lpad"),
    "rpad": _pad("rpad"),
    "replace": _replace,
    "reverse": _reverse,
    "ltrim": _trim("ltrim"),
    "rtrim": _trim("rtrim"),
    "split": by_count(two="string_split", three="t_split_limit"),
    "strpos": by_count(two="strpos", three="t_strpos_nth"),
    "from_utf8": _decode,
    "format": _format,
    "regexp_extract": by_count(two="t_regexp_extract", three="t_regexp_group"),
    "regexp_extract_all": by_count(two="regexp_extract_all", three="regexp_extract_all"),
    "regexp_position": by_count(two="t_regexp_position"),
    "regexp_replace": _regexp_replace,
    "regexp_split": by_count(two="string_split_regex"),
    "to_hex": _hex,
    "from_hex": _unhex,
}
