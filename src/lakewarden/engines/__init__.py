"""The engines context."""
