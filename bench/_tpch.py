"""TPC-H for benchmarks: its data, the governed tables of a running server, and a role that reads them through PyAthena."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet
import pyathena

from lakewarden.demo.server import RunningServer

BUCKET = "bench-tpch"
ROLE = "bench-analyst"


def generate(scratch: Path, scale: str, tables: list[str]) -> Mapping[str, Path]:
    """Table -> its Parquet file."""
    command = [Path(sys.executable).with_name("tpchgen-cli"), "parquet", "-s", scale, f"--output-dir={scratch}"]
    subprocess.run([*command, "--tables", ",".join(tables)], check=True, capture_output=True)
    return {table: scratch / f"{table}.parquet" for table in tables}


def governed(
    server: RunningServer,
    session: boto3.Session,
    files: Mapping[str, Path],
    hidden: Mapping[str, str],
    rows: Mapping[str, str],
) -> Any:
    """A PyAthena connection of a role that sees the tables without their ``hidden`` column, in the ``rows`` alone."""

    def aws(service: str) -> Any:
        return session.client(service, endpoint_url=server.endpoint)

    aws("s3").create_bucket(Bucket=BUCKET)
    _athena(aws, "CREATE DATABASE tpch")
    aws("lakeformation").register_resource(ResourceArn=f"arn:aws:s3:::{BUCKET}/lake", UseServiceLinkedRole=True)
    account = server.administrator["AccountId"]
    role = _role(aws, account)
    for table, file in files.items():
        aws("s3").upload_file(str(file), BUCKET, f"lake/{table}/{file.name}")
        schema = pa.parquet.read_schema(file)
        columns = ", ".join(f"{field.name} {_hive(field.type)}" for field in schema)
        _athena(aws, f"CREATE EXTERNAL TABLE tpch.{table} ({columns}) STORED AS PARQUET "
                     f"LOCATION 's3://{BUCKET}/lake/{table}/'")  # fmt: skip
        names = [one for one in schema.names if one != hidden.get(table)]
        _grant(aws, account, role, table, names, rows.get(table, ""))
    keys = aws("sts").assume_role(RoleArn=role, RoleSessionName="bench")["Credentials"]
    return pyathena.connect(
        s3_staging_dir=f"s3://{BUCKET}/results/", schema_name="tpch", region_name="us-east-1",
        endpoint_url=server.endpoint, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
    )  # fmt: skip


def medians(works: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The median milliseconds of each, taken in turn; a first round warms up."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, kept in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            if number:
                kept.append((time.perf_counter() - started) * 1000)
    return [statistics.median(one) for one in times]


def _role(aws: Callable[[str], Any], account: str) -> str:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]}
    aws("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"} | trust))
    for policy in ("AmazonAthenaFullAccess", "AmazonS3FullAccess"):
        aws("iam").attach_role_policy(RoleName=ROLE, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    access = {"Effect": "Allow", "Action": ["lakeformation:GetDataAccess", "glue:Get*"], "Resource": "*"}
    aws("iam").put_role_policy(
        RoleName=ROLE, PolicyName="lake", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [access]})
    )
    return f"arn:aws:iam::{account}:role/{ROLE}"


def _grant(aws: Callable[[str], Any], account: str, role: str, table: str, names: list[str], rows: str) -> None:
    resource: dict[str, Any] = {"TableWithColumns": {"DatabaseName": "tpch", "Name": table, "ColumnNames": names}}
    if rows:
        cells = {"TableCatalogId": account, "DatabaseName": "tpch", "TableName": table, "Name": f"{table}_rows"}
        aws("lakeformation").create_data_cells_filter(
            TableData={**cells, "RowFilter": {"FilterExpression": rows}, "ColumnNames": names}
        )
        resource = {"DataCellsFilter": cells}
    aws("lakeformation").grant_permissions(
        Principal={"DataLakePrincipalIdentifier": role}, Resource=resource, Permissions=["SELECT"]
    )


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
