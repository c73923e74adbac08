"""The walkthrough's Studio: each scientist opens her own profile by a presigned URL, and the notebook runs there."""

import http.client
import json
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from lakewarden.demo import policies
from lakewarden.demo.errors import DemoError
from lakewarden.demo.notebook import Exploration, exploration_of
from lakewarden.demo.server import RunningServer

Aws = Callable[[str], Any]
_CELL_SECONDS = 300.0
_HTTP_SECONDS = 120.0
_SPACE = "exploration"
_MOST_REDIRECTS = 5


class NoStudio(Exception):
    """The server starts no apps on this machine; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Studio:
    """A domain with a profile and a private space for each scientist."""

    server: RunningServer
    domain: str

    def explore(self, scientist: str, aws: Aws, environment: Mapping[str, str]) -> Exploration:
        """Run the notebook in the JupyterLab of ``scientist``, whose own clients ``aws`` makes. Raises DemoError."""
        url = aws("sagemaker").create_presigned_domain_url(
            DomainId=self.domain,
            UserProfileName=scientist,
            SpaceName=_space(scientist),
            LandingUri="app:JupyterLab:lab",
        )["AuthorizedUrl"]
        lab = _Lab(self.server, f"/_studio/{self.domain}/{scientist}/{_space(scientist)}/")
        lab.open(url)
        source = files("lakewarden.demo").joinpath("exploration.ipynb").read_text(encoding="utf-8")
        lab.call("PUT", "api/contents/exploration.ipynb", {"type": "notebook", "content": json.loads(source)})
        notebook = lab.call("GET", "api/contents/exploration.ipynb?content=1")["content"]
        kernel = lab.call("POST", "api/kernels", {"name": "python3"})["id"]
        with lab.socket(f"api/kernels/{kernel}/channels") as channel:
            _run(channel, f"import os; os.environ.update({dict(environment)!r})")
            shown = [
                _run(channel, "".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "code"
            ]
        lab.call("DELETE", f"api/kernels/{kernel}")
        return exploration_of(shown[-1])


def furnish(server: RunningServer, aws: Aws, group: str, scientists: Mapping[str, str]) -> Studio:
    """Make the domain, profiles and spaces as the administrator; ``scientists`` maps names to execution roles.

    Raises :class:`NoStudio` when the server says that it starts no apps here.
    """
    sagemaker, iam = aws("sagemaker"), aws("iam")
    iam.put_group_policy(
        GroupName=group, PolicyName="OwnUserProfile", PolicyDocument=json.dumps(policies.own_profile_policy())
    )
    first = next(iter(scientists.values()))
    domain = sagemaker.create_domain(
        DomainName="data-science",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": first},
        DomainSettings={"ExecutionRoleIdentityConfig": "USER_PROFILE_NAME"},
    )["DomainId"]
    for scientist, role in scientists.items():
        iam.put_role_policy(
            RoleName=role.rpartition("/")[2],
            PolicyName="OwnSpaces",
            PolicyDocument=json.dumps(policies.own_spaces_policy()),
        )
        sagemaker.create_user_profile(
            DomainId=domain,
            UserProfileName=scientist,
            UserSettings={"ExecutionRole": role},
            Tags=[{"Key": "studiouserid", "Value": scientist}],
        )
        space = {"DomainId": domain, "SpaceName": _space(scientist)}
        sagemaker.create_space(
            **space,
            OwnershipSettings={"OwnerUserProfileName": scientist},
            SpaceSharingSettings={"SharingType": "Private"},
            SpaceSettings={"AppType": "JupyterLab"},
        )
        try:
            sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException":
                raise NoStudio(error.response["Error"]["Message"]) from error
            raise
    return Studio(server, domain)


def _space(scientist: str) -> str:
    return f"{_SPACE}-{scientist}"


@dataclass(slots=True)
class _Lab:
    """A browser as far as JupyterLab's interfaces need one: cookies, an origin, the XSRF header."""

    server: RunningServer
    base: str
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = ""

    def open(self, url: str) -> None:
        """Sign in, and follow to JupyterLab."""
        parts = urlsplit(url)
        self.host, path = parts.netloc, f"{parts.path}?{parts.query}"
        for _ in range(_MOST_REDIRECTS):
            status, location, body = self._send("GET", path, None)
            if status == http.client.OK:
                return
            if not location:
                raise DemoError(f"Studio answered {status}: {body[-600:].decode('utf-8', 'replace')}")
            path = location
        raise DemoError("Studio only redirects")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One of JupyterLab's REST calls."""
        content = None if body is None else json.dumps(body).encode()
        status, _, answer = self._send(method, self.base + path, content)
        if status >= http.client.BAD_REQUEST:
            raise DemoError(
                f"JupyterLab answered {status} to {method} {path}: {answer[:300].decode('utf-8', 'replace')}"
            )
        return json.loads(answer) if answer else None

    def socket(self, path: str) -> ClientConnection:
        """A WebSocket of JupyterLab's."""
        return connect(
            f"ws://{self.host}{self.base}{path}",
            sock=socket.create_connection(self._address()),
            additional_headers={"Cookie": self._cookie()},
            origin=Origin(f"http://{self.host}"),
            max_size=None,
        )

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
        headers = {"Host": self.host, "Origin": f"http://{self.host}", "Accept": "text/html,application/json"}
        if self.cookies:
            headers |= {"Cookie": self._cookie(), "X-XSRFToken": self.cookies.get("_xsrf", "")}
        address, port = self._address()
        connection = http.client.HTTPConnection(address, port, timeout=_HTTP_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers.get("Location", ""), content

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _address(self) -> tuple[str, int]:
        # The server listens on 127.0.0.1, and Studio's name for that is localhost.
        parts = urlsplit(self.server.endpoint)
        return parts.hostname or "127.0.0.1", parts.port or http.client.HTTP_PORT


def _run(channel: ClientConnection, code: str) -> list[Mapping[str, Any]]:
    """Execute a cell; answers its rich outputs. Raises :class:`DemoError` when it fails."""
    request = uuid.uuid4().hex
    header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": request, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channel.send(json.dumps(message))
    outputs: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + _CELL_SECONDS
    while True:
        answer = json.loads(channel.recv(timeout=max(0.1, deadline - time.monotonic())))
        if answer["parent_header"].get("msg_id") != request:
            continue
        kind, body = answer["msg_type"], answer["content"]
        if kind == "error":
            raise DemoError(f"the notebook failed: {body['ename']}: {body['evalue']}")
        if kind in {"execute_result", "display_data"}:
            outputs.append(body)
        if kind == "status" and body["execution_state"] == "idle":
            return outputs
