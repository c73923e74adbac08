"""Athena: executions, workgroups, results."""
