"""Arrays, maps, rows, and the functions that take lambdas."""

from sqlglot import exp

from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.transforms.as_text import as_text
from lakewarden.sql.transforms.build import Calls, Rewrite, arguments_of, call, cast, either, number, text
from lakewarden.sql.transforms.lambdas import applied, field, lambda_of, made, name
from lakewarden.sql.types import STAMPS, ZONED, D, field_names, item, kind


def subscript(node: exp.Expression) -> exp.Expression:
    """``a[i]`` of an array, a map or a row; out of bounds and absent keys are errors."""
    of, index = node.this, node.expressions[0]
    if kind(of) is D.MAP:
        return call("t_map_get", of, index)
    if kind(of) is D.STRUCT:
        fields = field_names(of.type)
        place = int(index.name) if isinstance(index, exp.Literal) and index.name.isdigit() else 0
        if not 0 < place <= len(fields):
            raise SqlError("INVALID_FUNCTION_ARGUMENT: Invalid row subscript")
        return field(of, fields[place - 1])
    return call("t_subscript", of, index)


def row(node: exp.Expression) -> exp.Expression:
    """``ROW(a, b)``: fields without names are called field0, field1."""
    if isinstance(node.parent, exp.Cast):
        return node
    return exp.Struct(
        expressions=[
            one
            if isinstance(one, exp.PropertyEQ)
            else exp.PropertyEQ(this=exp.to_identifier(f"field{place}", quoted=True), expression=one)
            for place, one in enumerate(node.expressions)
        ]
    )


def map_of(node: exp.Expression) -> exp.Expression:
    """``MAP(keys, values)`` and ``MAP()``."""
    keys, values = node.args.get("keys"), node.args.get("values")
    return call("map", *[one for one in (keys, values) if one is not None])


def _map(node: exp.Expression) -> exp.Expression:
    return call("map", *arguments_of(node))


def _element_at(node: exp.Expression) -> exp.Expression:
    of, index = arguments_of(node)
    return call("t_map_find" if kind(of) is D.MAP else "t_element_at", of, index)


def _cardinality(node: exp.Expression) -> exp.Expression:
    of = arguments_of(node)[0]
    return cast(call("cardinality" if kind(of) is D.MAP else "len", of), "BIGINT")


def _fold(function: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        first, *rest = arguments_of(node)
        for one in rest:
            first = call(function, first, one)
        return first

    return rewrite


def _join(node: exp.Expression) -> exp.Expression:
    of, separator, *null = arguments_of(node)
    each = name("x")
    each._type = item(of.type)
    shown = call("list_transform", of, made(["x"], as_text(each)))
    if null:
        return call("t_join_nulls", shown, separator, null[0])
    return call("array_to_string", shown, separator)


def _sort(node: exp.Expression) -> exp.Expression:
    of, *comparator = arguments_of(node)
    if comparator:
        raise Unsupported("array_sort with a comparator")
    return call("list_sort", of, text("ASC"), text("NULLS LAST"))


def _transform(node: exp.Expression) -> exp.Expression:
    of, function = arguments_of(node)
    return call("list_transform", of, lambda_of(function, 1))


def _filter(node: exp.Expression) -> exp.Expression:
    of, function = arguments_of(node)
    return call("list_filter", of, lambda_of(function, 1))


def _match(macro: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        of, function = arguments_of(node)
        return call(macro, call("list_transform", of, lambda_of(function, 1)))

    return rewrite


def _reduce(node: exp.Expression) -> exp.Expression:
    """``reduce(array, start, (s, x) -> ..., s -> ...)``; the state must be of a type that holds the elements too."""
    of, start, step, end = arguments_of(node)
    folded = call("list_reduce", of, lambda_of(step, 2), start)
    finish = lambda_of(end, 1)
    parameter = finish.expressions[0].name
    if isinstance(finish.this, exp.Column | exp.Identifier) and finish.this.name == parameter:
        return folded
    return applied(finish, [folded])


def _zip(node: exp.Expression) -> exp.Expression:
    arrays = arguments_of(node)
    fields: list[exp.Expression] = [
        exp.PropertyEQ(this=exp.to_identifier(f"field{place}", quoted=True), expression=_at(one, "i"))
        for place, one in enumerate(arrays)
    ]
    return call("list_transform", _longest(arrays), made(["i"], exp.Struct(expressions=fields)))


def _zip_with(node: exp.Expression) -> exp.Expression:
    first, second, function = arguments_of(node)
    body = applied(lambda_of(function, 2), [_at(first, "i"), _at(second, "i")])
    return call("list_transform", _longest([first, second]), made(["i"], body))


def _at(array: exp.Expression, index: str) -> exp.Expression:
    return call("list_extract", array.copy(), name(index))


def _longest(arrays: list[exp.Expression]) -> exp.Expression:
    sizes = [call("len", one.copy()) for one in arrays]
    return call("t_up_to", call("greatest", *sizes))


def _entries(node: exp.Expression) -> exp.Expression:
    return call("map_entries", node)


def _over_entries(node: exp.Expression) -> tuple[exp.Expression, exp.Expression, exp.Expression, exp.Expression]:
    """The entries of the map, and the lambda's body over a key and a value of entry ``e``."""
    of, function = arguments_of(node)
    key, value = field(name("e"), "key"), field(name("e"), "value")
    return _entries(of), applied(lambda_of(function, 2), [key, value]), key, value


def _pair(key: exp.Expression, value: exp.Expression) -> exp.Expression:
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier("k", quoted=True), expression=key),
            exp.PropertyEQ(this=exp.to_identifier("v", quoted=True), expression=value),
        ]
    )


def _map_filter(node: exp.Expression) -> exp.Expression:
    entries, body, _, _ = _over_entries(node)
    return call("map_from_entries", call("list_filter", entries, made(["e"], body)))


def _transform_keys(node: exp.Expression) -> exp.Expression:
    entries, body, _, value = _over_entries(node)
    return call("map_from_entries", call("list_transform", entries, made(["e"], _pair(body, value))))


def _transform_values(node: exp.Expression) -> exp.Expression:
    entries, body, key, _ = _over_entries(node)
    return call("map_from_entries", call("list_transform", entries, made(["e"], _pair(key, body))))


def _map_zip_with(node: exp.Expression) -> exp.Expression:
    first, second, function = arguments_of(node)
    key = name("k")
    values = [call("t_map_find", one.copy(), key.copy()) for one in (first, second)]
    body = _pair(key, applied(lambda_of(function, 3), [key, *values]))
    keys = call("list_distinct", call("list_concat", call("map_keys", first), call("map_keys", second)))
    return call("map_from_entries", call("list_transform", call("list_sort", keys), made(["k"], body)))


def _sequence(node: exp.Expression) -> exp.Expression:
    """``sequence(start, stop[, step])``; without a step it counts down where stop is below start."""
    start, stop, *step = arguments_of(node)
    if kind(start) is D.DATE:
        down = exp.GT(this=start.copy(), expression=stop.copy())
        by = step[0] if step else call("to_days", either(down, cast(number(-1), "INTEGER"), cast(number(1), "INTEGER")))
        return cast(call("generate_series", cast(start, "TIMESTAMP"), cast(stop, "TIMESTAMP"), by), "DATE[]")
    if kind(start) in STAMPS | ZONED:
        if not step:
            raise SqlError("FUNCTION_NOT_FOUND: Unexpected parameters (timestamp, timestamp) for function sequence")
        return call("generate_series", start, stop, step[0])
    if (
        not step
        and isinstance(start, exp.Literal)
        and isinstance(stop, exp.Literal)
        and start.name.isdigit()
        and stop.name.isdigit()
        and int(start.name) <= int(stop.name)
    ):
        return call("generate_series", start, stop)
    return call("t_sequence", start, stop) if not step else call("t_sequence_by", start, stop, step[0])


def _multimap(node: exp.Expression) -> exp.Expression:
    of = arguments_of(node)[0]
    names = field_names(item(of.type))
    key, value = names if len(names) == 2 else ("field0", "field1")
    pair = _pair(field(name("e"), key), field(name("e"), value))
    return call("t_multimap_agg", call("list_transform", of, made(["e"], pair)))


CALLS: Calls = {
    "multimap_from_entries": _multimap,
    "element_at": _element_at,
    "cardinality": _cardinality,
    "map": _map,
    "map_concat": lambda node: call("map_concat", *arguments_of(node)),
    "array_intersect": _fold("t_array_intersect"),
    "array_join": _join,
    "array_sort": _sort,
    "transform": _transform,
    "filter": _filter,
    "any_match": _match("t_any_true"),
    "all_match": _match("t_all_true"),
    "none_match": _match("t_none_true"),
    "reduce": _reduce,
    "zip": _zip,
    "zip_with": _zip_with,
    "map_filter": _map_filter,
    "transform_keys": _transform_keys,
    "transform_values": _transform_values,
    "map_zip_with": _map_zip_with,
    "sequence": _sequence,
}
