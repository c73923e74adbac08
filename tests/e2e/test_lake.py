"""The governed lake through unmodified boto3: grants, tags, filters, partitions, versions, search, vending."""

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import fastavro
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyarrow import orc
from pyarrow import parquet as pq

from lakewarden.demo.server import RunningServer, initialise, serving

BUCKET = "lake-data"
LAKE_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["glue:*", "lakeformation:*", "athena:*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::lake-results", "arn:aws:s3:::lake-results/*"],
        },
    ],
}


@dataclass(frozen=True)
class House:
    """A server, and people in it."""

    server: RunningServer

    @property
    def account(self) -> str:
        return self.server.administrator["AccountId"]

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        keys = keys or self.server.administrator
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=self.server.administrator["Region"],
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
        )

    def person(self, name: str) -> "Person":
        iam = self.client("iam")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="lake", PolicyDocument=json.dumps(LAKE_POLICY))
        return Person(self, arn)


@dataclass(frozen=True)
class Person:
    """A role that may call every operation: what it sees is up to Lake Formation."""

    house: House
    arn: str

    def client(self, service: str, tags: Sequence[Mapping[str, str]] = ()) -> Any:
        sts = self.house.client("sts")
        keys = sts.assume_role(RoleArn=self.arn, RoleSessionName="me", Tags=list(tags))["Credentials"]
        return self.house.client(service, keys)

    def grant(self, resource: Mapping[str, Any], *permissions: str, option: Sequence[str] = ()) -> None:
        self.house.client("lakeformation").grant_permissions(
            Principal={"DataLakePrincipalIdentifier": self.arn},
            Resource=resource,
            Permissions=list(permissions),
            PermissionsWithGrantOption=list(option),
        )

    def revoke(self, resource: Mapping[str, Any], *permissions: str) -> None:
        self.house.client("lakeformation").revoke_permissions(
            Principal={"DataLakePrincipalIdentifier": self.arn}, Resource=resource, Permissions=list(permissions)
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("house") / "data"
    administrator = initialise(data)
    with serving(data, administrator) as server:
        made = House(server)
        s3, glue = made.client("s3"), made.client("glue")
        for bucket in (BUCKET, "lake-results"):
            s3.create_bucket(Bucket=bucket)
        made.client("lakeformation").register_resource(ResourceArn=f"arn:aws:s3:::{BUCKET}", UseServiceLinkedRole=True)
        glue.create_database(DatabaseInput={"Name": "clinic"})
        for table in ("visits", "staff"):
            glue.create_table(DatabaseName="clinic", TableInput=table_input(table))
        yield made


def table_input(name: str, **more: Any) -> dict[str, Any]:
    columns = [("id", "bigint"), ("region", "string"), ("ssn", "string")]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"skip.header.line.count": "1"},
        "PartitionKeys": [{"Name": "dt", "Type": "string"}, {"Name": "n", "Type": "int"}],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
            "Location": f"s3://{BUCKET}/{name}",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                "Parameters": {"separatorChar": ","},
            },
        },
        **more,
    }


def columns(table: Mapping[str, Any]) -> list[str]:
    return [one["Name"] for one in table["StorageDescriptor"]["Columns"]]


VISITS = {"DatabaseName": "clinic", "Name": "visits"}


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_tags_open_and_close_tables_and_columns(house: House) -> None:
    lake, person = house.client("lakeformation"), house.person("tagged")
    lake.create_lf_tag(TagKey="Level", TagValues=["low", "high"])
    assert lake.get_lf_tag(TagKey="level")["TagValues"] == ["high", "low"]
    person.grant(
        {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "level", "TagValues": ["low"]}]}}, "SELECT"
    )
    glue = person.client("glue")
    assert glue.get_databases()["DatabaseList"] == []
    done = lake.add_lf_tags_to_resource(Resource={"Table": VISITS}, LFTags=[{"TagKey": "level", "TagValues": ["low"]}])
    assert done["Failures"] == []
    lake.add_lf_tags_to_resource(
        Resource={"TableWithColumns": {**VISITS, "ColumnNames": ["ssn"]}},
        LFTags=[{"TagKey": "level", "TagValues": ["high"]}],
    )
    assert [one["Name"] for one in glue.get_tables(DatabaseName="clinic")["TableList"]] == ["visits"]
    assert columns(glue.get_table(**VISITS)["Table"]) == ["id", "region"]
    found = glue.search_tables(SearchText="ssn")["TableList"]
    assert found == []
    told = person.client("lakeformation").get_resource_lf_tags(Resource={"Table": VISITS})
    assert told.get("LFTagsOnTable", []) == []  # it may not describe the tag itself
    assert lake.search_tables_by_lf_tags(Expression=[{"TagKey": "level", "TagValues": ["high"]}])["TableList"]
    with refused("InvalidInputException"):
        lake.update_lf_tag(TagKey="level", TagValuesToDelete=["high"])
    with refused("AccessDenied"):
        person.client("lakeformation").add_lf_tags_to_resource(
            Resource={"Table": VISITS}, LFTags=[{"TagKey": "level", "TagValues": ["low"]}]
        )
    listed = lake.list_permissions(ResourceType="LF_TAG_POLICY", Principal={"DataLakePrincipalIdentifier": person.arn})
    assert listed["PrincipalResourcePermissions"][0]["Resource"]["LFTagPolicy"]["Expression"] == [
        {"TagKey": "level", "TagValues": ["low"]}
    ]
    lake.delete_lf_tag(TagKey="level")
    with refused("AccessDenied"):
        glue.get_table(**VISITS)
    lake.create_lf_tag(TagKey="level", TagValues=["low"])
    lake.add_lf_tags_to_resource(Resource={"Table": VISITS}, LFTags=[{"TagKey": "level", "TagValues": ["low"]}])
    with refused("AccessDenied"):  # a tag made anew revives no policy
        glue.get_table(**VISITS)


def test_filters_are_checked_kept_and_given_back(house: House) -> None:
    lake, person = house.client("lakeformation"), house.person("filtered")
    data = {
        "TableCatalogId": house.account,
        "DatabaseName": "clinic",
        "TableName": "visits",
        "Name": "eu",
        "RowFilter": {"FilterExpression": "region = 'eu'"},
        "ColumnWildcard": {"ExcludedColumnNames": ["ssn"]},
    }
    for bad in ("region = (SELECT 1)", "upper(region) = 'EU'", "other = 1", "1 = 1"):
        with refused("InvalidInputException"):
            lake.create_data_cells_filter(TableData={**data, "RowFilter": {"FilterExpression": bad}})
    with refused("AccessDenied"):
        person.client("lakeformation").create_data_cells_filter(TableData=data)
    lake.create_data_cells_filter(TableData=data)
    with refused("AlreadyExists"):
        lake.create_data_cells_filter(TableData=data)
    resource = {
        "DataCellsFilter": {
            "TableCatalogId": house.account, "DatabaseName": "clinic", "TableName": "visits", "Name": "eu"
        }
    }  # fmt: skip
    person.grant(resource, "SELECT")
    glue = person.client("glue")
    assert columns(glue.get_table(**VISITS)["Table"]) == ["id", "region"]
    with refused("AccessDenied"):  # that a partition is there is a fact about rows
        glue.get_partitions(DatabaseName="clinic", TableName="visits")
    listed = lake.list_permissions(Principal={"DataLakePrincipalIdentifier": person.arn})
    assert [one["Resource"] for one in listed["PrincipalResourcePermissions"]] == [resource]
    found = lake.get_data_cells_filter(**resource["DataCellsFilter"])["DataCellsFilter"]
    assert {name: found[name] for name in data} == data
    assert [one["Name"] for one in lake.list_data_cells_filter(Table=VISITS)["DataCellsFilters"]] == ["eu"]
    lake.delete_data_cells_filter(**resource["DataCellsFilter"])
    with refused("AccessDenied"):
        glue.get_table(**VISITS)


def test_partitions_with_expressions_and_segments(house: House) -> None:
    glue, person = house.client("glue"), house.person("partitioned")
    named = {"DatabaseName": "clinic", "TableName": "staff"}
    inputs = [{"Values": [day, str(n)]} for day in ("2024-01-01", "2024-01-02") for n in range(5, 15)]
    assert glue.batch_create_partition(**named, PartitionInputList=inputs)["Errors"] == []
    again = glue.batch_create_partition(**named, PartitionInputList=inputs[:1])["Errors"]
    assert again[0]["ErrorDetail"]["ErrorCode"] == "AlreadyExistsException"
    with refused("InvalidInputException"):
        glue.create_partition(**named, PartitionInput={"Values": ["2024-01-01", "x"]})

    def found(expression: str) -> list[list[str]]:
        pages = glue.get_paginator("get_partitions").paginate(
            **named, Expression=expression, PaginationConfig={"PageSize": 3}
        )
        return [one["Values"] for page in pages for one in page["Partitions"]]

    assert len(found("")) == 20
    assert found("dt = '2024-01-02' AND n = 7") == [["2024-01-02", "7"]]
    assert len(found("n >= 10")) == 10
    assert sorted(int(one[1]) for one in found("dt > '2024-01-01' AND n BETWEEN 9 AND 11")) == [9, 10, 11]
    assert len(found("n IN (5, 6) OR dt LIKE '%-02'")) == 12
    for bad in ("n = (SELECT 1)", "1=1", "other = 1", "dt = upper('x')", "n = 'x'", "dt = '"):
        with refused("InvalidInputException"):
            found(bad)
    parts = [
        len(glue.get_partitions(**named, Segment={"SegmentNumber": n, "TotalSegments": 3})["Partitions"])
        for n in range(3)
    ]
    assert sum(parts) == 20
    person.grant({"TableWithColumns": {"DatabaseName": "clinic", "Name": "staff", "ColumnNames": ["id"]}}, "SELECT")
    mine = person.client("glue")
    assert len(mine.get_partitions(**named)["Partitions"]) == 20
    with refused("AccessDenied"):
        mine.create_partition(**named, PartitionInput={"Values": ["2024-01-03", "1"]})
    with refused("AccessDenied"):
        mine.delete_partition(**named, PartitionValues=["2024-01-01", "5"])
    gone = glue.batch_delete_partition(**named, PartitionsToDelete=[{"Values": one["Values"]} for one in inputs[:3]])
    assert gone["Errors"] == []
    batch = glue.batch_get_partition(**named, PartitionsToGet=[{"Values": one["Values"]} for one in inputs[:4]])
    assert [one["Values"] for one in batch["Partitions"]] == [["2024-01-01", "8"]]


def test_a_query_reads_the_partitions_that_there_are(house: House) -> None:
    glue, s3, person = house.client("glue"), house.client("s3"), house.person("reader")
    glue.create_table(DatabaseName="clinic", TableInput=table_input("scores"))
    for n, body in ((1, "id,region,ssn\n1,eu,x\n2,us,y\n"), (2, "id,region,ssn\n3,eu,z\n")):
        s3.put_object(Bucket=BUCKET, Key=f"scores/dt=a/n={n}/part.csv", Body=body.encode())
    s3.put_object(Bucket=BUCKET, Key="elsewhere/part.csv", Body=b"id,region,ssn\n9,eu,w\n")
    named = {"DatabaseName": "clinic", "TableName": "scores"}
    for values, location in ((["a", "1"], ""), (["b", "7"], f"s3://{BUCKET}/elsewhere")):
        storage = {**table_input("scores")["StorageDescriptor"], "Location": location}
        glue.create_partition(**named, PartitionInput={"Values": values, "StorageDescriptor": storage})
    person.grant({"TableWithColumns": {"DatabaseName": "clinic", "Name": "scores", "ColumnNames": ["id"]}}, "SELECT")
    assert query(person, "SELECT id, dt, n FROM clinic.scores ORDER BY id") == [
        ["id", "dt", "n"], ["1", "a", "1"], ["2", "a", "1"], ["9", "b", "7"]
    ]  # fmt: skip


def query(person: Person, sql: str) -> list[list[str]]:
    athena = person.client("athena")
    started = athena.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": "s3://lake-results/x/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED"}:
            break
    assert status["State"] == "SUCCEEDED", status
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]


def test_earlier_versions_and_statistics_tell_no_more_than_the_present(house: House) -> None:
    glue, person = house.client("glue"), house.person("historian")
    glue.create_table(DatabaseName="clinic", TableInput=table_input("past"))
    renamed = table_input("past", Description="renamed")
    renamed["StorageDescriptor"]["Columns"][2]["Name"] = "social"
    glue.update_table(DatabaseName="clinic", TableInput=renamed)
    named = {"DatabaseName": "clinic", "TableName": "past"}
    person.grant(
        {
            "TableWithColumns": {
                "DatabaseName": "clinic", "Name": "past", "ColumnWildcard": {"ExcludedColumnNames": ["social"]}
            }
        },
        "SELECT",
    )  # fmt: skip
    mine = person.client("glue")
    assert [columns(one["Table"]) for one in glue.get_table_versions(**named)["TableVersions"]] == [
        ["id", "region", "social"], ["id", "region", "ssn"]
    ]  # fmt: skip
    assert [columns(one["Table"]) for one in mine.get_table_versions(**named)["TableVersions"]] == [
        ["id", "region"], ["id", "region"]
    ]  # fmt: skip
    with refused("AccessDenied"):
        mine.delete_table_version(**named, VersionId="0")

    def statistic(name: str) -> dict[str, Any]:
        data = {
            "StringColumnStatisticsData": {
                "MaximumLength": 9,
                "AverageLength": 1.5,
                "NumberOfNulls": 0,
                "NumberOfDistinctValues": 3,
            }
        }
        return {
            "ColumnName": name, "ColumnType": "string", "AnalyzedTime": datetime(2024, 1, 1, tzinfo=UTC),
            "StatisticsData": {"Type": "STRING", **data},
        }  # fmt: skip

    stats = [statistic("region"), statistic("social")]
    assert glue.update_column_statistics_for_table(**named, ColumnStatisticsList=stats)["Errors"] == []
    told = mine.get_column_statistics_for_table(**named, ColumnNames=["region", "social", "nothing"])
    assert [one["ColumnName"] for one in told["ColumnStatisticsList"]] == ["region"]
    errors = {one["ColumnName"]: one["Error"]["ErrorMessage"] for one in told["Errors"]}
    assert errors["social"].replace("social", "nothing") == errors["nothing"]
    glue.delete_table_version(**named, VersionId="0")
    assert len(glue.get_table_versions(**named)["TableVersions"]) == 1


def test_a_location_cannot_be_smuggled_in(house: House) -> None:
    person = house.person("smuggler")
    person.grant({"Database": {"Name": "clinic"}}, "CREATE_TABLE")
    mine = person.client("glue")
    storage = {**table_input("mine")["StorageDescriptor"], "Location": "s3://outside/mine"}
    with refused("AccessDenied"):
        mine.create_table(DatabaseName="clinic", TableInput=table_input("mine"))
    for parameters in (
        {"projection.enabled": "true", "storage.location.template": f"s3://{BUCKET}/visits/${{dt}}/"},
        {"metadata_location": f"s3://{BUCKET}/visits/metadata.json"},
    ):
        given = table_input("mine", StorageDescriptor=storage, Parameters=parameters)
        with refused("AccessDenied"):
            mine.create_table(DatabaseName="clinic", TableInput=given)
    no_bucket = table_input("mine", StorageDescriptor=storage, Parameters={"storage.location.template": "s3://l${dt}/"})
    with refused("InvalidInput"):
        mine.create_table(DatabaseName="clinic", TableInput=no_bucket)
    mine.create_table(DatabaseName="clinic", TableInput=table_input("mine", StorageDescriptor=storage))
    mine.create_partition(DatabaseName="clinic", TableName="mine", PartitionInput={"Values": ["a", "1"]})
    bad = {"Values": ["b", "1"], "StorageDescriptor": {**storage, "Location": f"s3://{BUCKET}/visits"}}
    with refused("AccessDenied"):
        mine.create_partition(DatabaseName="clinic", TableName="mine", PartitionInput=bad)
    with refused("AccessDenied"):
        mine.update_table(DatabaseName="clinic", TableInput=given)


def test_the_resource_policy_and_tags_take_part_in_iam(house: House) -> None:
    glue, person = house.client("glue"), house.person("policed")
    person.grant({"Table": VISITS}, "SELECT")
    mine = person.client("glue")
    region = house.server.administrator["Region"]
    arn = f"arn:aws:glue:{region}:{house.account}:table/clinic/visits"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny", "Principal": {"AWS": person.arn}, "Action": "glue:GetTable", "Resource": arn,
                "Condition": {"StringEquals": {"aws:ResourceTag/secret": "yes"}},
            }
        ],
    }  # fmt: skip
    digest = glue.put_resource_policy(PolicyInJson=json.dumps(document))["PolicyHash"]
    assert json.loads(glue.get_resource_policy()["PolicyInJson"]) == document
    assert columns(mine.get_table(**VISITS)["Table"]) == ["id", "region", "ssn"]
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"secret": "yes"})
    with refused("explicit deny in a resource-based policy"):
        mine.get_table(**VISITS)
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["secret"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {}
    mine.get_table(**VISITS)
    with refused("ConditionCheckFailure"):
        glue.delete_resource_policy(PolicyHashCondition="0" * 64)
    glue.delete_resource_policy(PolicyHashCondition=digest)
    with refused("EntityNotFound"):
        glue.get_resource_policy()


def test_vended_credentials_reach_one_prefix_and_only_for_whole_tables(house: House) -> None:
    lake, s3, person = house.client("lakeformation"), house.client("s3"), house.person("engine")
    s3.put_object(Bucket=BUCKET, Key="visits/part.csv", Body=b"1,eu,x\n")
    s3.put_object(Bucket=BUCKET, Key="visits2/part.csv", Body=b"secret")
    region = house.server.administrator["Region"]
    arn = f"arn:aws:glue:{region}:{house.account}:table/clinic/visits"
    person.grant({"TableWithColumns": {**VISITS, "ColumnNames": ["id", "region"]}}, "SELECT")
    mine = person.client("lakeformation")
    with refused("AccessDenied"):
        mine.get_temporary_glue_table_credentials(TableArn=arn, Permissions=["SELECT"])
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(DataLakeSettings={**settings, "AllowFullTableExternalDataAccess": True})
    with refused("AccessDenied"):  # some columns only
        mine.get_temporary_glue_table_credentials(TableArn=arn, Permissions=["SELECT"])
    person.grant({"Table": VISITS}, "SELECT")
    with refused("InvalidInputException"):
        mine.get_temporary_glue_table_credentials(TableArn=arn, DurationSeconds=30_000)
    with refused("AccessDenied"):
        mine.get_temporary_glue_table_credentials(TableArn=arn, Permissions=["SELECT", "INSERT"])
    keys = mine.get_temporary_glue_table_credentials(TableArn=arn, Permissions=["SELECT"], DurationSeconds=900)
    vended = house.client("s3", keys)
    assert vended.get_object(Bucket=BUCKET, Key="visits/part.csv")["Body"].read() == b"1,eu,x\n"
    assert vended.list_objects_v2(Bucket=BUCKET, Prefix="visits/")["KeyCount"] == 1
    attempts: Sequence[Callable[[], object]] = (
        lambda: vended.get_object(Bucket=BUCKET, Key="visits2/part.csv"),
        lambda: vended.delete_object(Bucket=BUCKET, Key="visits/part.csv"),
        lambda: vended.list_objects_v2(Bucket=BUCKET),
        lambda: vended.list_objects_v2(Bucket=BUCKET, Prefix="visits2/"),
        lambda: vended.list_buckets(),
        lambda: house.client("glue", keys).get_tables(DatabaseName="clinic"),
        lambda: house.client("sts", keys).assume_role(RoleArn=person.arn, RoleSessionName="again"),
        lambda: vended.put_object(Bucket=BUCKET, Key="visits/new.csv", Body=b"x"),
    )
    for attempt in attempts:
        with refused("AccessDenied"):
            attempt()
    trail = house.client("cloudtrail")
    events = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetDataAccess"}])
    records = [json.loads(one["CloudTrailEvent"]) for one in events["Events"]]
    session = next(
        one["additionalEventData"]["lakeFormationRoleSessionName"]
        for one in records
        if one["additionalEventData"]["requesterService"] == "EXTERNAL_ENGINE"
    )
    assert session.startswith(f"AWSLF-00-GL-{house.account}-")
    assert house.client("sts", keys).get_caller_identity()["Arn"].endswith(session)
    person.revoke({"Table": VISITS}, "SELECT")
    with refused("AccessDenied"):
        mine.get_temporary_glue_table_credentials(TableArn=arn)


def test_the_location_s_role_follows_what_is_registered(house: House) -> None:
    """The vending before this one made the service's own role; it is nobody else's to take."""
    role = house.client("iam").get_role(RoleName="AWSServiceRoleForLakeFormationDataAccess")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lakeformation.amazonaws.com"}
    with refused("AccessDenied"):
        house.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="thief")


def test_a_registered_engine_gets_the_whole_truth_and_what_it_must_hide(house: House) -> None:
    lake, person = house.client("lakeformation"), house.person("registered")
    person.grant({"TableWithColumns": {**VISITS, "ColumnNames": ["id", "region"]}}, "SELECT")
    asked = {
        "CatalogId": house.account, "DatabaseName": "clinic", "Name": "visits",
        "SupportedPermissionTypes": ["COLUMN_PERMISSION"],
    }  # fmt: skip
    tags = [{"Key": "LakeFormationAuthorizedCaller", "Value": "engine-1"}]
    with refused("AccessDenied"):
        person.client("glue", tags).get_unfiltered_table_metadata(**asked)
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(
        DataLakeSettings={
            **settings,
            "AllowExternalDataFiltering": True,
            "ExternalDataFilteringAllowList": [{"DataLakePrincipalIdentifier": house.account}],
            "AuthorizedSessionTagValueList": ["engine-1"],
        }
    )
    for wrong in ((), [{"Key": "LakeFormationAuthorizedCaller", "Value": "engine-2"}]):
        with refused("AccessDenied"):
            person.client("glue", wrong).get_unfiltered_table_metadata(**asked)
    found = person.client("glue", tags).get_unfiltered_table_metadata(**asked)
    assert columns(found["Table"]) == ["id", "region", "ssn"]
    assert found["AuthorizedColumns"] == ["id", "region", "dt", "n"]
    with refused("PermissionTypeMismatch"):
        person.client("glue", tags).get_unfiltered_table_metadata(
            **{**asked, "SupportedPermissionTypes": ["NESTED_PERMISSION"]}
        )
    with refused("AccessDenied"):
        person.client("glue", tags).get_unfiltered_table_metadata(**{**asked, "Name": "staff"})


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
