"""Credential vending and registered engines through unmodified boto3."""

import json
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lake_house import BUCKET, VISITS, House, columns, refused, table_input


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
        lambda: vended.get_object(Bucket=BUCKET, Key="visits"),
        lambda: vended.get_object_tagging(Bucket=BUCKET, Key="visits2/part.csv"),
        lambda: vended.list_objects(Bucket=BUCKET, Prefix=""),
        lambda: vended.list_objects_v2(Bucket=BUCKET, Prefix="visits"),
        lambda: vended.list_object_versions(Bucket=BUCKET),
        lambda: vended.list_multipart_uploads(Bucket=BUCKET),
        lambda: vended.create_multipart_upload(Bucket=BUCKET, Key="visits/new.csv"),
        lambda: vended.get_bucket_policy(Bucket=BUCKET),
    )
    for attempt in attempts:
        with refused("AccessDenied"):
            attempt()
    # Keys are names, not paths: what climbs in them leads nowhere.
    for key in ("visits/../visits2/part.csv", "visits/%2e%2e/visits2/part.csv", "visits//../../visits2/part.csv"):
        with refused("NoSuchKey"):
            vended.get_object(Bucket=BUCKET, Key=key)
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


def test_credentials_to_write_bring_nothing_in_from_elsewhere(house: House) -> None:
    lake, glue, s3 = house.client("lakeformation"), house.client("glue"), house.client("s3")
    person = house.person("writer")
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(DataLakeSettings={**settings, "AllowFullTableExternalDataAccess": True})
    glue.create_table(DatabaseName="clinic", TableInput=table_input("drop1"))
    s3.put_object(Bucket=BUCKET, Key="drop10/part.csv", Body=b"secret")
    person.grant({"Table": {"DatabaseName": "clinic", "Name": "drop1"}}, "SELECT", "INSERT")
    region = house.server.administrator["Region"]
    keys = person.client("lakeformation").get_temporary_glue_table_credentials(
        TableArn=f"arn:aws:glue:{region}:{house.account}:table/clinic/drop1", Permissions=["SELECT", "INSERT"]
    )
    vended = house.client("s3", keys)
    vended.put_object(Bucket=BUCKET, Key="drop1/own.csv", Body=b"own")
    vended.copy_object(Bucket=BUCKET, Key="drop1/copy.csv", CopySource=f"{BUCKET}/drop1/own.csv")
    upload = vended.create_multipart_upload(Bucket=BUCKET, Key="drop1/parts.csv")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "drop1/parts.csv", "UploadId": upload, "PartNumber": 1}
    sources = ("drop10/part.csv", "drop1/../drop10/part.csv", "drop1%2f..%2fdrop10/part.csv", "visits/part.csv")
    attempts: list[Callable[[], object]] = [
        lambda: vended.put_object(Bucket=BUCKET, Key="drop10/x", Body=b"x"),
        lambda: vended.put_object(Bucket=BUCKET, Key="drop1", Body=b"x"),
        lambda: vended.create_multipart_upload(Bucket=BUCKET, Key="drop10/x"),
        lambda: vended.delete_object(Bucket=BUCKET, Key="drop1/own.csv"),
        lambda: vended.delete_bucket(Bucket=BUCKET),
        lambda: vended.copy_object(Bucket=BUCKET, Key="drop10/y", CopySource=f"{BUCKET}/drop1/own.csv"),
    ]
    for source in sources:
        named = {"CopySource": {"Bucket": BUCKET, "Key": source}}
        attempts += [
            partial(vended.copy_object, Bucket=BUCKET, Key="drop1/taken.csv", **named),
            partial(vended.upload_part_copy, **part, **named),
        ]
    for attempt in attempts:
        with pytest.raises(ClientError, match=r"AccessDenied|NoSuchKey"):
            attempt()
    deleted = vended.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "drop1/own.csv"}]})
    assert [one["Code"] for one in deleted["Errors"]] == ["AccessDenied"]
    stored = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="drop1")["Contents"]]
    assert stored == ["drop1/copy.csv", "drop1/own.csv", "drop10/part.csv"]
    vended.abort_multipart_upload(Bucket=BUCKET, Key="drop1/parts.csv", UploadId=upload)


def test_one_partition_s_credentials_reach_that_partition(house: House) -> None:
    lake, glue, s3 = house.client("lakeformation"), house.client("glue"), house.client("s3")
    person = house.person("by-partition")
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(DataLakeSettings={**settings, "AllowFullTableExternalDataAccess": True})
    glue.create_table(DatabaseName="clinic", TableInput=table_input("parted"))
    for n in ("1", "10"):
        s3.put_object(Bucket=BUCKET, Key=f"parted/dt=a/n={n}/x.csv", Body=n.encode())
        glue.create_partition(DatabaseName="clinic", TableName="parted", PartitionInput={"Values": ["a", n]})
    person.grant({"Table": {"DatabaseName": "clinic", "Name": "parted"}}, "SELECT")
    mine, region = person.client("lakeformation"), house.server.administrator["Region"]
    asked = {"TableArn": f"arn:aws:glue:{region}:{house.account}:table/clinic/parted", "Permissions": ["SELECT"]}
    keys = mine.get_temporary_glue_partition_credentials(**asked, Partition={"Values": ["a", "1"]})
    vended = house.client("s3", keys)
    assert vended.get_object(Bucket=BUCKET, Key="parted/dt=a/n=1/x.csv")["Body"].read() == b"1"
    for key in ("parted/dt=a/n=10/x.csv", "parted/x.csv", "visits/part.csv"):
        with refused("AccessDenied"):
            vended.get_object(Bucket=BUCKET, Key=key)
    for values in (["a", "2"], ["a"], ["../visits", "1"]):
        with refused("EntityNotFound"):
            mine.get_temporary_glue_partition_credentials(**asked, Partition={"Values": values})
    with refused("AccessDenied"):
        house.person("nobody").client("lakeformation").get_temporary_glue_partition_credentials(
            **asked, Partition={"Values": ["a", "1"]}
        )


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
    glue = house.client("glue")
    glue.create_partition(DatabaseName="clinic", TableName="visits", PartitionInput={"Values": ["a", "1"]})
    named = {**{key: value for key, value in asked.items() if key != "Name"}, "TableName": "visits"}
    engine = person.client("glue", tags)
    one = engine.get_unfiltered_partition_metadata(**named, PartitionValues=["a", "1"])
    page = engine.get_unfiltered_partitions_metadata(**named, Expression="dt = 'a'")["UnfilteredPartitions"]
    for found in (one, *page):
        assert (found["Partition"]["Values"], found["AuthorizedColumns"]) == (["a", "1"], ["id", "region", "dt", "n"])
    assert len(page) == 1
    with refused("EntityNotFound"):
        engine.get_unfiltered_partition_metadata(**named, PartitionValues=["b", "1"])
    stranger = person.client("glue")
    with refused("AccessDenied"):
        stranger.get_unfiltered_partition_metadata(**named, PartitionValues=["a", "1"])
    with refused("AccessDenied"):
        stranger.get_unfiltered_partitions_metadata(**named)
    data = {"TableCatalogId": house.account, "DatabaseName": "clinic", "TableName": "visits", "Name": "eu-only"}
    lake.create_data_cells_filter(
        TableData={**data, "RowFilter": {"FilterExpression": "region = 'eu'"}, "ColumnNames": ["ssn"]}
    )
    person.grant({"DataCellsFilter": data}, "SELECT")
    with refused("PermissionTypeMismatch"):
        engine.get_unfiltered_table_metadata(**asked)
    cells = engine.get_unfiltered_table_metadata(**{**asked, "SupportedPermissionTypes": ["CELL_FILTER_PERMISSION"]})
    by_column = {one["ColumnName"]: one["RowFilterExpression"] for one in cells["CellFilters"]}
    assert (by_column["id"], by_column["ssn"]) == ("TRUE", "(\"region\" = 'eu')")
    lake.put_data_lake_settings(DataLakeSettings={**settings, "AllowExternalDataFiltering": False})
    with refused("AccessDenied"):  # in force on the next call
        engine.get_unfiltered_table_metadata(**asked)
