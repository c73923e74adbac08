"""What a curious scientist tries on the governed lake, through unmodified boto3."""

import json
from typing import Any

from botocore.exceptions import ClientError

from tests.e2e.lake_house import BUCKET, House, Person, columns, query, refused, table_input


def flat(name: str, **more: Any) -> dict[str, Any]:
    """A table without partition keys."""
    return table_input(name, PartitionKeys=[], **more)


def with_columns(name: str, *names: str) -> dict[str, Any]:
    made = flat(name)
    made["StorageDescriptor"]["Columns"] = [{"Name": one, "Type": "string"} for one in names]
    return made


def table(name: str) -> dict[str, Any]:
    return {"Table": {"DatabaseName": "clinic", "Name": name}}


def test_a_table_made_anew_under_an_old_name_is_nobody_s(house: House) -> None:
    glue, lake, person = house.client("glue"), house.client("lakeformation"), house.person("ghost")
    glue.create_table(DatabaseName="clinic", TableInput=flat("reborn"))
    lake.create_lf_tag(TagKey="ghostly", TagValues=["yes"])
    named = {"TableCatalogId": house.account, "DatabaseName": "clinic", "TableName": "reborn", "Name": "eu"}
    lake.create_data_cells_filter(
        TableData={**named, "RowFilter": {"FilterExpression": "region = 'eu'"}, "ColumnNames": ["id"]}
    )
    lake.add_lf_tags_to_resource(Resource=table("reborn"), LFTags=[{"TagKey": "ghostly", "TagValues": ["yes"]}])
    held: tuple[dict[str, Any], ...] = (
        table("reborn"),
        {"TableWithColumns": {"DatabaseName": "clinic", "Name": "reborn", "ColumnNames": ["id"]}},
        {"DataCellsFilter": named},
        {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "ghostly", "TagValues": ["yes"]}]}},
    )
    for one in held:
        person.grant(one, "SELECT")
    mine = person.client("glue")
    assert mine.get_table(DatabaseName="clinic", Name="reborn")
    glue.delete_table(DatabaseName="clinic", Name="reborn")
    glue.create_table(DatabaseName="clinic", TableInput=flat("reborn"))
    with refused("AccessDenied"):
        mine.get_table(DatabaseName="clinic", Name="reborn")
    assert mine.get_databases()["DatabaseList"] == []
    assert lake.list_data_cells_filter(Table={"DatabaseName": "clinic", "Name": "reborn"})["DataCellsFilters"] == []
    assert lake.get_resource_lf_tags(Resource=table("reborn")).get("LFTagsOnTable", []) == []
    left = lake.list_permissions(Principal={"DataLakePrincipalIdentifier": person.arn})["PrincipalResourcePermissions"]
    assert [list(one["Resource"]) for one in left] == [["LFTagPolicy"]]


def test_an_exclude_list_hides_its_columns_and_shows_those_that_come(house: House) -> None:
    glue, person = house.client("glue"), house.person("excluded")
    glue.create_table(DatabaseName="clinic", TableInput=with_columns("grows", "id", "ssn"))
    excluded = {"DatabaseName": "clinic", "Name": "grows", "ColumnWildcard": {"ExcludedColumnNames": ["ssn"]}}
    person.grant({"TableWithColumns": excluded}, "SELECT")
    glue.update_table(DatabaseName="clinic", TableInput=with_columns("grows", "id", "ssn", "later"))
    mine = person.client("glue")
    assert columns(mine.get_table(DatabaseName="clinic", Name="grows")["Table"]) == ["id", "later"]
    house.client("s3").put_object(Bucket=BUCKET, Key="grows/x.csv", Body=b"id,ssn,later\n1,secret,new\n")
    assert query(person, "SELECT * FROM clinic.grows") == [["id", "later"], ["1", "new"]]
    assert failure(person, "SELECT ssn FROM clinic.grows") == failure(person, "SELECT xxx FROM clinic.grows").replace(
        "xxx", "ssn"
    )
    for given in (with_columns("grows", "id", "later", "ssn"), with_columns("grows", "ssn", "id", "later")):
        with refused("AccessDenied"):  # it may not move a hidden column under the name of a visible one
            mine.update_table(DatabaseName="clinic", TableInput=given)
    person.grant(table("grows"), "ALTER")
    with refused("AccessDenied"):
        mine.update_table(DatabaseName="clinic", TableInput=with_columns("grows", "ssn", "id", "later"))


def failure(person: Person, sql: str) -> str:
    try:
        query(person, sql)
    except AssertionError as error:
        return str(error.args[0]["StateChangeReason"])
    raise AssertionError("it did not fail")


def test_a_location_cannot_be_moved_under_a_grant(house: House) -> None:
    glue, person = house.client("glue"), house.person("mover")
    house.client("s3").create_bucket(Bucket="open-data")
    storage = {**flat("moved")["StorageDescriptor"], "Location": "s3://open-data/moved"}
    glue.create_table(DatabaseName="clinic", TableInput=flat("moved", StorageDescriptor=storage))
    person.grant(table("moved"), "ALL")
    mine = person.client("glue")
    places = ("visits", "staff/", "", "visits/../staff", "./visits")
    for place in [f"{scheme}://{BUCKET}/{place}" for scheme in ("s3", "s3a", "s3n") for place in places]:
        with refused("AccessDenied"):
            mine.update_table(
                DatabaseName="clinic", TableInput=flat("moved", StorageDescriptor={**storage, "Location": place})
            )
    # What storage does not read as a location is none, and no way in.
    for odd in (f"S3://{BUCKET}/visits", f" s3://{BUCKET}/visits", f"s3:/{BUCKET}/visits", f"file:///{BUCKET}/visits"):
        mine.update_table(
            DatabaseName="clinic", TableInput=flat("moved", StorageDescriptor={**storage, "Location": odd})
        )
        assert failure(person, "SELECT * FROM clinic.moved")
    person.grant({"DataLocation": {"ResourceArn": f"arn:aws:s3:::{BUCKET}/visits"}}, "DATA_LOCATION_ACCESS")
    given = flat("moved", StorageDescriptor={**storage, "Location": f"s3://{BUCKET}/visits"})
    mine.update_table(DatabaseName="clinic", TableInput=given)


def test_a_database_that_was_there_before_its_path_was_registered_opens_nothing(house: House) -> None:
    lake, person = house.client("lakeformation"), house.person("early")
    house.client("s3").create_bucket(Bucket="later-data")
    person.grant({"Catalog": {}}, "CREATE_DATABASE")
    mine = person.client("glue")
    mine.create_database(DatabaseInput={"Name": "early", "LocationUri": "s3://later-data/"})
    lake.register_resource(ResourceArn="arn:aws:s3:::later-data/secret", UseServiceLinkedRole=True)
    for place in ("s3://later-data/secret/x", "s3://later-data/secret", "s3://later-data"):
        storage = {**flat("t")["StorageDescriptor"], "Location": place}
        with refused("AccessDenied"):
            mine.create_table(DatabaseName="early", TableInput=flat("t", StorageDescriptor=storage))
    storage = {**flat("t")["StorageDescriptor"], "Location": "s3://later-data/mine"}
    mine.create_table(DatabaseName="early", TableInput=table_input("t", StorageDescriptor=storage))
    for place in ("s3://later-data/secret/x", "s3://later-data/secret"):
        with refused("AccessDenied"):
            mine.create_partition(
                DatabaseName="early", TableName="t",
                PartitionInput={"Values": ["a", "1"], "StorageDescriptor": {**storage, "Location": place}},
            )  # fmt: skip
    with refused("AccessDenied"):
        mine.update_database(Name="early", DatabaseInput={"Name": "early", "LocationUri": "s3://later-data/secret"})
    with refused("InvalidInput"):
        mine.update_database(Name="early", DatabaseInput={"Name": "clinic"})


def test_pages_and_searches_tell_of_nothing_hidden(house: House) -> None:
    glue, person = house.client("glue"), house.person("searcher")
    glue.create_database(DatabaseInput={"Name": "many"})
    for number in range(7):
        made = flat(f"p{number}", Description="findable" if number in {1, 5} else "findable secret")
        made["StorageDescriptor"]["Columns"].append({"Name": f"hidden{number}", "Type": "string"})
        glue.create_table(DatabaseName="many", TableInput=made)
    for number in (1, 5):
        named = {"DatabaseName": "many", "Name": f"p{number}", "ColumnNames": ["id"]}
        person.grant({"TableWithColumns": named}, "SELECT")
    mine = person.client("glue")

    def pages(operation: str, member: str, **more: Any) -> list[list[str]]:
        found = mine.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}, **more)
        return [[one["Name"] for one in page[member]] for page in found]

    assert pages("get_tables", "TableList", DatabaseName="many") == [["p1"], ["p5"]]
    assert pages("get_tables", "TableList", DatabaseName="many", Expression="p*") == [["p1"], ["p5"]]
    assert pages("get_databases", "DatabaseList") == [["many"]]
    for text, expected in (("findable", ["p1", "p5"]), ("secret", []), ("hidden1", []), ("id", ["p1", "p5"])):
        first = mine.search_tables(SearchText=text, MaxResults=1)
        names = [one["Name"] for one in first["TableList"]]
        while "NextToken" in first:
            first = mine.search_tables(SearchText=text, MaxResults=1, NextToken=first["NextToken"])
            names += [one["Name"] for one in first["TableList"]]
        assert names == expected
    token = glue.get_tables(DatabaseName="many", MaxResults=3)["NextToken"]
    assert [one["Name"] for one in mine.get_tables(DatabaseName="many", NextToken=token)["TableList"]] == ["p5"]
    absent = str(refusal(mine, "many", "absent")).replace("absent", "p0")
    assert str(refusal(mine, "many", "p0")) == absent


def refusal(glue: Any, database: str, name: str) -> ClientError:
    try:
        glue.get_table(DatabaseName=database, Name=name)
    except ClientError as error:
        return error
    raise AssertionError("it was answered")


def test_partition_expressions_ask_about_keys_only(house: House) -> None:
    glue, person = house.client("glue"), house.person("prober")
    glue.create_table(DatabaseName="clinic", TableInput=table_input("probed"))
    glue.create_partition(DatabaseName="clinic", TableName="probed", PartitionInput={"Values": ["a", "1"]})
    named = {"DatabaseName": "clinic", "Name": "probed", "ColumnNames": ["id"]}
    person.grant({"TableWithColumns": named}, "SELECT")
    mine = person.client("glue")
    told = set()
    for text in ("ssn = 'x'", "xxx = 'x'", "ssn IS NULL", "dt = ssn", "dt = 'a' AND ssn > '0'"):
        with refused("InvalidInput") as caught:
            mine.get_partitions(DatabaseName="clinic", TableName="probed", Expression=text)
        told.add(str(caught.value))
    assert len(told) == 1


def test_the_null_partition_reads_as_null(house: House) -> None:
    glue, s3, person = house.client("glue"), house.client("s3"), house.person("nuller")
    null = "__HIVE_DEFAULT_PARTITION__"
    glue.create_table(DatabaseName="clinic", TableInput=table_input("nulls"))
    for day, n, body in (("a", "1", "1,eu,x"), (null, "2", "2,us,y"), ("b", null, "3,eu,z"), (null, null, "4,us,w")):
        s3.put_object(Bucket=BUCKET, Key=f"nulls/dt={day}/n={n}/f.csv", Body=f"id,region,ssn\n{body}\n".encode())
        glue.create_partition(DatabaseName="clinic", TableName="nulls", PartitionInput={"Values": [day, n]})
    person.grant(table("nulls"), "SELECT")
    assert query(person, "SELECT id, dt, n FROM clinic.nulls ORDER BY id")[1:] == [
        ["1", "a", "1"], ["2", "", "2"], ["3", "b", ""], ["4", "", ""]
    ]  # fmt: skip
    for where, ids in (
        ("dt IS NULL", ["2", "4"]), ("n IS NULL", ["3", "4"]), ("dt IS NOT NULL", ["1", "3"]), ("n = 2", ["2"]),
        ("dt = 'a' OR n IS NULL", ["1", "3", "4"]), (f"dt = '{null}'", []), ("coalesce(dt, 'none') = 'none'", ["2", "4"]),
        ("n <> 1", ["2"]), ("dt IN ('a', 'b') AND n IS NULL", ["3"]),
    ):  # fmt: skip
        found = query(person, f"SELECT id FROM clinic.nulls WHERE {where} ORDER BY id")[1:]
        assert [one[0] for one in found] == ids, where
    assert query(person, "SELECT count(*), count(dt), count(n) FROM clinic.nulls")[1] == ["4", "2", "2"]
    found = glue.get_partitions(DatabaseName="clinic", TableName="nulls", Expression="dt IS NULL")["Partitions"]
    assert sorted(one["Values"] for one in found) == [[null, "2"], [null, null]]


def test_the_resource_policy_holds_for_what_athena_makes_too(house: House) -> None:
    glue, person = house.client("glue"), house.person("maker")
    person.grant({"Database": {"Name": "clinic"}}, "CREATE_TABLE")
    region = house.server.administrator["Region"]
    statement = {
        "Effect": "Deny", "Principal": {"AWS": person.arn}, "Action": "glue:CreateTable",
        "Resource": f"arn:aws:glue:{region}:{house.account}:table/clinic/forbidden*",
    }  # fmt: skip
    glue.put_resource_policy(PolicyInJson=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    place = "'s3://lake-results/made/'"
    for sql in (
        f"CREATE TABLE clinic.forbidden1 WITH (external_location = {place}) AS SELECT 1 AS a",
        f"CREATE EXTERNAL TABLE clinic.forbidden2 (a int) LOCATION {place}",
        "CREATE VIEW clinic.forbidden3 AS SELECT 1 AS a",
    ):
        assert "explicit deny in a resource-based policy" in failure(person, sql), sql
    glue.delete_resource_policy()
    assert not [one for one in glue.get_tables(DatabaseName="clinic")["TableList"] if "forbidden" in one["Name"]]
    query(person, f"CREATE TABLE clinic.forbidden1 WITH (external_location = {place}) AS SELECT 1 AS a")


def test_a_filter_whose_column_is_gone_shows_no_row(house: House) -> None:
    glue, lake, person = house.client("glue"), house.client("lakeformation"), house.person("drifted")
    glue.create_table(DatabaseName="clinic", TableInput=with_columns("drifts", "id", "region", "ssn"))
    house.client("s3").put_object(Bucket=BUCKET, Key="drifts/x.csv", Body=b"id,region,ssn\n1,eu,a\n2,us,b\n")
    named = {"TableCatalogId": house.account, "DatabaseName": "clinic", "TableName": "drifts", "Name": "eu"}
    lake.create_data_cells_filter(
        TableData={**named, "RowFilter": {"FilterExpression": "region = 'eu'"}, "ColumnNames": ["id"]}
    )
    person.grant({"DataCellsFilter": named}, "SELECT")
    assert query(person, "SELECT id FROM clinic.drifts")[1:] == [["1"]]
    for names in (("id", "area", "ssn"), ("id", "ssn")):
        glue.update_table(DatabaseName="clinic", TableInput=with_columns("drifts", *names))
        for sql in ("SELECT id FROM clinic.drifts", "SELECT count(*) FROM clinic.drifts"):
            # Refused, and not answered with every row.
            assert "region" not in failure(person, sql)
    retyped = with_columns("drifts", "id", "region", "ssn")
    retyped["StorageDescriptor"]["Columns"][1]["Type"] = "bigint"
    glue.update_table(DatabaseName="clinic", TableInput=retyped)
    try:
        rows = query(person, "SELECT id FROM clinic.drifts")[1:]
    except AssertionError as error:
        rows, reason = [], str(error.args[0]["StateChangeReason"])
        assert "us" not in reason.split()
    assert rows == []
