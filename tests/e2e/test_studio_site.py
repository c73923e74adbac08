"""Sign-in, the way to a notebook, and the life of its process, with bad input at every door."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lakewarden.demo.server import initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED
from lakewarden.studio.processes import Process, table
from tests.e2e.conftest import Lake
from tests.e2e.studio_lab import Browser, Kernel, Lab, bare, furnish, space


@pytest.fixture(scope="module")
def lab(lake: Lake) -> Iterator[Lab]:
    made = furnish(lake)
    yield made
    made.dismantle()


def test_a_presigned_url_signs_in_once(lab: Lab) -> None:
    url = lab.url(FULL)
    browser = Browser(lab.port)
    assert browser.open(url) == f"/_studio/{lab.domain}/{FULL}/"
    again = Browser(lab.port)
    status, body = again.get(url.removeprefix(again.origin))
    assert (status, b"used already" in body, again.cookies) == (403, True, {})
    assert browser.get(f"/_studio/{lab.domain}/{FULL}/")[0] == 200


def test_the_cookie_is_bound_and_kept_from_scripts(lab: Lab) -> None:
    url = lab.url(FULL, SessionExpirationDurationInSeconds=1800)
    browser = Browser(lab.port)
    _, headers, _ = browser.send("GET", url.removeprefix(browser.origin))
    attributes = {one.strip() for one in str(headers["Set-Cookie"]).split(";")[1:]}
    assert {f"Path=/_studio/{lab.domain}/{FULL}/", "HttpOnly", "SameSite=Lax"} <= attributes
    ages = [int(one.partition("=")[2]) for one in attributes if one.startswith("Max-Age=")]
    assert 1700 < ages[0] <= 1800


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "../../x", "%00"])
def test_a_forged_url_is_refused_and_recorded(lab: Lab, secret: str) -> None:
    status, body = Browser(lab.port).get(f"/_studio/auth?token={secret}")
    assert status == 403
    assert b"<h1>Studio</h1>" in body
    assert lab.events("StudioRequestRefused")[0]["serviceEventDetails"] == {"path": "/_studio/auth", "status": 403}


def test_only_ones_own_profile_opens(lab: Lab) -> None:
    for who, other in ((FULL, LIMITED), (LIMITED, FULL)):
        with pytest.raises(ClientError, match="explicit deny") as error:
            lab.url(who, other)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(ClientError, match="explicit deny"):
        lab.sagemaker(FULL).create_notebook_instance(
            NotebookInstanceName="x", InstanceType="ml.t3.medium", RoleArn="arn:aws:iam::123456789012:role/x"
        )


def test_a_session_opens_nothing_of_another_profile(lab: Lab) -> None:
    browser = lab.signed_in(LIMITED)
    theirs = f"/_studio/{lab.domain}/{FULL}/"
    own = f"/_studio/{lab.domain}/{LIMITED}/"
    assert browser.get(own)[0] == 200
    for path in (
        theirs,
        f"{theirs}{space(FULL)}/lab",
        f"{own}{space(FULL)}/lab",
        f"{own}{space(FULL)}/api/status",
        f"{own}../{FULL}/",
        f"{own}%2e%2e/{FULL}/",
        f"{own}{space(LIMITED)}/../../{FULL}/{space(FULL)}/lab",
        f"{own}{space(LIMITED)}/%2e%2e/%2E%2E/{FULL}/",
        f"{own}{space(LIMITED)}/..%2f..%2f{FULL}/",
        f"{own}{space(LIMITED)}%2flab",
        f"{own}{space(LIMITED)}/x%00y",
        f"{own}{space(LIMITED)}\\..\\lab",
        f"/_studio//{lab.domain}/{LIMITED}/",
        f"/_studio/{lab.domain}/{LIMITED}%2F",
    ):
        status, body = browser.get(path)
        assert status in {400, 403, 404}, (path, status)
        assert b"JupyterLab</title>" not in body
    for path, form in (("start", FULL), ("stop", FULL)):
        assert browser.send("POST", f"{own}-/{path}", f"space={space(form)}".encode())[0] == 404
    stolen = Browser(lab.port, cookies={"lakewarden-studio": "A" * 43})
    assert stolen.get(own)[0] == 403
    with pytest.raises(InvalidStatus):
        browser.socket(f"{theirs}{space(FULL)}/api/events/subscribe")


def test_a_session_for_one_space_opens_no_other(lab: Lab) -> None:
    lab.sagemaker("admin").create_space(
        DomainId=lab.domain, SpaceName="second", OwnershipSettings={"OwnerUserProfileName": FULL},
        SpaceSharingSettings={"SharingType": "Private"},
    )  # fmt: skip
    browser = Browser(lab.port)
    url = lab.url(FULL, SpaceName="second")
    browser.send("GET", url.removeprefix(browser.origin))
    assert browser.get(f"{lab.base(FULL)}lab")[0] == 403
    assert browser.send("POST", f"/_studio/{lab.domain}/{FULL}/-/start", f"space={space(FULL)}".encode())[0] == 403
    lab.sagemaker("admin").delete_space(DomainId=lab.domain, SpaceName="second")
    assert browser.get(f"/_studio/{lab.domain}/{FULL}/second/lab")[0] == 404


def test_pages_of_other_origins_can_do_nothing(lab: Lab) -> None:
    browser = lab.opened(FULL)
    base, home = lab.base(FULL), f"/_studio/{lab.domain}/{FULL}/"
    for origin in (
        "",
        "http://evil.example",
        f"http://127.0.0.1:{lab.port}",
        "null",
        f"http://localhost:{lab.port + 1}",
    ):
        assert browser.send("POST", f"{home}-/stop", f"space={space(FULL)}".encode(), {"Origin": origin})[0] == 403
        assert browser.send("POST", f"{base}api/kernels", b"{}", {"Origin": origin})[0] == 403
        with pytest.raises(InvalidStatus):
            browser.socket(f"{base}api/events/subscribe", origin=origin or None)
    # JupyterLab's own XSRF check stands too.
    assert browser.send("POST", f"{base}api/kernels", b"{}", {"X-XSRFToken": "0"})[0] == 403
    assert browser.get(f"{base}api/status", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})[0] == 403
    assert browser.get(f"{base}api/status")[0] == 200


def test_studio_and_console_share_no_origin(lab: Lab) -> None:
    url = lab.url(FULL)
    assert url.startswith(f"http://localhost:{lab.port}/_studio/auth?token=")
    other = Browser(lab.port, host="127.0.0.1")
    assert other.get(url.removeprefix(f"http://localhost:{lab.port}"))[0] == 421
    assert Browser(lab.port).get("/_console")[0] == 421
    assert Browser(lab.port).open(url)


def test_a_notebook_cannot_set_what_reaches_beyond_it(lab: Lab) -> None:
    """A user who makes her server say what she likes still sets no cookie or header for her neighbours."""
    browser = lab.opened(FULL)
    base = lab.base(FULL)
    kernel = Kernel.start(browser, base)
    kernel.run(
        "import http.server, socketserver, os, threading\n"
        "class Evil(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        for pair in (('Set-Cookie', 'lakewarden-studio=mine; Path=/'), ('Set-Cookie', 'a=b; Path=/'),\n"
        "                     ('Service-Worker-Allowed', '/'), ('Clear-Site-Data', '*'), ('Content-Type', 'text/html')):\n"
        "            self.send_header(*pair)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(str(self.headers).encode())\n"
        "    def address_string(self): return ''\n"
        "    def log_message(self, *a): pass\n"
        "os.rename('/run/lakewarden/jupyter.sock', '/run/lakewarden/kept')\n"
        "server = socketserver.UnixStreamServer('/run/lakewarden/jupyter.sock', Evil)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
    )
    try:
        status, headers, body = browser.send(
            "GET", f"{base}x", headers={"Authorization": "AWS4 x", "X-Forwarded-For": "1"}
        )
        assert status == 200
        assert headers.get_all("Set-Cookie") == [f"a=b; Path={base}"]
        assert "Service-Worker-Allowed" not in headers
        assert "Clear-Site-Data" not in headers
        assert browser.cookies["lakewarden-studio"].encode() not in body
        assert b"Authorization" not in body
        assert b"X-Forwarded-For" not in body
    finally:
        kernel.run("os.rename('/run/lakewarden/kept', '/run/lakewarden/jupyter.sock')")
    kernel.socket.close()
    browser.cookies.pop("a")


def test_uploads_and_downloads_pass_whole(lab: Lab) -> None:
    browser = lab.opened(FULL)
    content = "".join(f"{number},é\n" for number in range(200_000))
    path = f"{lab.base(FULL)}api/contents/big.csv"
    browser.json("PUT", path, {"type": "file", "format": "text", "content": content})
    assert browser.get(f"{lab.base(FULL)}files/big.csv")[1].decode() == content
    home = next((lab.lake.server.data / "studio" / "homes").rglob("big.csv"))
    assert home.stat().st_size == len(content.encode())


def test_delete_order_and_a_profile_deleted_while_its_app_runs(lab: Lab) -> None:
    browser, sagemaker = lab.opened(LIMITED), lab.sagemaker("admin")
    with pytest.raises(ClientError, match=r"ResourceInUse.*apps must be deleted first"):
        sagemaker.delete_user_profile(DomainId=lab.domain, UserProfileName=LIMITED)
    with pytest.raises(ClientError, match=r"ResourceInUse.*apps must be deleted first"):
        sagemaker.delete_space(DomainId=lab.domain, SpaceName=space(LIMITED))
    with pytest.raises(ClientError, match=r"ResourceInUse.*UserProfiles must be deleted first"):
        sagemaker.delete_domain(DomainId=lab.domain)
    assert browser.get(f"{lab.base(LIMITED)}api/status")[0] == 200


def test_stopping_ends_the_process_and_its_sockets(lab: Lab) -> None:
    browser = lab.opened(LIMITED)
    kernel = Kernel.start(browser, lab.base(LIMITED))
    kernel.run("open('/home/sagemaker-user/kept.txt', 'w').write('still here')")
    before = notebooks(lab.lake.server.pid)
    home = f"/_studio/{lab.domain}/{LIMITED}/"
    assert browser.send("POST", f"{home}-/stop", f"space={space(LIMITED)}".encode())[0] == 303
    lab.await_app(space(LIMITED), "Deleted")
    with pytest.raises(ConnectionClosed):
        kernel.run("1")
    assert len(notebooks(lab.lake.server.pid)) < len(before)
    assert lab.events("DeleteApp")[0]["userIdentity"]["sessionContext"]["sourceIdentity"] == LIMITED
    assert lab.events("AppStopped")[0]["userIdentity"]["sessionContext"]["sourceIdentity"] == LIMITED
    again = Kernel.start(lab.opened(LIMITED), lab.base(LIMITED))
    assert again.run("print(open('/home/sagemaker-user/kept.txt').read())") == "still here"
    again.socket.close()


def test_a_crash_is_told_and_can_be_started_over(lab: Lab) -> None:
    browsers = {who: lab.opened(who) for who in (FULL, LIMITED)}
    kernel = Kernel.start(browsers[LIMITED], lab.base(LIMITED))
    kernel.socket.close()
    for one in notebooks(lab.lake.server.pid)[:1]:
        os.kill(one.pid, signal.SIGKILL)
    failed = next(
        who for who in (FULL, LIMITED) if "Failed" in {app["Status"] for app in _await_failure(lab, space(who))}
    )
    described = lab.await_app(space(failed), "Failed")
    assert "JupyterLab ended with status" in described["FailureReason"]
    # Whoever was at work is told, on a page that starts nothing by itself.
    for _ in range(2):
        status, body = browsers[failed].get(f"{lab.base(failed)}lab")
        assert (status, b"JupyterLab ended with status" in body, b"Start JupyterLab again" in body) == (503, True, True)
    home = f"/_studio/{lab.domain}/{failed}/"
    assert b"JupyterLab ended with status" in browsers[failed].get(home)[1]
    assert browsers[failed].send("POST", f"{home}-/start", f"space={space(failed)}".encode())[0] == 303
    assert browsers[failed].get(f"{lab.base(failed)}api/status")[0] == 200
    # A new sign-in finds it running, and would have started it.
    assert lab.opened(failed).get(f"{lab.base(failed)}api/status")[0] == 200


def _await_failure(lab: Lab, name: str) -> list[dict[str, str]]:
    deadline = time.monotonic() + 3
    while True:
        apps: list[dict[str, str]] = lab.sagemaker("admin").list_apps(DomainIdEquals=lab.domain, SpaceNameEquals=name)[
            "Apps"
        ]
        if "Failed" in {app["Status"] for app in apps} or time.monotonic() > deadline:
            return apps
        time.sleep(0.1)


def test_who_eats_memory_is_stopped_alone(lab: Lab) -> None:
    kernels = {who: Kernel.start(lab.opened(who), lab.base(who)) for who in (FULL, LIMITED)}
    assert "MemoryError" in kernels[LIMITED].run("x = bytearray(3 * 1024**3)")
    assert "OK" in kernels[LIMITED].run("print('OK')")
    # Each of these alone stays within the limit of a process; together they are over that of the app.
    killed = kernels[LIMITED].run(
        "import subprocess, sys, time\n"
        "eat = 'x = bytearray(b\"x\") * (900 * 1024**2); import time; time.sleep(60)'\n"
        "children = [subprocess.Popen([sys.executable, '-c', eat]) for _ in range(3)]\n"
        "for _ in range(300):\n"
        "    ended = [child.poll() for child in children if child.poll() is not None]\n"
        "    if ended: break\n"
        "    time.sleep(0.1)\n"
        "print(ended)\n"
        "for child in children: child.kill()"
    )
    assert killed in {"[-9]", "[-9, -9]"}
    assert kernels[FULL].run("print('untouched')") == "untouched"
    for kernel in kernels.values():
        kernel.socket.close()


def test_crash_safe_no_notebook_outlives_a_killed_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    administrator = initialise(data)
    with serving(data, administrator) as server:
        lab = bare(server)
        kernel = Kernel.start(lab.opened(FULL), lab.base(FULL))
        kernel.run("open('/home/sagemaker-user/kept.txt', 'w').write('still here')")
        family = notebooks(server.pid)
        assert len(family) >= 4  # bubblewrap twice, JupyterLab, the kernel
        os.kill(server.pid, signal.SIGKILL)
        _await_gone(family)
    with serving(data, administrator) as server:
        lab = replace(lab, lake=Lake(server, lab.lake.dataset, "", {}), port=int(server.endpoint.rpartition(":")[2]))
        described = lab.await_app(space(FULL), "Deleted")
        assert described["FailureReason"] == "The server was restarted."
        stopped = lab.events("AppStopped")[0]["serviceEventDetails"]
        assert (stopped["spaceName"], stopped["reason"]) == (space(FULL), "The server was restarted.")
        assert list((data / "studio").glob("run/*/*")) == []
        kernel = Kernel.start(lab.opened(FULL), lab.base(FULL))
        assert kernel.run("print(open('/home/sagemaker-user/kept.txt').read())") == "still here"
        family = notebooks(server.pid)
        os.kill(server.pid, signal.SIGTERM)
        _await_gone(family)


def notebooks(server: int) -> list[Process]:
    """The processes of notebooks under a server, outermost first."""
    running = table()
    found = []
    for one in running.values():
        line = _read(one.pid)
        if one.parent == server and b"bwrap" in line:
            found.append(one)
    for one in found:
        found += [other for other in running.values() if other.parent == one.pid]
    return found


def _read(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _await_gone(family: list[Process]) -> None:
    deadline = time.monotonic() + 10
    identities = {(one.pid, one.started) for one in family}
    while left := identities & {(one.pid, one.started) for one in table().values()}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_apps_that_are_not_here_are_refused_by_name(lab: Lab) -> None:
    sagemaker = lab.sagemaker("admin")
    with pytest.raises(ClientError, match="JupyterLab apps, not CodeEditor"):
        sagemaker.create_app(DomainId=lab.domain, SpaceName=space(FULL), AppType="CodeEditor", AppName="default")
    with pytest.raises(ClientError, match="NotImplemented"):
        sagemaker.list_models()


def test_a_role_that_does_not_trust_sagemaker_starts_nothing(lab: Lab) -> None:
    iam, name = lab.lake.client("admin", "iam"), f"SageMakerStudioExecutionRole_{LIMITED}"
    kept = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    browser = lab.signed_in(LIMITED)
    home = f"/_studio/{lab.domain}/{LIMITED}/"
    browser.send("POST", f"{home}-/stop", f"space={space(LIMITED)}".encode())
    lab.await_app(space(LIMITED), "Deleted")
    iam.update_assume_role_policy(
        RoleName=name,
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
    )
    try:
        status, body = browser.get(f"{lab.base(LIMITED)}lab")
        assert status == 403
        assert b"sts:SetSourceIdentity" in body
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(kept))
