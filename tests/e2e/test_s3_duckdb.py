"""DuckDB's own reader (httpfs) as a client of the S3 gateway: globs, partitions, sessions, denials."""

import io
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewarden.storage.scoped import Place, Verbs, session_policy
from tests.e2e.conftest import Lake

EXTENSION = next(Path(str(files("duckdb_extension_httpfs"))).rglob("*.duckdb_extension"))
PARQUET = "read_parquet('s3://ducks/t/*/*.parquet', hive_partitioning = true)"
CSV = "read_csv('s3://ducks/csv/year=*/*.csv')"


@pytest.fixture(scope="module")
def ducks(lake: Lake) -> Lake:
    """Two years of Parquet and of CSV, with names that want percent-encoding."""
    s3 = lake.client("admin", "s3")
    s3.create_bucket(Bucket="ducks")
    for year in (1, 2):
        out = io.BytesIO()
        pq.write_table(pa.table({"v": range(year * 1000), "w": ["x"] * (year * 1000)}), out)
        s3.put_object(Bucket="ducks", Key=f"t/year={year}/a ü+%.parquet", Body=out.getvalue())
        s3.put_object(Bucket="ducks", Key=f"csv/year={year}/1.csv", Body=b"a,b\n" + b"1,x\n" * year)
    return lake


@pytest.fixture
def duck(ducks: Lake, tmp_path: Path) -> Iterator[Any]:
    """DuckDB as its documentation says, holding no keys yet."""
    settings = {"home_directory": str(tmp_path), "autoinstall_known_extensions": "false"}
    with duckdb.connect(config=settings) as connection:
        connection.execute(f"LOAD '{EXTENSION}'")
        yield connection


def use(duck: Any, lake: Lake, keys: Mapping[str, str]) -> None:
    token = f", SESSION_TOKEN '{keys['SessionToken']}'" if "SessionToken" in keys else ""
    duck.execute(
        f"CREATE OR REPLACE SECRET lake (TYPE s3, KEY_ID '{keys['AccessKeyId']}', SECRET '{keys['SecretAccessKey']}'"
        f"{token}, ENDPOINT '{lake.server.endpoint.removeprefix('http://')}', USE_SSL false, URL_STYLE 'path', "
        f"REGION '{lake.server.administrator['Region']}')"
    )


def rows(duck: Any, sql: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = duck.execute(sql).fetchall()
    return found


def test_globs_and_partitions(ducks: Lake, duck: Any) -> None:
    use(duck, ducks, ducks.server.administrator)
    assert rows(duck, f"SELECT year, count(*), max(v) FROM {PARQUET} GROUP BY 1 ORDER BY 1") == [
        (1, 1000, 999),
        (2, 2000, 1999),
    ]
    assert rows(duck, f"SELECT sum(v) FROM {PARQUET} WHERE year = 2") == [(1999000,)]
    assert rows(duck, f"SELECT year, count(*) FROM {CSV} GROUP BY 1 ORDER BY 1") == [(1, 1), (2, 2)]


def test_what_duckdb_writes_is_read_back(ducks: Lake, duck: Any) -> None:
    use(duck, ducks, ducks.server.administrator)
    duck.execute(
        "COPY (SELECT i % 3 AS g, i FROM range(1000) t(i)) TO 's3://ducks/out' (FORMAT parquet, PARTITION_BY (g))"
    )
    back = "read_parquet('s3://ducks/out/**/*.parquet', hive_partitioning = true)"
    assert rows(duck, f"SELECT g, count(*) FROM {back} GROUP BY 1 ORDER BY 1") == [(0, 334), (1, 333), (2, 333)]
    # Large enough for an upload in parts.
    duck.execute("COPY (SELECT i, repeat('y', 3000) AS s FROM range(4000) t(i)) TO 's3://ducks/big.csv'")
    assert rows(duck, "SELECT count(*), max(i) FROM read_csv('s3://ducks/big.csv')") == [(4000, 3999)]


def session(lake: Lake, prefix: str) -> Mapping[str, str]:
    """Credentials as Lake Formation vends them: one place, reading only, with a session token."""
    iam, account = lake.client("admin", "iam"), lake.server.administrator["AccountId"]
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    role = f"duck-{prefix.replace('/', '-').replace('=', '-')}"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=json.dumps(everything))
    taken: Mapping[str, str] = lake.client("admin", "sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="duck",
        Policy=session_policy([Place("ducks", prefix)], Verbs.READ),
    )["Credentials"]  # fmt: skip
    return taken


def test_a_session_reads_its_place_and_no_other(ducks: Lake, duck: Any) -> None:
    use(duck, ducks, session(ducks, "t/year=1"))
    assert rows(duck, "SELECT count(*) FROM read_parquet('s3://ducks/t/year=1/*.parquet')") == [(1000,)]
    for refused in (
        f"SELECT count(*) FROM {PARQUET}",
        f"SELECT count(*) FROM {CSV}",
        "SELECT count(*) FROM read_parquet('s3://ducks/t/year=2/a ü+%.parquet')",
        "SELECT count(*) FROM read_csv('s3://ducks/csv/year=1/1.csv')",
        "SELECT * FROM glob('s3://ducks/*')",
        "SELECT count(*) FROM read_parquet('s3://ducks/t/year=1/../year=2/a ü+%.parquet')",
        "COPY (SELECT 1) TO 's3://ducks/t/year=1/mine.parquet' (FORMAT parquet)",
    ):
        # 404 answers a key that climbs: S3 does not resolve dots, so there is no such object in the session's place.
        with pytest.raises(duckdb.Error, match=r"HTTP 403|HTTP 404|Forbidden"):
            rows(duck, refused)
    found = ducks.client("admin", "s3").list_objects_v2(Bucket="ducks", Prefix="t/year=1/")["Contents"]
    assert [one["Key"] for one in found] == ["t/year=1/a ü+%.parquet"]


def test_no_keys_and_a_swapped_token_read_nothing(ducks: Lake, duck: Any) -> None:
    taken = session(ducks, "csv")
    sql = "SELECT count(*) FROM read_csv('s3://ducks/csv/year=1/1.csv')"
    for keys in (
        {"AccessKeyId": "", "SecretAccessKey": ""},
        {**ducks.server.administrator, "SessionToken": taken["SessionToken"]},
        {name: value for name, value in taken.items() if name in {"AccessKeyId", "SecretAccessKey"}},
        {**taken, "SecretAccessKey": "x" * 40},
    ):
        use(duck, ducks, keys)
        with pytest.raises(duckdb.Error, match=r"HTTP 40[03]|Forbidden"):
            rows(duck, sql)
    use(duck, ducks, taken)
    assert rows(duck, sql) == [(1,)]
