"""The sql context."""
