"""SQL security as analyse, decide, rewrite, render. Pure: texts and facts in, plans out; the unknown is refused."""

from lakewarden.sql.errors import SqlError
from lakewarden.sql.parse import executed_name, is_repeatable, output_of, parse
from lakewarden.sql.plan import plan

__all__ = ["SqlError", "executed_name", "is_repeatable", "output_of", "parse", "plan"]
