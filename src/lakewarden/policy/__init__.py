"""The policy context."""
