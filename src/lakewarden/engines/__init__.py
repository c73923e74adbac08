"""Adapters behind ``query.ports.Engine``."""
