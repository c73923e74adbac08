"""Rewrites from Trino's meaning to DuckDB's: one file each, ``expression -> expression``, applied in this order."""

from collections.abc import Callable

from sqlglot import exp

from lakewarden.sql.transforms.date_arithmetic import keep_dates

TRANSFORMS: tuple[Callable[[exp.Expression], exp.Expression], ...] = (keep_dates,)
