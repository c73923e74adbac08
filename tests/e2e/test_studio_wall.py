"""Notebooks as their users have them: credentials that come by themselves, a wall, and an attacker behind it."""

import json
import secrets
import socket
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake
from tests.e2e.studio_lab import Kernel, Lab, furnish


@pytest.fixture(scope="module")
def lab(lake: Lake) -> Iterator[Lab]:
    made = furnish(lake)
    yield made
    made.dismantle()


@pytest.fixture(scope="module")
def kernels(lab: Lab) -> Iterator[dict[str, Kernel]]:
    kernels = {who: Kernel.start(lab.opened(who), lab.base(who)) for who in (FULL, LIMITED)}
    yield kernels
    for kernel in kernels.values():
        kernel.socket.close()


@pytest.fixture(scope="module")
def attacker(kernels: dict[str, Kernel]) -> Kernel:
    return kernels[LIMITED]


def test_the_same_code_sees_exactly_the_granted_columns(lab: Lab, kernels: dict[str, Kernel]) -> None:
    lake = lab.lake
    code = textwrap.dedent(
        f"""
        from pyathena import connect
        from pyathena.pandas.cursor import PandasCursor
        cursor = connect(s3_staging_dir="s3://{lake.results}/studio/", cursor_class=PandasCursor).cursor()
        frame = cursor.execute("SELECT * FROM {lake.dataset.database}.{lake.dataset.table}").as_pandas()
        print(list(frame.columns), len(frame))
        """
    )
    everything = [name for name, _ in lake.dataset.columns]
    assert kernels[FULL].run(code) == f"{everything} {lake.dataset.row_count}"
    assert kernels[LIMITED].run(code) == f"{list(lake.dataset.permitted)} {lake.dataset.row_count}"


def test_stock_clients_need_no_configuration(lab: Lab, kernels: dict[str, Kernel]) -> None:
    account = lab.lake.server.administrator["AccountId"]
    for who, kernel in kernels.items():
        arn = f"arn:aws:sts::{account}:assumed-role/SageMakerStudioExecutionRole_{who}/{who}"
        assert kernel.run("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])") == arn
        assert arn in kernel.run("!aws sts get-caller-identity --query Arn --output text")


def test_clients_of_every_kind_see_the_granted_columns(lab: Lab, kernels: dict[str, Kernel]) -> None:
    """boto3 alone, PyAthena, SQLAlchemy, and the AWS CLI, none of them told anything."""
    lake = lab.lake
    code = f"""
        import json, subprocess, time
        import boto3, pyathena, sqlalchemy
        database, staging = {lake.dataset.database!r}, "s3://{lake.results}/studio/"
        sql = f'SELECT * FROM "{{database}}"."{lake.dataset.table}" LIMIT 3'
        seen = {{}}
        athena = boto3.client("athena")
        query = athena.start_query_execution(QueryString=sql, ResultConfiguration={{"OutputLocation": staging}})
        while athena.get_query_execution(**{{"QueryExecutionId": query["QueryExecutionId"]}})[
            "QueryExecution"]["Status"]["State"] not in ("SUCCEEDED", "FAILED"):
            time.sleep(0.1)
        rows = athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]["Rows"]
        seen["boto3"] = [cell["VarCharValue"] for cell in rows[0]["Data"]]
        cursor = pyathena.connect(s3_staging_dir=staging).cursor().execute(sql)
        seen["pyathena"] = [column[0] for column in cursor.description]
        place = f"athena.us-east-1.amazonaws.com:443/{{database}}?s3_staging_dir={{staging}}"
        engine = sqlalchemy.create_engine(f"awsathena+rest://@{{place}}")
        with engine.connect() as connection:
            seen["sqlalchemy"] = list(connection.execute(sqlalchemy.text(sql)).keys())
        aws = ["aws", "glue", "get-table", "--database-name", database, "--name", {lake.dataset.table!r}, "--query"]
        told = subprocess.run([*aws, "Table.StorageDescriptor.Columns[].Name"], capture_output=True, text=True)
        seen["cli"] = json.loads(told.stdout or "null") or told.stderr
        print(json.dumps(seen))
    """
    everything = [name for name, _ in lake.dataset.columns]
    for who, columns in ((FULL, everything), (LIMITED, list(lake.dataset.permitted))):
        seen = json.loads(kernels[who].run(textwrap.dedent(code)))
        assert seen == dict.fromkeys(("boto3", "pyathena", "sqlalchemy", "cli"), columns)


def test_the_trail_names_the_person_at_every_event(lab: Lab, kernels: dict[str, Kernel]) -> None:
    for who, kernel in kernels.items():
        kernel.run("import boto3; boto3.client('glue').get_databases()")
        for name in ("StudioSignIn", "CreateApp", "AppInService", "AssumeRole", "GetDatabases"):
            mine = [event for event in lab.events(name) if who in json.dumps(event)]
            assert mine, (who, name)
            identity = mine[0]["userIdentity"]
            if name == "StudioSignIn":
                assert identity["userName"] == who
                assert mine[0]["serviceEventDetails"]["userProfileName"] == who
            elif name == "AssumeRole":
                assert identity["type"] == "AWSService"
                assert mine[0]["requestParameters"]["sourceIdentity"] == who
                assert mine[0]["requestParameters"]["roleSessionName"] == who
                assert "secretAccessKey" not in json.dumps(mine[0])
            else:
                assert identity["sessionContext"]["sourceIdentity"] == who
                assert identity["arn"].endswith(f"/{who}")


def test_no_secret_of_a_sign_in_is_in_the_trail(lab: Lab) -> None:
    url = lab.url(FULL)
    secret = url.partition("token=")[2]
    records = lab.events("CreatePresignedDomainUrl")
    assert records[0]["responseElements"]["authorizedUrl"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert secret not in json.dumps(records)


REFUSALS = (
    "PermissionError",
    "FileNotFoundError",
    "OSError",
    "ProcessLookupError",
    "ConnectionRefusedError",
    "gaierror",
)


def escape(attacker: Kernel, code: str) -> str:
    """Run an attempt; answers the error that ended it. An attempt that prints ``ESCAPED`` has got out."""
    printed = attacker.run(textwrap.dedent(code))
    assert "ESCAPED" not in printed, printed
    return printed


def test_least_reach_files_of_the_server(lab: Lab, attacker: Kernel) -> None:
    data = lab.lake.server.data
    for path in ("objects", "state.db", "audit.db", "master.key", "credentials", "studio/homes", "server.log", ""):
        target = data / path
        assert target.exists()
        assert "FileNotFoundError" in escape(attacker, f"import os; print('ESCAPED', os.stat({str(target)!r}))")
    assert escape(attacker, "import os; print(os.path.exists('/etc/shadow'), os.path.exists('/sys'))") == "False False"
    assert attacker.run("import os; print(os.listdir('/home'))") == "['sagemaker-user']"
    for place in ("/", "/usr", "/etc", "/dev", "/run"):
        assert "Error" in escape(attacker, f"open({place!r} + '/mine', 'w'); print('ESCAPED')")


def test_least_reach_no_path_of_the_machine_is_told(lab: Lab, attacker: Kernel) -> None:
    told = attacker.run(
        "import glob\n"
        "for name in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: print(open(name, 'rb').read())\n"
        "    except OSError: pass\n"
    )
    assert str(lab.lake.server.data) not in told
    assert lab.lake.server.data.name not in attacker.run("print(open('/proc/self/cmdline').read())")


def test_least_reach_other_homes_and_tokens(lab: Lab, kernels: dict[str, Kernel]) -> None:
    mark = "print(open('/home/sagemaker-user/mark.txt', 'w').write('mine'))"
    kernels[FULL].run(mark)
    assert "FileNotFoundError" in kernels[LIMITED].run("open('/home/sagemaker-user/mark.txt')")
    tokens = {who: kernel.run("print(open('/run/lakewarden/token').read())") for who, kernel in kernels.items()}
    assert len(set(tokens.values())) == 2
    code = """
        import os, urllib.request
        request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={{"Authorization": {!r}}})
        print("ESCAPED", urllib.request.urlopen(request).read())
    """
    assert "HTTP Error 403" in escape(kernels[LIMITED], code.format(tokens[FULL]))
    assert "HTTP Error 403" in escape(kernels[LIMITED], code.format(""))


def test_least_reach_other_processes(attacker: Kernel, lab: Lab) -> None:
    server = lab.lake.server.pid
    assert "ProcessLookupError" in escape(attacker, f"import os; os.kill({server}, 0); print('ESCAPED')")
    pids = attacker.run("import os; print(len([one for one in os.listdir('/proc') if one.isdigit()]))")
    assert int(pids) < 12
    # The process that knows how the server proves itself to JupyterLab cannot be read by the kernels that it starts.
    code = "import os; print('ESCAPED', len(open(f'/proc/{os.getppid()}/environ').read()))"
    assert "PermissionError" in escape(attacker, code)
    assert "PermissionError" in escape(attacker, "import os; open(f'/proc/{os.getppid()}/mem', 'rb'); print('ESCAPED')")


def test_least_reach_system_calls(attacker: Kernel) -> None:
    """Not even a user namespace of its own, in which a process has every capability."""
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        results = [libc.unshare(0x10000000), libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.syscall(321, 0, 0, 0)]
        print(results, ctypes.get_errno())
    """
    assert escape(attacker, code) == "[-1, -1, -1] 1"
    assert "Seccomp:\t2" in attacker.run("print(open('/proc/self/status').read())").replace("Seccomp: ", "Seccomp:")
    assert "0000000000000000" in attacker.run("!grep CapEff /proc/self/status")


def test_least_reach_network(lab: Lab, attacker: Kernel) -> None:
    port = lab.port
    names = escape(attacker, "import os; print(sorted(os.listdir('/proc/sys/net/ipv4/conf')))")
    assert names == "['all', 'default', 'lo']"
    code = """
        import socket
        try:
            socket.create_connection(({!r}, {}), timeout=3)
            print("ESCAPED")
        except OSError as error:
            print(type(error).__name__, error)
    """
    for host, number in (("127.0.0.1", 22), ("127.0.0.1", port + 1), ("10.0.0.1", 80), ("169.254.169.254", 80)):
        escape(attacker, code.format(host, number))
    assert "gaierror" in escape(attacker, code.format("example.com", 443))
    udp = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)); print('ESCAPED')"
    assert "OSError" in escape(attacker, udp)


def test_least_reach_sockets_without_a_file(attacker: Kernel) -> None:
    """Abstract sockets belong to a network, and the notebook has one of its own."""
    name = f"\0lakewarden-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({name!r}); print('ESCAPED')"
        assert "ConnectionRefusedError" in escape(attacker, code)
    raw = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('ESCAPED')"
    assert "PermissionError" in escape(attacker, raw)


def test_least_reach_devices_and_the_kernels_switches(attacker: Kernel) -> None:
    shown = set(attacker.run("import os; print(*os.listdir('/dev'))").split())
    assert shown <= {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "stdin", "stdout", "stderr",
                     "fd", "core", "console", "mqueue"}  # fmt: skip
    code = """
        import os, stat
        for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/1/oom_score_adj",
                     "/proc/sys/kernel/shmmax", "/proc/self/uid_map"):
            try:
                os.write(os.open(path, os.O_WRONLY), b"0")
                print("ESCAPED", path)
            except OSError as error:
                print(type(error).__name__)
        for make in (lambda: os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)), lambda: os.setuid(0),
                     lambda: os.chroot("/tmp"), lambda: os.nice(-10), lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
                     lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), lambda: os.listdir("/proc/1/root")):
            try:
                make()
                print("ESCAPED", make.__code__.co_names)
            except OSError as error:
                print(type(error).__name__)
    """
    assert set(escape(attacker, code).split()) <= {"PermissionError", "OSError", "FileNotFoundError"}


def test_least_reach_debugging(attacker: Kernel) -> None:
    """JupyterLab's process knows how the server proves itself; the kernels that it starts have its user id."""
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        place = (ctypes.c_size_t * 2)(0x1000, 8)
        for pid in (os.getppid(), 1):
            attached = libc.ptrace(16, pid, None, None)
            read = libc.process_vm_readv(pid, ctypes.byref(place), 1, ctypes.byref(place), 1, 0)
            print(attached, read)
    """
    assert escape(attacker, code).split() == ["-1"] * 4


def test_least_reach_other_spellings_of_the_doors_paths(lab: Lab, attacker: Kernel) -> None:
    code = """
        import os, socket
        from urllib.parse import urlsplit
        door = urlsplit(os.environ["AWS_ENDPOINT_URL"])
        told = "\\r\\n".join(("Host: localhost", "Authorization: x", "Connection: close", "", ""))
        for target in (
            "/%5fmetrics", "/%5Fstudio/credentials", "//_metrics", "/./_metrics", "/x/../_metrics", "/_studio/credentials/",
            "/_studio/credentials/../../_metrics", "/_studio/packages/simple/x/", "http://127.0.0.1/_metrics", "/_metrics?x",
            "/_STUDIO/credentials", "/_studio//credentials", "/_scim/Users", "*",
        ):
            with socket.create_connection((door.hostname, door.port)) as wire:
                wire.sendall(f"GET {target} HTTP/1.1\\r\\n{told}".encode())
                answer = b""
                while more := wire.recv(65536):
                    answer += more
            got_out = any(word in answer for word in (b"# HELP", b"SecretAccessKey", b"<title>"))
            print("ESCAPED " + target if got_out else answer.split()[1].decode())
    """
    assert set(escape(attacker, code).split()) <= {"400", "403", "404", "405"}


def test_the_door_leads_to_the_aws_endpoint_and_to_no_page(lab: Lab, attacker: Kernel) -> None:
    code = """
        import os, urllib.request
        for path in ("/_studio/auth?token=x", "/_metrics", "/_console", "/_health", "/_studio/" + {!r}):
            try:
                print("ESCAPED", urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + path).status)
            except Exception as error:
                print(error.code)
    """
    assert set(escape(attacker, code.format(f"{lab.domain}/{FULL}/")).split()) == {"404"}


def test_a_notebook_cannot_say_where_its_calls_come_from(lab: Lab, attacker: Kernel) -> None:
    iam, role = lab.lake.client("admin", "iam"), f"SageMakerStudioExecutionRole_{LIMITED}"
    statement = {
        "Effect": "Deny", "Action": "glue:GetDatabases", "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="Tls", PolicyDocument=document)
    code = """
        import boto3
        def forge(request, **_):
            request.headers["X-Forwarded-Proto"] = "https"
            request.headers["X-Forwarded-For"] = "203.0.113.7"
        glue = boto3.client("glue")
        glue.meta.events.register("before-send", forge)
        print(glue.get_databases()["ResponseMetadata"]["HTTPStatusCode"])
    """
    try:
        assert escape(attacker, code) == "200"
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Tls")
    assert "203.0.113.7" not in json.dumps(lab.events("GetDatabases"))


def test_a_link_in_place_of_the_socket_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    """What the server connects to lies in a directory that the notebook may write."""
    browser = lab.opened(FULL)
    kernel = Kernel.start(browser, lab.base(FULL))
    kernel.run(
        "import os; os.rename('/run/lakewarden/jupyter.sock', '/run/lakewarden/kept')\n"
        "os.symlink('/run/lakewarden/kept', '/run/lakewarden/jupyter.sock')"
    )
    try:
        status, body = browser.get(f"{lab.base(FULL)}api/status")
        assert (status, b"does not answer" in body) == (502, True)
    finally:
        kernel.run("import os; os.rename('/run/lakewarden/kept', '/run/lakewarden/jupyter.sock')")
    assert browser.get(f"{lab.base(FULL)}api/status")[0] == 200
    kernel.socket.close()


def test_no_escalation_from_the_notebook(lab: Lab, attacker: Kernel) -> None:
    account = lab.lake.server.administrator["AccountId"]
    code = """
        import boto3
        def attempt(service, operation, **params):
            try:
                getattr(boto3.client(service), operation)(**params)
                print("ESCAPED", operation)
            except Exception as error:
                print(operation, error.response["Error"]["Code"], "explicit" in str(error))
        domain, other = {domain!r}, {other!r}
        own = dict(DomainId=domain, OwnershipSettings=dict(OwnerUserProfileName={who!r}))
        attempt("sts", "assume_role", RoleArn={role!r}, RoleSessionName={other!r})
        attempt("sagemaker", "create_presigned_domain_url", DomainId=domain, UserProfileName=other)
        attempt("sagemaker", "describe_user_profile", DomainId=domain, UserProfileName=other)
        attempt("sagemaker", "delete_app", DomainId=domain, SpaceName={space!r}, AppType="JupyterLab", AppName="default")
        attempt("sagemaker", "create_app", DomainId=domain, SpaceName={space!r}, AppType="JupyterLab", AppName="two")
        attempt("sagemaker", "create_space", DomainId=domain, SpaceName="mine",
                OwnershipSettings=dict(OwnerUserProfileName=other), SpaceSharingSettings=dict(SharingType="Private"))
        attempt("sagemaker", "update_user_profile", DomainId=domain, UserProfileName={who!r},
                UserSettings=dict(ExecutionRole={role!r}))
        attempt("sagemaker", "add_tags", ResourceArn={arn!r}, Tags=[dict(Key="studiouserid", Value={who!r})])
        attempt("iam", "create_user", UserName="friend")
    """
    role = f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{FULL}"
    arn = f"arn:aws:sagemaker:{lab.lake.server.administrator['Region']}:{account}:user-profile/{lab.domain}/{FULL}"
    printed = escape(
        attacker,
        code.format(domain=lab.domain, other=FULL, who=LIMITED, role=role, space=f"space-of-{FULL}", arn=arn),
    )
    lines = printed.splitlines()
    assert len(lines) == 9, printed
    assert all("AccessDenied" in line for line in lines), printed
    assert [line for line in lines if line.endswith("True")] == [
        "assume_role AccessDenied True",
        "describe_user_profile AccessDeniedException True",
    ]
