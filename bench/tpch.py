"""TPC-H SF1 through PyAthena, as a role with column grants, beside plain DuckDB on the same files in the same run."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet
import pyathena

from bench._server import running
from lakewarden.demo.server import RunningServer

ROUNDS = 7
SCALE = "1"
BUCKET = "bench-tpch"
ROLE = "bench-analyst"

QUERIES = {
    "Q1": (
        "SELECT l_returnflag, l_linestatus, sum(l_quantity) sum_qty, sum(l_extendedprice) sum_base_price, "
        "sum(l_extendedprice * (1 - l_discount)) sum_disc_price, "
        "sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) sum_charge, avg(l_quantity) avg_qty, "
        "avg(l_extendedprice) avg_price, avg(l_discount) avg_disc, count(*) count_order FROM lineitem "
        "WHERE l_shipdate <= DATE '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
    ),
    "Q3": (
        "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) revenue, o_orderdate, o_shippriority "
        "FROM customer, orders, lineitem WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey "
        "AND l_orderkey = o_orderkey AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' "
        "GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10"
    ),
    "Q6": (
        "SELECT sum(l_extendedprice * l_discount) revenue FROM lineitem WHERE l_shipdate >= DATE '1994-01-01' "
        "AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24"
    ),
    "Q9": (
        "SELECT nation, o_year, sum(amount) sum_profit FROM (SELECT n_name nation, year(o_orderdate) o_year, "
        "l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity amount "
        "FROM part, supplier, lineitem, partsupp, orders, nation WHERE s_suppkey = l_suppkey "
        "AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey AND p_partkey = l_partkey "
        "AND o_orderkey = l_orderkey AND s_nationkey = n_nationkey AND p_name LIKE '%green%') profit "
        "GROUP BY nation, o_year ORDER BY nation, o_year DESC"
    ),
}
HIDDEN = {"customer": "c_phone", "orders": "o_clerk", "lineitem": "l_comment", "part": "p_comment",
          "supplier": "s_phone", "partsupp": "ps_comment", "nation": "n_comment"}  # fmt: skip
"""One column of each table is not granted, so that every table of every query is governed to the column."""


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as scratch, running() as (server, session):
        files = _generate(Path(scratch))
        keys = _prepare(server, session, files)
        connection = pyathena.connect(
            s3_staging_dir=f"s3://{BUCKET}/results/", schema_name="tpch", region_name="us-east-1",
            endpoint_url=server.endpoint, aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
        )  # fmt: skip
        plain = duckdb.connect()
        plain.execute("SET threads = 2")
        for table, file in files.items():
            plain.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")
        rows: list[tuple[str, float, str]] = []
        ratios = []
        for name, text in QUERIES.items():
            ours, peer = _alternating(
                lambda text=text: connection.cursor().execute(text).fetchall(),
                lambda text=text: plain.execute(text).fetchall(),
            )
            rows += [(f"{name}, Lakewarden", ours, "ms"), (f"{name}, DuckDB", peer, "ms")]
            rows.append((f"{name}, ratio", ours / peer, "x"))
            ratios.append(ours / peer)
        rows.append(("geometric mean of the ratios", statistics.geometric_mean(ratios), "x"))
        return rows


def _alternating(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Both medians in milliseconds; the first round warms up, and shows that both give the same number of rows."""
    assert len(ours()) == len(theirs())
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, kept in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            work()
            kept.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


def _generate(scratch: Path) -> Mapping[str, Path]:
    command = [Path(sys.executable).with_name("tpchgen-cli"), "parquet", "-s", SCALE, f"--output-dir={scratch}"]
    subprocess.run([*command, "--tables", ",".join(HIDDEN)], check=True, capture_output=True)
    return {table: scratch / f"{table}.parquet" for table in HIDDEN}


def _prepare(server: RunningServer, session: boto3.Session, files: Mapping[str, Path]) -> Mapping[str, str]:
    def aws(service: str) -> Any:
        return session.client(service, endpoint_url=server.endpoint)

    aws("s3").create_bucket(Bucket=BUCKET)
    _athena(aws, "CREATE DATABASE tpch")
    aws("lakeformation").register_resource(ResourceArn=f"arn:aws:s3:::{BUCKET}/lake", UseServiceLinkedRole=True)
    account = server.administrator["AccountId"]
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]}
    aws("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"} | trust))
    for policy in ("AmazonAthenaFullAccess", "AmazonS3FullAccess"):
        aws("iam").attach_role_policy(RoleName=ROLE, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    access = {"Effect": "Allow", "Action": ["lakeformation:GetDataAccess", "glue:Get*"], "Resource": "*"}
    aws("iam").put_role_policy(
        RoleName=ROLE, PolicyName="lake", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [access]})
    )
    for table, file in files.items():
        with file.open("rb") as body:
            aws("s3").put_object(Bucket=BUCKET, Key=f"lake/{table}/{file.name}", Body=body)
        schema = pa.parquet.read_schema(file)
        columns = ", ".join(f"{field.name} {_hive(field.type)}" for field in schema)
        _athena(aws, f"CREATE EXTERNAL TABLE tpch.{table} ({columns}) STORED AS PARQUET "
                     f"LOCATION 's3://{BUCKET}/lake/{table}/'")  # fmt: skip
        aws("lakeformation").grant_permissions(
            Principal={"DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/{ROLE}"},
            Resource={"TableWithColumns": {"DatabaseName": "tpch", "Name": table,
                                           "ColumnNames": [one for one in schema.names if one != HIDDEN[table]]}},
            Permissions=["SELECT"],
        )  # fmt: skip
    keys: Mapping[str, str] = aws("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{ROLE}", RoleSessionName="bench"
    )["Credentials"]
    return keys


def _athena(aws: Callable[[str], Any], statement: str) -> None:
    athena = aws("athena")
    started = athena.start_query_execution(
        QueryString=statement, ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED"}:
            assert status["State"] == "SUCCEEDED", status
            return


def _hive(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_int64(kind):
        return "bigint"
    if pa.types.is_integer(kind):
        return "int"
    return "date" if pa.types.is_date(kind) else "string"
