"""The query context."""
