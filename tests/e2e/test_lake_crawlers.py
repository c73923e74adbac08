"""Crawlers through unmodified boto3."""

import gzip
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
from pyarrow import orc
from pyarrow import parquet as pq

from tests.e2e.lake_house import House, query, refused


def crawled(glue: Any, name: str) -> Mapping[str, Any]:
    glue.start_crawler(Name=name)
    while True:
        found = glue.get_crawler(Name=name)["Crawler"]
        if found["State"] == "READY":
            return dict(found["LastCrawl"])
        time.sleep(0.1)


def test_a_crawler_finds_tables_with_its_own_role_s_rights(house: House, tmp_path: Path) -> None:
    glue, s3, iam, lake = (house.client(name) for name in ("glue", "s3", "iam", "lakeformation"))
    s3.create_bucket(Bucket="raw-files")
    pq.write_table(pa.table({"Id": [1], "price": [1.5], "tags": [["a"]]}), tmp_path / "x")
    orc.write_table(pa.table({"n": pa.array([1], pa.int32()), "s": ["x"]}), tmp_path / "o")
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "long"]}]}
    with (tmp_path / "v").open("wb") as file:
        fastavro.writer(file, schema, [{"a": 1}])
    files = {
        "in/sales/year=2024/month=1/a": (tmp_path / "x").read_bytes(),
        "in/sales/year=2024/month=2/b": (tmp_path / "x").read_bytes(),
        "in/people/p.csv": b"id;name;born\n1;Ada;1815-12-10\n2;Bob;1900-01-01\n",
        "in/quoted/q.csv": b'id,note\n1,"a, b"\n2,"c, d"\n',
        "in/events/e.json": b'{"at":"x","n":1}\n{"at":"y","n":2}\n',
        "in/packed/e.json.gz": gzip.compress(b'{"k":true}\n{"k":false}\n'),
        "in/columns/o": (tmp_path / "o").read_bytes(),
        "in/avros/v": (tmp_path / "v").read_bytes(),
        "in/noise/z": bytes(range(256)) * 40,
    }
    for key, body in files.items():
        s3.put_object(Bucket="raw-files", Key=key, Body=body)
    person = house.person("crawling")
    asked = {"Name": "c1", "Role": person.arn, "DatabaseName": "crawled", "TablePrefix": "t_"}
    targets = {"S3Targets": [{"Path": "s3://raw-files/in/"}]}
    with refused("AccessDenied"):  # iam:PassRole
        person.client("glue").create_crawler(**asked, Targets=targets)
    for wrong in ({"Schedule": "cron(0 1 * * ? *)"}, {"Targets": {"JdbcTargets": [{"Path": "x"}]}}):
        with refused("InvalidInputException"):
            glue.create_crawler(**{**asked, "Targets": targets, **wrong})
    glue.create_crawler(**asked, Targets=targets)
    assert crawled(glue, "c1")["ErrorMessage"].startswith("Service is unable to assume provided role")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{house.account}:root"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            },
        ],
    }
    iam.update_assume_role_policy(RoleName="crawling", PolicyDocument=json.dumps(trust))
    assert "s3:ListBucket" in crawled(glue, "c1")["ErrorMessage"]
    reading = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "arn:aws:s3:::raw-files*"}
    document = {"Version": "2012-10-17", "Statement": [reading]}
    iam.put_role_policy(RoleName="crawling", PolicyName="read", PolicyDocument=json.dumps(document))
    glue.create_database(DatabaseInput={"Name": "crawled"})
    assert "Required" in crawled(glue, "c1")["ErrorMessage"]  # Lake Formation's part
    person.grant({"Database": {"Name": "crawled"}}, "CREATE_TABLE")
    done = crawled(glue, "c1")
    assert done["Status"] == "SUCCEEDED", done
    found = {one["Name"]: one for one in person.client("glue").get_tables(DatabaseName="crawled")["TableList"]}
    shapes = {
        name: " ".join(f"{one['Name']}:{one['Type']}" for one in table["StorageDescriptor"]["Columns"])
        for name, table in found.items()
    }
    assert shapes == {
        "t_avros": "a:bigint",
        "t_columns": "n:int s:string",
        "t_events": "at:string n:bigint",
        "t_packed": "k:boolean",
        "t_people": "id:bigint name:string born:date",
        "t_quoted": "id:bigint note:string",
        "t_sales": "id:bigint price:double tags:array<string>",
    }
    assert [one["Name"] for one in found["t_sales"]["PartitionKeys"]] == ["year", "month"]
    assert query(person, "SELECT id, year, month FROM crawled.t_sales ORDER BY month")[1:] == [
        ["1", "2024", "1"], ["1", "2024", "2"]
    ]  # fmt: skip
    assert query(person, "SELECT name, born FROM crawled.t_people ORDER BY id")[1:] == [
        ["Ada", "1815-12-10"], ["Bob", "1900-01-01"]
    ]  # fmt: skip
    assert query(person, "SELECT note FROM crawled.t_quoted ORDER BY id")[1:] == [["a, b"], ["c, d"]]
    s3.put_object(Bucket="raw-files", Key="in/people/q.csv", Body=b"id;name;born;zip\n3;Cy;1950-01-01;9\n")
    assert crawled(glue, "c1")["Status"] == "SUCCEEDED"
    metrics = glue.get_crawler_metrics(CrawlerNameList=["c1"])["CrawlerMetricsList"][0]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"]) == (0, 1)
    assert len(glue.list_crawls(CrawlerName="c1")["Crawls"]) == 5
    assert lake.list_permissions(Principal={"DataLakePrincipalIdentifier": person.arn})["PrincipalResourcePermissions"]
    glue.delete_crawler(Name="c1")
    with refused("EntityNotFound"):
        glue.get_crawler(Name="c1")
