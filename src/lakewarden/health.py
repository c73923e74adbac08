"""Whether the server may be sent calls."""

from collections.abc import Callable


class Health:
    """Ready, unless the server is being stopped or cannot keep its promises. One instance per server."""

    def __init__(self, recordable: Callable[[], bool]) -> None:
        self._recordable = recordable
        self._draining = False

    def drain(self) -> None:
        """From now on no new calls should come; those that do are still answered."""
        self._draining = True

    def trouble(self) -> str:
        """Why no calls should be sent, in a word or two; empty when ready."""
        if self._draining:
            return "draining"
        return "" if self._recordable() else "the audit log cannot be written"
