"""Event selectors: which records a trail delivers, and which selectors are refused."""

from typing import Any

import pytest

from lakewarden.audit.selectors import InvalidSelector, check_advanced, check_basic, selects
from tests.unit.audit.test_records import cases

RECORDS = {case: record for case, record in cases().items() if not case.startswith(("who: ", "what STS"))}
IAM = {"management", "management, read only"}
MANAGEMENT = IAM | {"GetDataAccess", "StartQueryExecution", "denied", "stranger", "service event"}
OBJECT = "AWS::S3::Object"


def data(*values: str) -> dict[str, Any]:
    return {"IncludeManagementEvents": False, "DataResources": [{"Type": OBJECT, "Values": list(values)}]}


def field(name: str, **tests: Any) -> dict[str, Any]:
    return {"Field": name, **tests}


def advanced(*fields: dict[str, Any], category: str = "Management") -> dict[str, Any]:
    return {"FieldSelectors": [field("eventCategory", Equals=[category]), *fields]}


def chosen(basic: list[Any] | None = None, wanted: list[Any] | None = None, *, everywhere: bool = True) -> set[str]:
    return {
        case for case, record in RECORDS.items() if selects(basic or [], wanted or [], record, global_events=everywhere)
    }


OBJECTS = field("resources.type", Equals=[OBJECT])
READS = {"management, read only", "GetDataAccess", "denied", "stranger", "service event"}


@pytest.mark.parametrize(
    ("basic", "names"),
    [
        ([], MANAGEMENT),
        ([{"ReadWriteType": "WriteOnly"}], {"management", "StartQueryExecution"}),
        ([{"ReadWriteType": "ReadOnly"}], READS),
        (
            [{"ExcludeManagementEventSources": ["iam.amazonaws.com"]}],
            MANAGEMENT - {"management", "management, read only"},
        ),
        ([data("arn:aws:s3")], {"S3 data event"}),
        ([data("arn:aws:s3:::")], {"S3 data event"}),
        ([data("arn:aws:s3:::lake/")], {"S3 data event"}),
        ([data("arn:aws:s3:::lake/a/")], {"S3 data event"}),
        ([data("arn:aws:s3:::lake/b")], set()),
        ([data("arn:aws:s3:::other/")], set()),
        ([data("arn:aws:s3:::lak/")], set()),
        ([{**data("arn:aws:s3"), "ReadWriteType": "WriteOnly"}], set()),
    ],
)
def test_basic_selectors(basic: list[Any], names: set[str]) -> None:
    assert chosen(basic) == names


@pytest.mark.parametrize(
    ("fields", "category", "names"),
    [
        ([], "Management", MANAGEMENT),
        ([field("readOnly", Equals=["false"])], "Management", {"management", "StartQueryExecution"}),
        ([field("eventSource", NotEquals=["iam.amazonaws.com"])], "Management", MANAGEMENT - IAM),
        (
            [field("eventName", StartsWith=["Get"], NotEquals=["GetTable"])], "Management",
            {"management, read only", "GetDataAccess", "stranger"},
        ),
        ([field("eventType", Equals=["AwsServiceEvent"])], "Management", {"service event"}),
        ([field("userIdentity.arn", EndsWith=["user/ana"])], "Management", IAM),
        ([OBJECTS], "Data", {"S3 data event"}),
        ([OBJECTS, field("resources.ARN", StartsWith=["arn:aws:s3:::lake/a/"])], "Data", {"S3 data event"}),
        ([OBJECTS, field("resources.ARN", NotStartsWith=["arn:aws:s3:::lake/"])], "Data", set()),
        ([OBJECTS, field("readOnly", Equals=["false"])], "Data", set()),
    ],
)  # fmt: skip
def test_advanced_selectors(fields: list[Any], category: str, names: set[str]) -> None:
    selector = advanced(*fields, category=category)
    check_advanced([selector])
    assert chosen(wanted=[selector]) == names


def test_global_services_can_be_left_to_another_trail() -> None:
    assert chosen(everywhere=False) == MANAGEMENT - IAM - {"stranger"}


@pytest.mark.parametrize(
    "basic",
    [
        [],
        [{}] * 6,
        [{"ReadWriteType": "Some"}],
        [{"DataResources": [{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}]}],
        [{"DataResources": [{"Type": OBJECT, "Values": ["lake/a"]}]}],
    ],
)
def test_basic_selectors_that_cannot_be_kept_to_are_refused(basic: list[Any]) -> None:
    with pytest.raises(InvalidSelector):
        check_basic(basic)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [field("eventCategory", Equals=["Insight"])],
        [field("eventCategory", Equals=["Data"])],
        [field("eventCategory", StartsWith=["Man"])],
        [field("eventCategory", Equals=["Management"]), field("color", Equals=["red"])],
        [field("eventCategory", Equals=["Management"]), field("eventName")],
        [
            field("eventCategory", Equals=["Management"]),
            field("eventName", Equals=["a"]),
            field("eventName", Equals=["b"]),
        ],
        [field("eventCategory", Equals=["Data"]), field("resources.type", Equals=["AWS::DynamoDB::Table"])],
    ],
)
def test_advanced_selectors_that_cannot_be_kept_to_are_refused(fields: list[Any]) -> None:
    with pytest.raises(InvalidSelector):
        check_advanced([{"FieldSelectors": fields}])
