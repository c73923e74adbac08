"""The walkthrough's Studio: a domain, a profile for each scientist, the article's policies, and a small browser."""

import http.client
import json
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
from websockets.sync.client import ClientConnection, connect

from lakewarden.demo import policies
from lakewarden.demo.dataset import loans
from lakewarden.demo.server import RunningServer
from lakewarden.demo.walkthrough import FULL, GROUP, LIMITED
from tests.e2e.conftest import Lake

PROFILE = "arn:aws:sagemaker:*:*:user-profile/${sagemaker:DomainId}/${sagemaker:UserProfileName}"
OWNED = {"ArnLike": {"sagemaker:OwnerUserProfileArn": PROFILE}}


def _statement(effect: str, actions: list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    element = more.pop("element", "Resource")
    return {"Effect": effect, "Action": actions, element: resource, **more}


def person_policy() -> str:
    """Who is an IAM user opens the profile of her own name; notebook instances are denied."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                _statement("Allow", ["sagemaker:DescribeDomain", "sagemaker:ListDomains", "sagemaker:ListUserProfiles",
                                     "sagemaker:ListApps", "sagemaker:ListTags", "sagemaker:DescribeApp"]),
                _statement("Allow", ["sagemaker:DescribeUserProfile", "sagemaker:CreatePresignedDomainUrl"], PROFILE),
                _statement("Deny", ["sagemaker:DescribeUserProfile", "sagemaker:CreatePresignedDomainUrl"], PROFILE,
                           element="NotResource"),
                _statement("Deny", ["sagemaker:CreatePresignedNotebookInstanceUrl", "sagemaker:*NotebookInstance",
                                    "sagemaker:CreateUserProfile", "sagemaker:DeleteDomain"]),
            ],
        }
    )  # fmt: skip


def notebook_policy() -> str:
    """What the execution role may do in Studio: its own private spaces and apps."""
    private = {**OWNED, "StringEquals": {"sagemaker:SpaceSharingType": ["Private"]}}
    own_apps = "arn:aws:sagemaker:*:*:app/${sagemaker:DomainId}/*/*/*"
    own_spaces = "arn:aws:sagemaker:*:*:space/${sagemaker:DomainId}/*"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                _statement("Allow", ["sagemaker:DescribeUserProfile", "sagemaker:CreatePresignedDomainUrl"], PROFILE),
                _statement("Deny", ["sagemaker:DescribeUserProfile"], PROFILE, element="NotResource"),
                _statement("Allow", ["sagemaker:CreateSpace", "sagemaker:UpdateSpace", "sagemaker:DeleteSpace"],
                           own_spaces, Condition=OWNED),
                _statement("Allow", ["sagemaker:CreateApp", "sagemaker:DeleteApp"], own_apps, Condition=private),
                _statement("Allow", ["sagemaker:ListApps", "sagemaker:ListSpaces", "sagemaker:DescribeSpace"]),
                _statement("Allow", ["iam:PassRole"]),
            ],
        }
    )  # fmt: skip


@dataclass
class Browser:
    """A browser as far as Studio needs one: cookies by path, an Origin, redirects that it shows."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = "localhost"

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        sent = {"Host": f"{self.host}:{self.port}", "Accept": "text/html,*/*", "Origin": self.origin}
        sent |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        if "_xsrf" in self.cookies:
            sent["X-XSRFToken"] = self.cookies["_xsrf"]
        sent |= dict(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers, content

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        status, _, content = self.send("GET", path, headers=headers)
        return status, content

    def json(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        status, _, answer = self.send(method, path, content, {"Content-Type": "application/json"})
        assert status < 300, (status, answer[:500])
        return json.loads(answer) if answer else None

    def open(self, url: str) -> str:
        """Follow a presigned URL to its landing; answers the path where it ended."""
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        path = f"{parts.path}?{parts.query}"
        for _ in range(5):
            status, headers, content = self.send("GET", path)
            if status not in {302, 303}:
                assert status == 200, (status, content[:500])
                return path
            path = headers["Location"]
        raise AssertionError("too many redirects")

    def socket(self, path: str, **more: Any) -> ClientConnection:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection: ClientConnection = connect(
            f"ws://{self.host}:{self.port}{path}",
            sock=socket.create_connection(("127.0.0.1", self.port)),
            additional_headers={"Cookie": cookie},
            origin=more.pop("origin", self.origin),
            max_size=None,
            **more,
        ).__enter__()
        return connection


@dataclass
class Kernel:
    """A real kernel behind the proxy, spoken to over its WebSocket."""

    browser: Browser
    base: str
    id: str
    socket: ClientConnection

    @classmethod
    def start(cls, browser: Browser, base: str) -> "Kernel":
        kernel = browser.json("POST", f"{base}api/kernels", {"name": "python3"})
        return cls(browser, base, kernel["id"], browser.socket(f"{base}api/kernels/{kernel['id']}/channels"))

    def run(self, code: str, seconds: float = 90) -> str:
        """Run code; answers what it printed, and the last line of its traceback."""
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
        self.socket.send(
            json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})
        )
        printed = ""
        deadline = time.monotonic() + seconds
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.1, deadline - time.monotonic())))
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
            elif message["msg_type"] in {"execute_result", "display_data"}:
                printed += message["content"]["data"].get("text/plain", "")
            elif message["msg_type"] == "error":
                printed += f"{message['content']['ename']}: {message['content']['evalue']}"
            elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return printed.strip()


@dataclass
class Lab:
    """The Studio of the test lake."""

    lake: Lake
    domain: str
    port: int
    keys: dict[str, Mapping[str, str]]

    def sagemaker(self, who: str) -> Any:
        """The SageMaker client of the administrator, or of a scientist as the IAM user that she is."""
        return self.client(who, "sagemaker")

    def client(self, who: str, service: str) -> Any:
        if who == "admin":
            return self.lake.client("admin", service)
        return boto3.client(
            service, endpoint_url=self.lake.server.endpoint, region_name=self.lake.server.administrator["Region"],
            aws_access_key_id=self.keys[who]["AccessKeyId"], aws_secret_access_key=self.keys[who]["SecretAccessKey"],
        )  # fmt: skip

    def url(self, who: str, profile: str = "", **more: Any) -> str:
        answer = self.sagemaker(who).create_presigned_domain_url(
            DomainId=self.domain, UserProfileName=profile or who, **more
        )
        return str(answer["AuthorizedUrl"])

    def signed_in(self, who: str, **more: Any) -> Browser:
        browser = Browser(self.port)
        browser.open(self.url(who, **more))
        return browser

    def base(self, who: str) -> str:
        return f"/_studio/{self.domain}/{who}/{space(who)}/"

    def opened(self, who: str) -> Browser:
        """Signed in, with the scientist's JupyterLab running."""
        browser = Browser(self.port)
        browser.open(self.url(who, SpaceName=space(who), LandingUri="app:JupyterLab:"))
        return browser

    def dismantle(self) -> None:
        """Delete all of it, in the order that SageMaker wants."""
        sagemaker = self.sagemaker("admin")
        for app in sagemaker.list_apps(DomainIdEquals=self.domain, MaxResults=100)["Apps"]:
            if app["Status"] in {"InService", "Pending", "Failed"}:
                sagemaker.delete_app(
                    DomainId=self.domain, SpaceName=app["SpaceName"], AppType="JupyterLab", AppName=app["AppName"]
                )
        for one in sagemaker.list_spaces(DomainIdEquals=self.domain, MaxResults=100)["Spaces"]:
            self.await_app(one["SpaceName"], "Deleted")
            sagemaker.delete_space(DomainId=self.domain, SpaceName=one["SpaceName"])
        for one in sagemaker.list_user_profiles(DomainIdEquals=self.domain, MaxResults=100)["UserProfiles"]:
            sagemaker.delete_user_profile(DomainId=self.domain, UserProfileName=one["UserProfileName"])
        sagemaker.delete_domain(DomainId=self.domain)
        iam = self.lake.client("admin", "iam")
        iam.delete_group_policy(GroupName=GROUP, PolicyName="Studio")
        for who, key in self.keys.items():
            iam.delete_role_policy(RoleName=f"SageMakerStudioExecutionRole_{who}", PolicyName="Studio")
            iam.delete_access_key(UserName=who, AccessKeyId=key["AccessKeyId"])

    def await_app(self, space_name: str, status: str) -> dict[str, Any]:
        """Wait until every app of a space has a status; answers DescribeApp of the last."""
        sagemaker = self.sagemaker("admin")
        described: dict[str, Any] = {}
        deadline = time.monotonic() + 60
        while True:
            apps = sagemaker.list_apps(DomainIdEquals=self.domain, SpaceNameEquals=space_name)["Apps"]
            if all(app["Status"] == status for app in apps):
                for app in apps:
                    described = sagemaker.describe_app(
                        DomainId=self.domain, SpaceName=space_name, AppType="JupyterLab", AppName=app["AppName"]
                    )
                return described
            assert time.monotonic() < deadline, apps
            time.sleep(0.1)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The records of one event name, newest first."""
        pages = (
            self.lake.client("admin", "cloudtrail")
            .get_paginator("lookup_events")
            .paginate(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
        )
        return [json.loads(event["CloudTrailEvent"]) for one in pages for event in one["Events"]]


def space(who: str) -> str:
    return f"space-of-{who}"


def furnish(lake: Lake) -> Lab:
    """Make the domain, the profiles with their spaces, and the policies."""
    account = lake.server.administrator["AccountId"]
    iam, sagemaker = lake.client("admin", "iam"), lake.client("admin", "sagemaker")
    iam.put_group_policy(GroupName=GROUP, PolicyName="Studio", PolicyDocument=person_policy())
    roles = {who: f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{who}" for who in (FULL, LIMITED)}
    for role in roles.values():
        name = role.rpartition("/")[2]
        iam.put_role_policy(RoleName=name, PolicyName="Studio", PolicyDocument=notebook_policy())
    domain = sagemaker.create_domain(
        DomainName="lab", AuthMode="IAM", AppNetworkAccessType="VpcOnly", VpcId="vpc-1", SubnetIds=["subnet-1"],
        DefaultUserSettings={"ExecutionRole": roles[FULL]},
        DomainSettings={"ExecutionRoleIdentityConfig": "USER_PROFILE_NAME"},
    )["DomainId"]  # fmt: skip
    keys = {}
    for who, role in roles.items():
        sagemaker.create_user_profile(
            DomainId=domain, UserProfileName=who, UserSettings={"ExecutionRole": role},
            Tags=[{"Key": "studiouserid", "Value": who}],
        )  # fmt: skip
        sagemaker.create_space(
            DomainId=domain, SpaceName=space(who), OwnershipSettings={"OwnerUserProfileName": who},
            SpaceSharingSettings={"SharingType": "Private"}, SpaceSettings={"AppType": "JupyterLab"},
        )  # fmt: skip
        keys[who] = iam.create_access_key(UserName=who)["AccessKey"]
    port = urlsplit(lake.server.endpoint).port
    assert port is not None
    return Lab(lake, domain, port, keys)


def bare(server: RunningServer) -> Lab:
    """A Studio on an empty lake: people and roles, no table."""
    lake = Lake(server, loans(), "", {})
    iam, account = lake.client("admin", "iam"), server.administrator["AccountId"]
    iam.create_group(GroupName=GROUP)
    for who in (FULL, LIMITED):
        iam.create_user(UserName=who)
        iam.add_user_to_group(GroupName=GROUP, UserName=who)
        trust = json.dumps(policies.trust_policy(account, who))
        iam.create_role(RoleName=policies.execution_role_name(who), AssumeRolePolicyDocument=trust)
    return furnish(lake)
