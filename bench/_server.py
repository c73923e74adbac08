"""A real server on a free loopback port, and its administrator's boto3 session."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from lakewarden.demo.server import RunningServer, initialise, serving


@contextmanager
def running() -> Iterator[tuple[RunningServer, boto3.Session]]:
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        administrator = initialise(data)
        with serving(data, administrator) as server:
            yield (
                server,
                boto3.Session(
                    aws_access_key_id=administrator["AccessKeyId"],
                    aws_secret_access_key=administrator["SecretAccessKey"],
                    region_name=administrator["Region"],
                ),
            )
