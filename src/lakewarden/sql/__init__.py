"""SQL security as analyse, decide, rewrite, render. Pure: texts and facts in, plans out; the unknown is refused."""

from lakewarden.sql.errors import SqlError
from lakewarden.sql.parse import parse
from lakewarden.sql.plan import plan

__all__ = ["SqlError", "parse", "plan"]
