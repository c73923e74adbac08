"""The governed lake through unmodified boto3: grants, LF-tags and data cells filters."""

import json

from tests.e2e.lake_house import BUCKET, VISITS, House, Person, columns, query, refused, table_input


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


def test_a_query_answers_the_cells_that_are_granted(house: House) -> None:
    lake, person = house.client("lakeformation"), house.person("celled")
    glue = house.client("glue")
    glue.create_table(DatabaseName="clinic", TableInput=table_input("cells", PartitionKeys=[]))
    body = b"id,region,ssn\n1,eu,x\n2,us,y\n3,asia,z\n"
    house.client("s3").put_object(Bucket=BUCKET, Key="cells/part.csv", Body=body)
    for name, expression, names in (("eu", "region = 'eu'", ["id", "region"]), ("two", "id >= 2", ["id"])):
        data = {"TableCatalogId": house.account, "DatabaseName": "clinic", "TableName": "cells", "Name": name}
        lake.create_data_cells_filter(
            TableData={**data, "RowFilter": {"FilterExpression": expression}, "ColumnNames": names}
        )
        person.grant({"DataCellsFilter": data}, "SELECT")
    assert query(person, "SELECT id FROM clinic.cells ORDER BY id")[1:] == [["1"], ["2"], ["3"]]
    assert query(person, "SELECT * FROM clinic.cells") == [["id", "region"], ["1", "eu"]]
    assert query(person, "SELECT count(*) FROM clinic.cells WHERE region <> 'eu'")[1:] == [["0"]]


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


def test_hybrid_access_mode_goes_principal_by_principal(house: House) -> None:
    glue, lake, s3, iam = (house.client(name) for name in ("glue", "lakeformation", "s3", "iam"))
    person, other = house.person("hybrid-one"), house.person("hybrid-two")
    glue.create_table(DatabaseName="clinic", TableInput=table_input("mixed", PartitionKeys=[]))
    s3.put_object(Bucket=BUCKET, Key="mixed/x.csv", Body=b"id,region,ssn\n1,eu,x\n")
    table = {"Table": {"DatabaseName": "clinic", "Name": "mixed"}}
    everybody = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
    lake.grant_permissions(Principal=everybody, Resource=table, Permissions=["ALL"])
    mine = person.client("glue")
    assert columns(mine.get_table(DatabaseName="clinic", Name="mixed")["Table"]) == ["id", "region", "ssn"]
    assert state(person, "SELECT * FROM clinic.mixed") == "FAILED"  # IAM on S3 decides, and does not allow it
    reading = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": f"arn:aws:s3:::{BUCKET}*"}
    for name in ("hybrid-one", "hybrid-two"):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
        iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=policy)
    assert query(person, "SELECT * FROM clinic.mixed")[1:] == [["1", "eu", "x"]]
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(DataLakeSettings={**settings, "AllowFullTableExternalDataAccess": True})
    region = house.server.administrator["Region"]
    with refused("AccessDenied"):  # where IAM decides, no credentials are vended
        person.client("lakeformation").get_temporary_glue_table_credentials(
            TableArn=f"arn:aws:glue:{region}:{house.account}:table/clinic/mixed", Permissions=["SELECT"]
        )
    asked = {"Principal": {"DataLakePrincipalIdentifier": person.arn}, "Resource": table}
    with refused("AccessDenied"):
        person.client("lakeformation").create_lake_formation_opt_in(**asked)
    named = {"DatabaseName": "clinic", "Name": "mixed", "ColumnNames": ["id"]}
    person.grant({"TableWithColumns": named}, "SELECT")
    lake.create_lake_formation_opt_in(**asked)
    assert query(person, "SELECT * FROM clinic.mixed") == [["id"], ["1"]]
    assert columns(mine.get_table(DatabaseName="clinic", Name="mixed")["Table"]) == ["id"]
    assert query(other, "SELECT * FROM clinic.mixed")[1:] == [["1", "eu", "x"]]
    told = person.client("lakeformation").list_lake_formation_opt_ins()["LakeFormationOptInsInfoList"]
    assert [one["Resource"]["Table"]["Name"] for one in told] == ["mixed"]
    lake.delete_lake_formation_opt_in(**asked)
    assert query(person, "SELECT * FROM clinic.mixed")[1:] == [["1", "eu", "x"]]
    lake.revoke_permissions(Principal=everybody, Resource=table, Permissions=["ALL"])
    assert query(person, "SELECT * FROM clinic.mixed") == [["id"], ["1"]]
    assert state(other, "SELECT * FROM clinic.mixed") == "FAILED"


def state(person: Person, sql: str) -> str:
    try:
        query(person, sql)
    except AssertionError as error:
        return str(error.args[0]["State"])
    return "SUCCEEDED"


def test_every_table_means_those_to_come_and_no_other_database_s(house: House) -> None:
    glue, person = house.client("glue"), house.person("wild")
    for name in ("wild1", "wild10"):
        glue.create_database(DatabaseInput={"Name": name})
        glue.create_table(DatabaseName=name, TableInput=table_input("before", PartitionKeys=[]))
    person.grant({"Table": {"DatabaseName": "wild1", "TableWildcard": {}}}, "SELECT", option=["SELECT"])
    glue.create_table(DatabaseName="wild1", TableInput=table_input("after", PartitionKeys=[]))
    mine, others = person.client("glue"), house.person("wild-friend")
    assert [one["Name"] for one in mine.get_databases()["DatabaseList"]] == ["wild1"]
    assert [one["Name"] for one in mine.get_tables(DatabaseName="wild1")["TableList"]] == ["after", "before"]
    with refused("AccessDenied"):
        mine.get_tables(DatabaseName="wild10")
    lake = person.client("lakeformation")
    friend = {"DataLakePrincipalIdentifier": others.arn}
    named = {"DatabaseName": "wild1", "Name": "after", "ColumnNames": ["id"]}
    lake.grant_permissions(Principal=friend, Resource={"TableWithColumns": named}, Permissions=["SELECT"])
    for resource, permission in (
        ({"Table": {"DatabaseName": "wild1", "TableWildcard": {}}}, "ALL"),
        ({"Table": {"DatabaseName": "wild1", "Name": "after"}}, "INSERT"),
        ({"Table": {"DatabaseName": "wild10", "Name": "before"}}, "SELECT"),
        ({"Database": {"Name": "wild1"}}, "CREATE_TABLE"),
    ):
        with refused("AccessDenied"):
            lake.grant_permissions(Principal=friend, Resource=resource, Permissions=[permission])
    person.revoke({"Table": {"DatabaseName": "wild1", "TableWildcard": {}}}, "SELECT")
    assert mine.get_databases()["DatabaseList"] == []
    assert columns(others.client("glue").get_table(DatabaseName="wild1", Name="after")["Table"]) == ["id"]
