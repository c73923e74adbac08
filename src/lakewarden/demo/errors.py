"""What can go wrong in the demo, in words for the person who runs it."""


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""
