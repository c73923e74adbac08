"""Stock clients of Athena, unmodified, against a real server."""

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pyathena import connect
from pyathena.async_cursor import AsyncCursor, AsyncDictCursor
from pyathena.cursor import DictCursor
from pyathena.pandas.async_cursor import AsyncPandasCursor
from pyathena.pandas.cursor import PandasCursor
from pyathena.s3fs.async_cursor import AsyncS3FSCursor
from pyathena.s3fs.cursor import S3FSCursor

from lakewarden.demo.walkthrough import FULL
from tests.e2e.conftest import Lake

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-clients" / "bin"


@pytest.fixture
def connection(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in lake.environment(FULL).items():
        monkeypatch.setenv(name, value)
    with connect(s3_staging_dir=f"s3://{lake.results}/{FULL}/", schema_name=lake.dataset.database) as opened:
        yield opened


def question(lake: Lake) -> str:
    return f"SELECT patient, arm FROM {lake.dataset.table} WHERE arm = 'b' ORDER BY CAST(patient AS integer)"


def test_pyathena_dict_pandas_and_async_cursors(lake: Lake, connection: Any) -> None:
    sql = question(lake)
    expected = connection.cursor().execute(sql).fetchall()
    assert len(expected) > 1500
    as_dicts = connection.cursor(DictCursor).execute(sql).fetchall()
    assert [tuple(row.values()) for row in as_dicts] == expected
    frame = connection.cursor(PandasCursor, unload=True, engine="pyarrow").execute(sql).as_pandas()
    assert len(frame) == len(expected)
    chunks = connection.cursor(PandasCursor).execute(sql, chunksize=100).as_pandas()
    assert sum(len(chunk) for chunk in chunks) == len(expected)
    assert connection.cursor(S3FSCursor).execute(sql).fetchall() == expected
    for kind in (AsyncCursor, AsyncDictCursor, AsyncPandasCursor, AsyncS3FSCursor):
        cursor = connection.cursor(kind)
        _, future = cursor.execute(sql)
        assert len(future.result().fetchall()) == len(expected)
        cursor.close()


def test_pyathena_parameters_and_prepared_values(lake: Lake, connection: Any) -> None:
    table = lake.dataset.table
    cursor = connection.cursor()
    cursor.execute(f"SELECT patient FROM {table} WHERE patient = %(who)s", {"who": "8"})
    assert cursor.fetchall() == [("8",)]
    cursor.execute(f"SELECT patient FROM {table} WHERE patient = ? AND arm = ?", ["'8'", "'b'"], paramstyle="qmark")
    assert cursor.fetchall() == [("8",)]
    cursor.execute(f"SELECT patient FROM {table} WHERE patient = %(who)s", {"who": "' OR '1'='1"})
    assert cursor.fetchall() == []


def test_pyathena_on_asyncio(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    aio = pytest.importorskip("pyathena.aio.connection", reason="this PyAthena has no aio cursors")
    for name, value in lake.environment(FULL).items():
        monkeypatch.setenv(name, value)

    async def ask() -> Any:
        opened = await aio.AioConnection.create(
            s3_staging_dir=f"s3://{lake.results}/{FULL}/", schema_name=lake.dataset.database
        )
        async with opened, opened.cursor() as cursor:
            await cursor.execute("SELECT 1 AS one")
            return await cursor.fetchall()

    assert asyncio.run(ask()) == [(1,)]


def test_the_sqlalchemy_dialect(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = lake.environment(FULL)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    url = (
        f"awsathena+rest://@athena.{environment['AWS_DEFAULT_REGION']}.amazonaws.com:443/{lake.dataset.database}"
        f"?s3_staging_dir=s3://{lake.results}/{FULL}/"
    )
    engine = sa.create_engine(url)
    try:
        inspector = sa.inspect(engine)
        assert lake.dataset.table in inspector.get_table_names()
        columns = [column["name"] for column in inspector.get_columns(lake.dataset.table)]
        assert columns == [name for name, _ in lake.dataset.columns]
        assert inspector.has_table(lake.dataset.table)
        assert not inspector.has_table("nowhere")
        table = sa.Table(lake.dataset.table, sa.MetaData(), autoload_with=engine)
        with engine.connect() as opened:
            count = opened.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        assert count == lake.dataset.row_count
    finally:
        engine.dispose()


def run_client(lake: Lake, who: str, *command: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{CLIENTS}:/usr/bin:/bin", "HOME": extra.pop("home", "/nonexistent")}
    environment |= {name: value for name, value in lake.environment(who).items() if value} | extra
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


def test_awswrangler_with_ctas_with_unload_and_plainly(lake: Lake) -> None:
    done = run_client(
        lake,
        "admin",
        str(CLIENTS / "python"),
        str(ROOT / "tests" / "clients" / "wrangler.py"),
        lake.dataset.database,
        lake.dataset.table,
        f"s3://{lake.results}/wrangler/",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Mapping[str, Any] = json.loads(done.stdout)
    names = [name for name, _ in lake.dataset.columns]
    assert {way: found[way]["columns"] for way in ("ctas", "unload", "plain")} == dict.fromkeys(
        ("ctas", "unload", "plain"), names
    )
    rows = {found[way]["rows"] for way in ("ctas", "unload", "plain")} | {found["chunks"], found["parameters"]}
    assert len(rows) == 1
    assert list(found["types"]) == names
