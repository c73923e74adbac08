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

from tests.e2e.lake_house import House, Person, columns, query, refused, table_input


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
    for wrong in ({"Schedule": "cron(* * * * ? *)"}, {"Targets": {"JdbcTargets": [{"Path": "x"}]}}):
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


def crawling_role(house: House, name: str, bucket: str, database: str) -> Person:
    """A role that Glue may take, which reads a bucket and makes tables in a database."""
    person, iam = house.person(name), house.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    trust = {**document, "Statement": [statement, *document["Statement"]]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    reading = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}*"}
    policy = {"Version": "2012-10-17", "Statement": [reading]}
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))
    house.client("glue").create_database(DatabaseInput={"Name": database})
    person.grant({"Database": {"Name": database}}, "CREATE_TABLE")
    return person


def test_a_crawler_leaves_out_adds_marks_and_deletes_as_it_is_told(house: House) -> None:
    glue, s3 = house.client("glue"), house.client("s3")
    s3.create_bucket(Bucket="told-files")
    person = crawling_role(house, "told", "told-files", "told")
    for key in ("in/a/day=1/x.csv", "in/b/x.csv", "in/skip/x.csv", "in/b/_tmp.csv"):
        body = b"garbage" if "tmp" in key else b"id,name\n1,x\n2,y\n"
        s3.put_object(Bucket="told-files", Key=key, Body=body)
    target = {"Path": "s3://told-files/in", "Exclusions": ["skip/**", "**/_*"], "SampleSize": 2}
    configuration = {"Version": 1.0, "CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}}
    glue.create_crawler(
        Name="told", Role=person.arn, DatabaseName="told", Targets={"S3Targets": [target]},
        Configuration=json.dumps(configuration),
    )  # fmt: skip
    assert crawled(glue, "told")["Status"] == "SUCCEEDED"
    mine = person.client("glue")

    def tables() -> dict[str, Any]:
        return {one["Name"]: one for one in mine.get_tables(DatabaseName="told")["TableList"]}

    assert {name: columns(one) for name, one in tables().items()} == {"a": ["id", "name"], "b": ["id", "name"]}
    # A column more is added behind; what is gone is marked, and no longer when it is there again.
    s3.put_object(Bucket="told-files", Key="in/b/x.csv", Body=b"more,id\n1,text\n2,other\n")
    s3.delete_object(Bucket="told-files", Key="in/a/day=1/x.csv")
    assert crawled(glue, "told")["Status"] == "SUCCEEDED"
    found = tables()
    assert found["b"]["StorageDescriptor"]["Columns"] == [
        {"Name": "id", "Type": "bigint"}, {"Name": "name", "Type": "string"}, {"Name": "more", "Type": "bigint"}
    ]  # fmt: skip
    assert "DEPRECATED_BY_CRAWLER" in found["a"]["Parameters"]
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    glue.update_crawler(
        Name="told", SchemaChangePolicy=policy, RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}
    )
    s3.put_object(Bucket="told-files", Key="in/a/day=2/x.csv", Body=b"other,columns\n1,x\n")
    s3.put_object(Bucket="told-files", Key="in/c/x.csv", Body=b"id,name\n1,x\n")
    assert crawled(glue, "told")["Status"] == "SUCCEEDED"
    found = tables()
    assert sorted(found) == ["a", "b", "c"]
    assert columns(found["a"]) == ["id", "name"]
    days = [one["Values"] for one in mine.get_partitions(DatabaseName="told", TableName="a")["Partitions"]]
    assert days == [["1"], ["2"]]
    glue.update_crawler(
        Name="told", SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVERYTHING"},
    )  # fmt: skip
    others = {**table_input("others"), "Parameters": {"UPDATED_BY_CRAWLER": "told"}}
    glue.create_table(DatabaseName="told", TableInput=others)  # it lies elsewhere, whatever its parameters say
    s3.delete_object(Bucket="told-files", Key="in/c/x.csv")
    assert crawled(glue, "told")["Status"] == "SUCCEEDED"
    found = tables()
    assert sorted(found) == ["a", "b"]
    assert "DEPRECATED_BY_CRAWLER" not in found["a"]["Parameters"]
    assert [
        one["Values"] for one in mine.get_partitions(DatabaseName="told", TableName="a")["Partitions"]
    ] == [["2"]]  # fmt: skip
    assert glue.get_table(DatabaseName="told", Name="others")
    assert glue.get_crawler_metrics(CrawlerNameList=["told"])["CrawlerMetricsList"][0]["TablesDeleted"] == 1
    crawls = glue.list_crawls(CrawlerName="told", Filters=[{"FieldName": "STATE", "FieldValue": "COMPLETED"}])["Crawls"]
    assert len(crawls) == 4
    assert json.loads(crawls[0]["Summary"])["Tables"] == {"created": 0, "updated": 1, "deleted": 1}
    crawl = {"FieldName": "CRAWL_ID", "FilterOperator": "NE", "FieldValue": crawls[0]["CrawlId"]}
    assert len(glue.list_crawls(CrawlerName="told", Filters=[crawl])["Crawls"]) == 3
    events = house.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteTable"}]
    )["Events"]
    assert json.loads(events[0]["CloudTrailEvent"])["userIdentity"]["invokedBy"] == "glue.amazonaws.com"


def test_classifiers_say_what_files_are(house: House) -> None:
    glue, s3 = house.client("glue"), house.client("s3")
    s3.create_bucket(Bucket="odd-files")
    person = crawling_role(house, "classifying", "odd-files", "odd")
    s3.put_object(Bucket="odd-files", Key="in/bare/x.txt", Body=b"1~'a~b'~2024-01-01\n2~c~2024-01-02\n")
    body = {"meta": 1, "data": {"items": [{"k": 1, "v": "x"}, {"k": 2, "w": True}]}}
    s3.put_object(Bucket="odd-files", Key="in/nested/x.json", Body=json.dumps(body, indent=1).encode())
    s3.put_object(Bucket="odd-files", Key="in/plain/x.csv", Body=b"id,name\n1,x\n")
    csv = {
        "Name": "tilde", "Delimiter": "~", "QuoteSymbol": "'", "ContainsHeader": "ABSENT",
        "Header": ["number", "text", "day"], "Serde": "OpenCSVSerDe",
    }  # fmt: skip
    for wrong in (
        {"GrokClassifier": {"Name": "g", "Classification": "x", "GrokPattern": "%{GREEDYDATA:x}"}},
        {"XMLClassifier": {"Name": "g", "Classification": "x", "RowTag": "r"}},
        {"JsonClassifier": {"Name": "g", "JsonPath": "$..x"}},
        {"CsvClassifier": {**csv, "CustomDatatypeConfigured": True}},
        {"CsvClassifier": {**csv, "QuoteSymbol": "~"}},
        {"CsvClassifier": csv, "JsonClassifier": {"Name": "g", "JsonPath": "$"}},
    ):
        with refused("InvalidInputException"):
            glue.create_classifier(**wrong)
    with refused("EntityNotFound"):
        glue.create_crawler(
            Name="odd", Role=person.arn, DatabaseName="odd", Classifiers=["absent"],
            Targets={"S3Targets": [{"Path": "s3://odd-files/in"}]},
        )  # fmt: skip
    glue.create_classifier(CsvClassifier=csv)
    with refused("AlreadyExists"):
        glue.create_classifier(CsvClassifier=csv)
    glue.create_classifier(JsonClassifier={"Name": "items", "JsonPath": "$.wrong[*]"})
    glue.update_classifier(JsonClassifier={"Name": "items", "JsonPath": "$.data.items[*]"})
    kept = glue.get_classifier(Name="items")["Classifier"]["JsonClassifier"]
    assert (kept["JsonPath"], kept["Version"]) == ("$.data.items[*]", 2)
    assert len(glue.get_classifiers()["Classifiers"]) == 2
    glue.create_crawler(
        Name="odd", Role=person.arn, DatabaseName="odd", Classifiers=["tilde", "items"], Schedule="cron(0 1 1 1 ? *)",
        Targets={"S3Targets": [{"Path": "s3://odd-files/in"}]},
    )  # fmt: skip
    schedule = {"ScheduleExpression": "cron(0 1 1 1 ? *)", "State": "SCHEDULED"}
    assert glue.get_crawler(Name="odd")["Crawler"]["Schedule"] == schedule
    glue.stop_crawler_schedule(CrawlerName="odd")
    assert glue.get_crawler(Name="odd")["Crawler"]["Schedule"] == {**schedule, "State": "NOT_SCHEDULED"}
    with refused("SchedulerNotRunning"):
        glue.stop_crawler_schedule(CrawlerName="odd")
    assert crawled(glue, "odd")["Status"] == "SUCCEEDED"
    found = {one["Name"]: one for one in person.client("glue").get_tables(DatabaseName="odd")["TableList"]}
    shapes = {
        name: " ".join(f"{one['Name']}:{one['Type']}" for one in table["StorageDescriptor"]["Columns"])
        for name, table in found.items()
    }
    assert shapes == {
        "bare": "number:bigint text:string day:string",
        "nested": "k:bigint v:string w:boolean",
        "plain": "id:bigint name:string",
    }
    assert found["nested"]["Parameters"]["jsonPath"] == "$.data.items[*]"
    assert query(person, "SELECT number, text FROM odd.bare ORDER BY 1")[1:] == [["1", "a~b"], ["2", "c"]]
    glue.delete_classifier(Name="items")
    with refused("EntityNotFound"):
        glue.get_classifier(Name="items")
