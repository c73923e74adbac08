"""Answers and errors as botocore's parsers and handlers understand them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore import parsers
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import ClientError
from botocore.handlers import parse_get_bucket_location

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError
from lakewarden.wire import Headers, RawRequest, Refused, Response, Wire
from lakewarden.wire.models import SERVICES, operation_model, protocol, sensitive_paths
from tests.unit.wire.test_route import nothing
from tests.wire.signing import Keys, text
from tests.wire.test_every_operation import received

WIRE = Wire(Keys(), "us-east-1", ("localhost",))
RAW = RawRequest("GET", "http", "/bucket/k%20<", "", Headers(()), "127.0.0.1", datetime.now(UTC), "req-1", nothing())
AN_OPERATION = {
    "athena": "StartQueryExecution", "glue": "GetTable", "lakeformation": "GrantPermissions", "iam": "GetUser",
    "sts": "GetCallerIdentity", "s3": "GetObject", "cloudtrail": "LookupEvents", "sagemaker": "CreateDomain",
    "secretsmanager": "GetSecretValue", "sso-admin": "ListInstances", "identitystore": "ListUsers",
    "sso": "ListAccounts", "sso-oidc": "CreateToken", "cloudformation": "DescribeStacks",
}  # fmt: skip


class Odd(AwsError):
    code = "OddThingException"
    status = 409


class Invalid(AwsError):
    code = "InvalidRequestException"


def parsed(service: str, operation: str, response: Response) -> dict[str, Any]:
    assert isinstance(response.body, bytes)
    content = {"status_code": response.status, "headers": received(response.headers), "body": response.body}
    shape = operation_model(service, operation).output_shape
    found: dict[str, Any] = parsers.create_parser(protocol(service)).parse(content, shape)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_an_error_reads_back_with_code_message_status_and_request_id(service: str) -> None:
    said = 'Nothing <here> & "there", naïve\n☃'
    response = WIRE.respond_error(RAW, service, AN_OPERATION[service], Odd(said))
    found = parsed(service, AN_OPERATION[service], response)
    assert (found["Error"]["Code"], found["Error"]["Message"]) == ("OddThingException", said)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert found["ResponseMetadata"]["RequestId"] == "req-1"


def test_an_error_before_any_service_is_known_is_s3s() -> None:
    found = parsed("s3", "GetObject", WIRE.respond_error(RAW, "", "", Odd("x")))
    assert found["Error"]["Code"] == "OddThingException"
    assert found["Error"]["Resource"] == "/bucket/k%20<"
    assert found["ResponseMetadata"]["HostId"] == "req-1"


@pytest.mark.parametrize("service", ["dynamodb", "lambda", "sns", "route53", "glacier"])
def test_clients_of_a_service_that_is_not_here_are_told_so(service: str) -> None:
    """With botocore's own client of that service, its own parser, and our bytes."""
    session = botocore.session.Session()
    session.set_credentials("AK", "secret")
    client = session.create_client(service, "us-east-1", endpoint_url="http://localhost")

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        headers = tuple((name, text(value)) for name, value in request.headers.items())
        raw = replace(RAW, method=request.method, raw_path=url.path, query_string=url.query, headers=Headers(headers))
        with pytest.raises(Refused) as caught:
            asyncio.run(WIRE.receive(raw))
        response = WIRE.respond_error(raw, caught.value.service, caught.value.operation, caught.value.error)
        http = AWSResponse(request.url, response.status, HeadersDict(dict(response.headers)), None)
        http._content = response.body
        return http

    client.meta.events.register("before-send", answer)
    calls = {
        "dynamodb": "list_tables", "lambda": "list_functions", "sns": "list_topics",
        "route53": "list_hosted_zones", "glacier": "list_vaults",
    }  # fmt: skip
    with pytest.raises(ClientError) as caught:
        getattr(client, calls[service])()
    assert caught.value.response["Error"]["Code"] in {"UnknownOperationException", "InvalidAction"}


def test_modelled_members_of_an_error_travel_and_others_do_not() -> None:
    error = Invalid("text", {"AthenaErrorCode": "SOME_CODE", "NotInTheModel": "x"})
    response = WIRE.respond_error(RAW, "athena", "StartQueryExecution", error)
    assert isinstance(response.body, bytes)
    shape = operation_model("athena", "StartQueryExecution").service_model.shape_for_error_code(error.code)
    found = parsers.create_parser("json").parse(
        {"status_code": 400, "headers": received(response.headers), "body": response.body}, shape
    )
    assert found["AthenaErrorCode"] == "SOME_CODE"
    assert found["Message"] == "text"
    assert b"NotInTheModel" not in response.body


def test_a_head_request_has_no_body_but_its_status() -> None:
    response = WIRE.respond_error(replace(RAW, method="HEAD"), "s3", "HeadObject", Odd("x"))
    assert (response.status, response.body) == (409, b"")
    assert parsed("s3", "HeadObject", response)["Error"]["Code"] == "409"


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_the_bucket_location_reads_back(region: str | None) -> None:
    response = WIRE.respond(RAW, "s3", "GetBucketLocation", {"LocationConstraint": region})
    http = AWSResponse("http://localhost", 200, {}, object())
    http._content = response.body
    found: dict[str, Any] = {}
    parse_get_bucket_location(found, http)
    assert found == {"LocationConstraint": region}


def test_a_204_has_no_length() -> None:
    response = WIRE.respond(RAW, "s3", "DeleteObject", {})
    assert response.status == 204
    assert "content-length" not in {name.lower() for name, _ in response.headers}


def test_a_304_has_no_body() -> None:
    class NotModified(AwsError):
        code = "NotModified"
        status = 304

    response = WIRE.respond_error(RAW, "s3", "GetObject", NotModified("x"))
    assert (response.status, response.body) == (304, b"")


def test_no_stored_value_can_split_a_header() -> None:
    response = WIRE.respond(RAW, "s3", "HeadObject", {"Metadata": {"a": "b\r\nSet-Cookie: x"}, "ContentType": "a\nb"})
    assert not any("\r" in value or "\n" in value for _, value in response.headers)


def test_answers_that_stream_keep_their_status_and_headers() -> None:
    async def body() -> Any:
        yield b"part"

    answer = Answer({"ContentLength": 4, "ContentType": "text/x"}, body=body(), status=206, headers={"X-Extra": "1"})
    response = WIRE.respond(RAW, "s3", "GetObject", answer)
    assert response.status == 206
    assert ("Content-Type", "text/x") in response.headers
    assert ("X-Extra", "1") in response.headers

    async def read() -> bytes:
        assert not isinstance(response.body, bytes)
        return b"".join([piece async for piece in response.body])

    assert asyncio.run(read()) == b"part"


@pytest.mark.parametrize(
    ("service", "operation", "inputs", "outputs"),
    [
        ("iam", "CreateAccessKey", set(), {"AccessKey.SecretAccessKey"}),
        ("iam", "ChangePassword", {"OldPassword", "NewPassword"}, set()),
        ("sts", "AssumeRole", set(), {"Credentials.SecretAccessKey"}),
        ("secretsmanager", "PutSecretValue", {"SecretString", "SecretBinary"}, set()),
    ],
)
def test_what_the_model_marks_sensitive_is_known(
    service: str, operation: str, inputs: set[str], outputs: set[str]
) -> None:
    found = sensitive_paths(service, operation)
    assert inputs <= found[0]
    assert outputs <= found[1]
