"""Iceberg's metadata, written by pyiceberg in a confined process of its own: the scribe."""

from lakewarden.engines.iceberg.client import IcebergScribe

__all__ = ["IcebergScribe"]
