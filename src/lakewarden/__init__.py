"""Lakewarden: a governed, audited data lake behind the AWS wire protocols."""

__version__ = "0.1.0"
