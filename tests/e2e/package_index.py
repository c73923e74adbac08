"""A package index on loopback, of tiny wheels that a test makes, and everything that a hostile one could do."""

import hashlib
import importlib.metadata
import io
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.loopback import Quiet, answering


def wheel(name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """A wheel's file name and bytes."""
    info, made = f"{name}-{version}.dist-info", io.BytesIO()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {one}\n" for one in requires
    )
    content = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*content, f"{info}/RECORD"))
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", made.getvalue()


def repacked(site: Path, name: str) -> tuple[str, bytes]:
    """A wheel of a pure package that is installed in a site-packages directory."""
    found = next(iter(importlib.metadata.distributions(name=name, path=[str(site)])))
    made, lines = io.BytesIO(), []
    with zipfile.ZipFile(made, "w") as archive:
        for file in found.files or ():
            if (
                file.suffix != ".pyc"
                and ".." not in file.parts
                and file.name not in {"INSTALLER", "RECORD", "REQUESTED"}
            ):
                archive.write(site / file, str(file))
                lines.append(f"{file},,\n")
        record = f"{name}-{found.version}.dist-info/RECORD"
        archive.writestr(record, "".join((*lines, f"{record},,\n")))
    return f"{name}-{found.version}-py3-none-any.whl", made.getvalue()


@dataclass
class Index:
    """``pages`` are HTML by path, ``files`` bytes by path, ``redirects`` targets by path; ``asked`` is what came."""

    port: int = 0
    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def offer(self, project: str, file: tuple[str, bytes], **attributes: str) -> None:
        """List a wheel on its project's page."""
        name, content = file
        self.files[f"/files/{name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
        line = f'<a href="../../files/{name}#sha256={digest}"{more}>{name}</a>'
        self.pages[f"/simple/{project}/"] = self.pages.get(f"/simple/{project}/", "") + line


@contextmanager
def serving(index: Index, tls: ssl.SSLContext | None = None) -> Iterator[Index]:
    """Serve it on a free port until the block ends."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append((self.path, self.headers.get("Authorization", "")))
            status, kind, body = 404, "text/plain", b"absent"
            if self.path in index.redirects:
                status = 302
            elif self.path in index.pages:
                status, kind, body = 200, "text/html", index.pages[self.path].encode()
            elif self.path in index.files:
                status, kind, body = 200, "application/octet-stream", index.files[self.path]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", index.redirects[self.path])
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with answering(Handler, tls) as index.port:
        yield index
