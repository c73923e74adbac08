"""A shared space: documents in common, and nobody acts as the other."""

import json
import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from lakewarden.demo.server import initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.studio_lab import Browser, Kernel, Lab, bare, space

TOGETHER = "together"
OWN_APP = "arn:aws:sagemaker:*:*:app/${sagemaker:DomainId}/*/*/${sagemaker:UserProfileName}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    data = tmp_path_factory.mktemp("shared") / "data"
    with serving(data, initialise(data)) as server:
        made = bare(server)
        statement = {
            "Effect": "Allow", "Action": ["sagemaker:CreateApp", "sagemaker:DeleteApp"], "Resource": OWN_APP,
            "Condition": {"StringEquals": {"sagemaker:SpaceSharingType": "Shared"}},
        }  # fmt: skip
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        for who in (FULL, LIMITED):
            role = f"SageMakerStudioExecutionRole_{who}"
            made.lake.client("admin", "iam").put_role_policy(
                RoleName=role, PolicyName="Shared", PolicyDocument=document
            )
        made.sagemaker("admin").create_space(
            DomainId=made.domain, SpaceName=TOGETHER, OwnershipSettings={"OwnerUserProfileName": FULL},
            SpaceSharingSettings={"SharingType": "Shared"},
        )  # fmt: skip
        yield made


def base(lab: Lab, who: str) -> str:
    return f"/_studio/{lab.domain}/{who}/{TOGETHER}/"


@pytest.fixture(scope="module")
def browsers(lab: Lab) -> dict[str, Browser]:
    opened = {}
    for who in (FULL, LIMITED):
        opened[who] = Browser(lab.port)
        opened[who].open(lab.url(who, SpaceName=TOGETHER, LandingUri="app:JupyterLab:"))
    return opened


@pytest.fixture(scope="module")
def kernels(lab: Lab, browsers: dict[str, Browser]) -> Iterator[dict[str, Kernel]]:
    started = {who: Kernel.start(browser, base(lab, who)) for who, browser in browsers.items()}
    yield started
    for kernel in started.values():
        kernel.socket.close()


def test_each_has_her_own_role_and_both_have_the_documents(
    lab: Lab, browsers: dict[str, Browser], kernels: dict[str, Kernel]
) -> None:
    for who, kernel in kernels.items():
        arn = kernel.run("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
        assert arn.endswith(f"SageMakerStudioExecutionRole_{who}/{who}")
    note = {"type": "file", "format": "text", "content": "of one"}
    browsers[FULL].json("PUT", f"{base(lab, FULL)}api/contents/shared/note.txt", note)
    read = browsers[LIMITED].json("GET", f"{base(lab, LIMITED)}api/contents/shared/note.txt")
    assert read["content"] == "of one"
    browsers[LIMITED].json(
        "PUT", f"{base(lab, LIMITED)}api/contents/shared/note.txt", {**note, "content": "of the other"}
    )
    assert kernels[FULL].run("print(open('/home/shared/note.txt').read())") == "of the other"
    kernels[LIMITED].run("import os; os.makedirs('/home/shared/a/b'); open('/home/shared/a/b/c', 'w').write('x')")
    assert kernels[FULL].run("print(open('/home/shared/a/b/c', 'a').write('y'))") == "1"


def test_the_trail_names_each_person(lab: Lab, kernels: dict[str, Kernel]) -> None:
    for who, kernel in kernels.items():
        kernel.run("import boto3\ntry: boto3.client('glue').get_databases()\nexcept Exception: pass")
        mine = [one for one in lab.events("GetDatabases") if one["userIdentity"]["arn"].endswith(f"/{who}")]
        assert mine[0]["userIdentity"]["sessionContext"]["sourceIdentity"] == who
    started = {one["serviceEventDetails"]["userProfileName"] for one in lab.events("AppInService")}
    assert started == {FULL, LIMITED}


def test_no_escalation_what_starts_by_itself_is_ones_own(kernels: dict[str, Kernel]) -> None:
    """Start-up files, settings and packages run with the rights of whoever starts: they lie in a home of one's own."""
    kernels[LIMITED].run(
        "import os, pathlib, site\n"
        "for place in ('~/.ipython/profile_default/startup/evil.py', '~/.bashrc', site.getsitepackages()[0] + '/boto3.py'):\n"
        "    file = pathlib.Path(place).expanduser(); file.parent.mkdir(parents=True, exist_ok=True); file.write_text('evil')"
    )
    probe = "import os; print(os.path.exists(os.path.expanduser('~/.bashrc')), *sorted(os.listdir('/home')))"
    assert kernels[FULL].run(probe) == "False sagemaker-user shared"
    if os.geteuid() == 0:
        people = {who: kernel.run("import os; print(os.getuid(), os.getgroups())") for who, kernel in kernels.items()}
        (one, groups), (other, same) = (told.split(" ", 1) for told in people.values())
        assert one != other
        assert groups == same


def test_no_escalation_the_others_app_is_closed(
    lab: Lab, browsers: dict[str, Browser], kernels: dict[str, Kernel]
) -> None:
    there = base(lab, FULL)
    for path in (there, f"{there}lab", f"{there}api/status", f"{base(lab, LIMITED)}../../{FULL}/{TOGETHER}/lab"):
        assert browsers[LIMITED].get(path)[0] in {400, 403}
    with pytest.raises(InvalidStatus):
        browsers[LIMITED].socket(f"{there}api/events/subscribe")
    tokens = {who: kernel.run("print(open('/run/lakewarden/token').read())") for who, kernel in kernels.items()}
    code = (
        "import os, urllib.request\n"
        'request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": %r})\n'
        "print(urllib.request.urlopen(request).read())"
    )
    assert "HTTP Error 403" in kernels[LIMITED].run(code % tokens[FULL])
    asked = (
        "import boto3\n"
        "sagemaker = boto3.client('sagemaker')\n"
        f"app = dict(DomainId={lab.domain!r}, SpaceName={TOGETHER!r}, AppType='JupyterLab')\n"
        "delete, create = sagemaker.delete_app, sagemaker.create_app\n"
        "for do, name in ((delete, {other!r}), (create, {other!r}), (create, {own!r})):\n"
        "    try: print('DONE', do(AppName=name, **app))\n"
        "    except Exception as error: print(error.response['Error']['Code'])"
    )
    told = kernels[LIMITED].run(asked.format(other=FULL, own=LIMITED)).split()
    assert told == ["AccessDeniedException", "AccessDeniedException", "ResourceInUse"]
    assert browsers[FULL].get(f"{there}api/status")[0] == 200


def test_nobody_starts_an_app_for_somebody_else(lab: Lab) -> None:
    with pytest.raises(ClientError, match="was not found"):  # the administrator has no profile here
        lab.sagemaker("admin").create_app(
            DomainId=lab.domain, SpaceName=TOGETHER, AppType="JupyterLab", AppName="default"
        )
    with pytest.raises(ClientError, match="does not belong"):
        lab.url(LIMITED, SpaceName=space(FULL))


def test_the_page_shows_the_space_to_both_and_each_ends_her_own(lab: Lab, browsers: dict[str, Browser]) -> None:
    homes = next((lab.lake.server.data / "studio" / "homes").glob("*/common")).parent
    sagemaker = lab.sagemaker("admin")
    for who in (LIMITED, FULL):
        browser = lab.signed_in(who)
        home = f"/_studio/{lab.domain}/{who}/"
        assert b'together <span class="quiet">shared</span></td><td>InService' in browser.get(home)[1]
        with pytest.raises(ClientError, match="apps must be deleted first"):
            sagemaker.delete_space(DomainId=lab.domain, SpaceName=TOGETHER)
        assert browser.send("POST", f"{home}-/stop", f"space={TOGETHER}".encode())[0] == 303
        if who == LIMITED:
            assert browsers[FULL].get(f"{base(lab, FULL)}api/status")[0] == 200
    lab.await_app(TOGETHER, "Deleted")
    sagemaker.delete_space(DomainId=lab.domain, SpaceName=TOGETHER)
    assert not homes.exists()
