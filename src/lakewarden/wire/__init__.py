"""The wire context."""
