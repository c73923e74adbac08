"""When a row filter may be an ordinary condition, which the engine mixes with the query's own, and not a barrier.

Behind a barrier nothing of the user's SQL meets a hidden row. Without one it may, and nothing must show it: no failure, no
value, no order of rows. So every expression that the engine could evaluate on a hidden row must be total, and the answer
must be the same in whatever order rows come: exact types, aggregates that forget order, a complete ORDER BY.

What may fail is admitted in one place: in what the outermost SELECT, or the one derived table that is all it reads, computes
for *every* row that passed its conditions (``sum(price * (1 - discount))``). The engine evaluates that above the conditions.
Even there it stands under nothing that the engine could fold away by statistics, which know hidden rows: no AND, no
comparison, no count.
"""

from dataclasses import dataclass, field

from sqlglot import exp

from lakewarden.sql.total import EXACT, Totality, called, widen
from lakewarden.sql.types import kind

_CLAUSES = frozenset(
    {"with_", "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"}
)
_JOIN_CLAUSES = frozenset({"this", "side", "kind", "on"})
_AGGREGATES = frozenset({"sum", "min", "max", "avg", "count"})
_STRICT = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren)
_STRICT_CALLS = frozenset({"sum", "avg", "min", "max", "t_quotient"})


def completed(tree: exp.Query) -> exp.Query | None:
    """The query for filters that are ordinary conditions; None where they must be barriers.

    ``tree`` is qualified and translated. What comes back gives the same rows, in an order that follows them alone.

    INVARIANT (non_interference): a query that could fail on a hidden row, or show one in its order, is never admitted.
    """
    if not isinstance(tree, exp.Select) or not all(_exact(column) for column in tree.find_all(exp.Column)):
        return None
    admitted = _Admission()
    if not admitted.block(tree, chain=True, outermost=True):
        return None
    tree = tree.copy() if admitted.look.widened else tree
    if admitted.look.widened:
        # The copy is looked at anew, for what was collected are nodes of the tree itself.
        admitted = _Admission()
        admitted.block(tree, chain=True, outermost=True)
        widen(admitted.look)
    _complete_order(tree)
    return tree


def _exact(column: exp.Column) -> bool:
    """Of a type whose equal values look the same; a bare name is an output's in ORDER BY, which is looked at there."""
    return kind(column) in EXACT or not column.table


@dataclass(slots=True)
class _Admission:
    """One look at a query. ``partial`` are columns of derived tables that may fail, as (table, name)."""

    partial: set[tuple[str, str]] = field(default_factory=set)
    look: Totality = field(init=False)

    def __post_init__(self) -> None:
        self.look = Totality(self._subquery, lambda column: (column.table, column.name) not in self.partial)

    def block(self, select: exp.Expression, *, chain: bool, outermost: bool = False) -> bool:
        """Whether one SELECT is admitted. ``chain``: each of its rows is evaluated, whatever the plan."""
        if not isinstance(select, exp.Select) or {key for key, value in select.args.items() if value} - _CLAUSES:
            return False
        if not outermost and any(select.args.get(key) for key in ("order", "limit", "offset", "with_")):
            return False
        if any(not self.block(cte.this, chain=False) for cte in select.ctes) or not self._sources(select, chain=chain):
            return False
        self.look.widen = True
        conditions = [select.args.get(key) for key in ("where", "having")]
        if not all(one is None or self.look.condition(one.this) for one in conditions) or not self._group(select):
            return False
        self.look.widen = not chain
        return self._items(select, chain=chain) and self._order(select)

    def _sources(self, select: exp.Select, *, chain: bool) -> bool:
        start = select.args.get("from_")
        if start is None:
            return False
        alone = not select.args.get("joins") and not select.args.get("where") and not select.args.get("having")
        if not self._source(start.this, chain=chain and alone):
            return False
        for join in select.args.get("joins") or ():
            odd = {key for key, value in join.args.items() if value} - _JOIN_CLAUSES
            on = join.args.get("on")
            self.look.widen = True
            if odd or not self._source(join.this, chain=False) or (on is not None and not self.look.condition(on)):
                return False
        return True

    def _source(self, source: exp.Expression, *, chain: bool) -> bool:
        if isinstance(source, exp.Table):
            return {key for key, value in source.args.items() if value} <= {"this", "alias"}
        if not isinstance(source, exp.Subquery) or {key for key, value in source.args.items() if value} - {
            "this",
            "alias",
        }:
            return False
        if not self.block(source.this, chain=chain):
            return False
        inner = source.this
        names = source.alias_column_names or inner.named_selects
        widened = self.look.widen
        self.look.widen = not chain
        for name, item in zip(names, inner.expressions, strict=True):
            if not self.look.value(item.unalias()):
                self.partial.add((source.alias, name))
        self.look.widen = widened
        return True

    def _group(self, select: exp.Select) -> bool:
        group = select.args.get("group")
        if group is None:
            return True
        plain = {key for key, value in group.args.items() if value} <= {"expressions"}
        return plain and all(self.look.value(one) for one in group.expressions)

    def _items(self, select: exp.Select, *, chain: bool) -> bool:
        """Every output is total, or may fail where it is computed for every row of the block."""
        every_row = chain and (_aggregated(select) or not (select.args.get("limit") or select.args.get("offset")))
        if isinstance(select.args.get("distinct"), exp.Distinct) and select.args["distinct"].args.get("on"):
            return False
        return all(
            self.look.value(item.unalias()) or (every_row and self._strict(item.unalias()))
            for item in select.expressions
        )

    def _order(self, select: exp.Select) -> bool:
        order = select.args.get("order")
        names = set(select.named_selects)
        return order is None or all(
            self.look.value(key.this)
            or (isinstance(key.this, exp.Column) and not key.this.table and key.this.name in names)
            for key in order.expressions
        )

    def _strict(self, node: exp.Expression) -> bool:
        """What fails or not by its own operands' values: nothing under it is ever skipped."""
        if self.look.value(node):
            return True
        if isinstance(node, exp.Column):
            return (node.table, node.name) in self.partial
        if isinstance(node, _STRICT):
            return all(
                self._strict(one) for one in (node.args.get("this"), node.args.get("expression")) if one is not None
            )
        if isinstance(node, exp.Cast):
            return node.to.this in EXACT and self._strict(node.this)
        if isinstance(node, exp.Case):
            branches = [one.args["true"] for one in node.args["ifs"]] + [node.args.get("default") or exp.Null()]
            conditions = all(self.look.condition(one.this) for one in node.args["ifs"])
            plain = node.this is None and conditions
            return plain and all(isinstance(one, exp.Null) or self._strict(one) for one in branches)
        name, arguments = called(node)
        return name in _STRICT_CALLS and all(self._strict(one) for one in arguments)

    def _subquery(self, node: exp.Expression) -> bool:
        """EXISTS, IN, or a scalar that is one aggregate over all: one row, whatever the data."""
        if isinstance(node, exp.Subquery):
            inner = node.unnest()
            single = isinstance(inner, exp.Select) and _aggregated(inner) and not inner.args.get("group")
            if not single or inner.args.get("having"):
                return False
        elif isinstance(node, exp.In):
            inner = node.args["query"].unnest()
        else:
            inner = node.this.unnest()
        widened = self.look.widen
        admitted = self.block(inner, chain=False)
        self.look.widen = widened
        return admitted


def _aggregated(select: exp.Select) -> bool:
    return bool(select.args.get("group")) or any(_aggregates(item) for item in select.expressions)


def _aggregates(item: exp.Expression) -> bool:
    return any(called(node)[0] in _AGGREGATES for node in item.walk(prune=lambda one: isinstance(one, exp.Query)))


def _complete_order(select: exp.Select) -> None:
    """Where the order of rows is the plan's choice, it becomes the rows' own: SQL leaves it open, hidden rows must not."""
    if _aggregated(select) and not select.args.get("group"):
        return
    start = select.args["from_"].this
    # One table alone comes in the order of its files.
    plain = isinstance(start, exp.Table) and not select.args.get("joins") and not select.args.get("distinct")
    nested = any(one is not select for one in select.find_all(exp.Query))
    if plain and not nested and not select.args.get("group") and not select.args.get("order"):
        return
    places = [exp.Ordered(this=exp.Literal.number(place)) for place, _ in enumerate(select.expressions, 1)]
    order = select.args.get("order") or exp.Order(expressions=[])
    order.set("expressions", [*order.expressions, *places])
    select.set("order", order)
