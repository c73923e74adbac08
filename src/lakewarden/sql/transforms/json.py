"""JSON functions: paths in DuckDB's form."""

import re

from sqlglot import exp

from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.transforms.build import Calls, Rewrite, arguments_of, call, literal_text, text

_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['((?:[^'\\]|\\.)*)'\]|\."([^"]*)\"""")


def engine_path(path: str) -> str:
    """``$["a b"].c[0]`` -> ``$."a b"."c"[0]``; raises for a path that is not one, or has wildcards."""
    rest = path.strip()
    if not rest.startswith("$"):
        rest = "$." + rest
    made, place = "$", 1
    while place < len(rest):
        found = _STEP.match(rest, place)
        if found is None:
            if "*" in rest or ".." in rest or "?" in rest:
                raise Unsupported("A JSON path with wildcards or filters")
            raise SqlError("INVALID_FUNCTION_ARGUMENT: Invalid JSON path")
        place = found.end()
        if found.group(2) is not None:
            made += f"[{found.group(2)}]"
        else:
            step = next(one for one in (found.group(1), *found.groups()[2:]) if one is not None)
            if '"' in step:
                raise Unsupported("A JSON path with quotes in a name")
            made += f'."{step}"'
    return made


def _by_path(macro: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        value, path = arguments_of(node)
        return call(macro, value, text(engine_path(literal_text(path, "A JSON path"))))

    return rewrite


def _contains(node: exp.Expression) -> exp.Expression:
    value, item = arguments_of(node)
    return call("t_json_array_contains", value, call("to_json", item))


def parse(node: exp.Expression) -> exp.Expression:
    """``JSON '...'``."""
    return call("t_json_parse", node.this)


CALLS: Calls = {
    "json_extract": _by_path("t_json_extract"),
    "json_extract_scalar": _by_path("t_json_extract_scalar"),
    "json_size": _by_path("t_json_size"),
    "json_array_contains": _contains,
}
