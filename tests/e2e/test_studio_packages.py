"""pip in a notebook: the operator's index where the domain allows it, and nothing else for an attacker."""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.demo.server import initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e import package_index
from tests.e2e.package_index import Index, wheel
from tests.e2e.studio_lab import Kernel, Lab, bare

CLIENTS = Path(__file__).parents[2] / ".venv-clients" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with package_index.serving(Index()) as made:
        base = wheel("lake_base", "1.0", {"lake_base.py": "WORD = 'base'\n"})
        made.offer("lake-base", base)
        made.offer(
            "lake-tool", wheel("lake_tool", "2.0", {"lake_tool.py": "from lake_base import WORD\n"}, ("lake-base",))
        )
        # A package that the server brings, in a version of the index's.
        made.offer("cycler", wheel("cycler", "99.0", {"cycler.py": "VERSION = 99\n"}))
        yield made


@pytest.fixture(scope="module")
def lab(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    data = tmp_path_factory.mktemp("packages") / "data"
    administrator = initialise(data)
    config = json.loads((data / "config.json").read_text())
    address = f"http://reader:s3cret-of-the-index@127.0.0.1:{index.port}/simple/"
    (data / "config.json").write_text(json.dumps({**config, "package_index": address}))
    with serving(data, administrator) as server:
        made = bare(server)
        made.sagemaker("admin").update_domain(DomainId=made.domain, AppNetworkAccessType="PublicInternetOnly")
        yield made


@pytest.fixture(scope="module")
def kernel(lab: Lab) -> Iterator[Kernel]:
    started = Kernel.start(lab.opened(FULL), lab.base(FULL))
    yield started
    started.socket.close()


def read(path: str) -> str:
    """Code that asks the door for a path of the package index."""
    return textwrap.dedent(f"""
        import http.client, os
        from urllib.parse import urlsplit
        door = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
        door.request("GET", "/_studio/packages/" + {path!r})
        answer = door.getresponse()
        print(answer.status, answer.read().decode("latin-1"))
    """)


def test_pip_installs_from_the_operators_index_alone(lab: Lab, index: Index, kernel: Kernel) -> None:
    told = kernel.run("!pip install lake-tool cycler==99.0")
    assert "Successfully installed cycler-99.0 lake-base-1.0 lake-tool-2.0" in told, told
    assert kernel.run("import lake_tool, cycler; print(lake_tool.WORD, cycler.VERSION, lake_tool.__file__)").startswith(
        "base 99 /home/sagemaker-user/.python/lib/"
    )
    assert "No matching distribution" in kernel.run("!pip install absent-here")
    assert any(credentials.startswith("Basic ") for _, credentials in index.asked)
    # The operator's secret is nowhere in there.
    assert "s3cret" not in kernel.run("!env; cat ~/.python/pyvenv.cfg; pip config list; pip debug 2>/dev/null")


def test_awswrangler_comes_from_the_index_and_needs_no_configuration(lab: Lab, index: Index, kernel: Kernel) -> None:
    """The server's environment is too new for the versions that awswrangler asks for, so it is not part of it."""
    index.offer("awswrangler", package_index.repacked(CLIENTS, "awswrangler"))
    iam, s3 = lab.lake.client("admin", "iam"), lab.lake.client("admin", "s3")
    s3.create_bucket(Bucket="wrangled")
    allow = {
        "Effect": "Allow",
        "Action": ["athena:*", "s3:*", "glue:Get*", "lakeformation:GetDataAccess"],
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName=f"SageMakerStudioExecutionRole_{FULL}", PolicyName="Queries", PolicyDocument=document)
    told = kernel.run("!pip install --no-deps awswrangler")
    assert "Successfully installed awswrangler" in told, told
    code = """
        import warnings
        warnings.simplefilter("ignore")
        import awswrangler as wr
        sql = "SELECT 7 AS seven, 'x' AS letter"
        frame = wr.athena.read_sql_query(sql, database="default", s3_output="s3://wrangled/studio/", ctas_approach=False)
        print(frame.to_dict("records"), wr.sts.get_current_identity_name(), len(wr.s3.list_objects("s3://wrangled/studio/")) > 0)
    """
    assert kernel.run(textwrap.dedent(code)).endswith(f"[{{'seven': 7, 'letter': 'x'}}] {FULL} True")


def test_every_package_is_in_the_trail_with_the_persons_name(lab: Lab, kernel: Kernel) -> None:
    kernel.run("!pip download --no-deps lake-base")
    kernel.run(read("simple/absent-again/"))
    records = lab.events("StudioPackageRead")
    files = [one["serviceEventDetails"] for one in records if "file" in one["serviceEventDetails"]]
    assert files[0]["file"] == "lake_base-1.0-py3-none-any.whl"
    assert files[0]["digest"].startswith("sha256=")
    refused = next(one for one in records if one["serviceEventDetails"].get("project") == "absent-again")
    assert refused["errorCode"] == "AccessDenied"
    for one in records:
        assert one["userIdentity"]["sessionContext"]["sourceIdentity"] == FULL
        assert one["serviceEventDetails"]["spaceName"] == f"space-of-{FULL}"
        assert "s3cret" not in json.dumps(one)


def test_least_reach_what_is_no_file_of_the_index_is_not_fetched(lab: Lab, index: Index, kernel: Kernel) -> None:
    """Hostile names from the notebook, hostile links and redirects from a page of the index."""
    other = Index(files={"/secret.whl": b"ESCAPED", "/simple/hop/": b"ESCAPED"})
    with package_index.serving(other):
        name = "hostile-1.0-py3-none-any.whl"
        for project, target in (
            ("link", f"{other.origin}/secret.whl"),
            ("door", f"{lab.lake.server.endpoint}/_metrics"),
            ("metadata", "http://169.254.169.254/latest/meta-data/x.whl"),
            ("file", "file:///etc/passwd"),
            ("user", f"http://127.0.0.1:{index.port}@127.0.0.1:{other.port}/secret.whl"),
        ):
            index.pages[f"/simple/{project}/"] = f'<a href="{target}">{name}</a><a href="{target}#x">secret.whl</a>'
            assert "whl" not in kernel.run(read(f"simple/{project}/"))
            assert kernel.run(read(f"files/{project}/{name}")).startswith("404")
        index.redirects["/simple/hop/"] = f"{other.origin}/simple/hop/"
        assert kernel.run(read("simple/hop/")).startswith("502")
        index.offer("later", wheel("later", "1.0", {"later.py": ""}))
        index.redirects["/files/later-1.0-py3-none-any.whl"] = f"{other.origin}/secret.whl"
        assert kernel.run(read("files/later/later-1.0-py3-none-any.whl")).startswith("502")
        index.redirects["/simple/round/"] = "/simple/round/"
        assert kernel.run(read("simple/round/")).startswith("502")
        asked = len(index.asked)
        for path in (
            "", "simple/", "simple/..", "simple/../admin/", "simple/%2e%2e/", "simple/a%2f..%2f..%2fadmin/", "else/x/",
            "simple/lake-base/x", "simple/lake-base%00/", "files/lake-base/../../admin", "files/lake-base/..%2f..%2fadmin",
            "files/lake-base/absent.whl", "files/lake-base/http:%2f%2f127.0.0.1", "simple/http://127.0.0.1/", "simple/-x/",
            "simple/" + "a" * 200 + "/", "simple/lake-base/?u=http://127.0.0.1/",
        ):  # fmt: skip
            answered = kernel.run(read(path))
            assert answered[:3] in {"404", "200"}, (path, answered)
            assert answered.startswith("404") or "whl" in answered, (path, answered)
        assert other.asked == []
        assert not [path for path, _ in index.asked[asked:] if not path.startswith("/simple/lake-base")]


def test_only_get_passes(kernel: Kernel) -> None:
    code = """
        import os, urllib.request, urllib.error
        for method in ("POST", "PUT", "DELETE", "CONNECT"):
            request = urllib.request.Request(os.environ["PIP_INDEX_URL"] + "lake-base/", data=b"stolen", method=method)
            try: print(urllib.request.urlopen(request).status)
            except urllib.error.HTTPError as error: print(error.code)
    """
    assert set(kernel.run(textwrap.dedent(code)).split()) <= {"405", "400"}


def test_revocation_is_immediate_for_the_index_too(lab: Lab, kernel: Kernel) -> None:
    sagemaker = lab.sagemaker("admin")
    assert kernel.run(read("simple/lake-base/")).startswith("200")
    sagemaker.update_domain(DomainId=lab.domain, AppNetworkAccessType="VpcOnly")
    try:
        assert kernel.run(read("simple/lake-base/")).startswith("403 This domain's notebooks reach no package index")
        other = Kernel.start(lab.opened(LIMITED), lab.base(LIMITED))
        assert other.run("import os; print(os.environ.get('PIP_INDEX_URL'), os.environ['PIP_NO_INDEX'])") == "None 1"
        # A wheel that was uploaded installs all the same.
        name, content = wheel("by_hand", "1.0", {"by_hand.py": "HELLO = 'hello'\n"})
        other.run(f"open({name!r}, 'wb').write(bytes.fromhex({content.hex()!r}))")
        assert "Successfully installed by-hand-1.0" in other.run(f"!pip install ./{name}")
        assert other.run("import by_hand; print(by_hand.HELLO)") == "hello"
        other.socket.close()
    finally:
        sagemaker.update_domain(DomainId=lab.domain, AppNetworkAccessType="PublicInternetOnly")
    assert kernel.run(read("simple/lake-base/")).startswith("200")
