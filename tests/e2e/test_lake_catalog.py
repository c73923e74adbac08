"""The governed catalog through unmodified boto3: partitions, versions, statistics, locations."""

from datetime import UTC, datetime
from typing import Any

from tests.e2e.lake_house import BUCKET, House, columns, query, refused, table_input


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
