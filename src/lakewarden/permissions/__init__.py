"""The permissions context."""
