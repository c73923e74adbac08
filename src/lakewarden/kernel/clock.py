"""Time is an argument: services take a ``Clock`` and never ask the operating system themselves."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Answers the current time, timezone-aware, in UTC."""
