"""Servers that a test starts, kills and starts again, and what it says to them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lakewarden.demo.server import RunningServer


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The ``lakewarden`` command."""
    command = [sys.executable, "-m", "lakewarden", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def initialised(data: Path, *options: str) -> Mapping[str, str]:
    """``lakewarden init``: what it printed."""
    done = run("init", "--data", str(data), *options)
    assert done.returncode == 0, done.stderr
    answer: Mapping[str, str] = json.loads(done.stdout)
    return answer


def client(endpoint: str, keys: Mapping[str, str], service: str) -> Any:
    """boto3 that tries once, so that a test sees each answer."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=keys.get("Region", "us-east-1"),
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60),
    )


def kill(server: RunningServer) -> None:
    """kill -9, by its own process id."""
    os.kill(server.pid, signal.SIGKILL)


def say(endpoint: str, *pieces: bytes, finish: bool = False) -> bytes:
    """Send bytes as they are and read until the server closes (or, for an open connection, one whole answer)."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break  # it has refused already; its answer may be there to read
        if finish:
            with contextlib.suppress(OSError):  # the server may have closed already; its answer is still to be read
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := connection.recv(1 << 16):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer
