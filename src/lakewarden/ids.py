"""Ids of requests and events: random UUIDs that need to be unique, and not to be secret."""

import os
import random

_RANDOM = random.Random(os.urandom(32))  # noqa: S311 - the operating system's own costs a system call for each


def new_uuid() -> str:
    """A UUID of version 4 (RFC 9562)."""
    bits = _RANDOM.getrandbits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | (4 << 76) | (2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
