"""The golden table of routes: one line a case, with its source."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakewarden.kernel.errors import AwsError
from lakewarden.wire import Headers, RawRequest
from lakewarden.wire.route import route

TABLE = Path(__file__).parents[2] / "golden" / "wire" / "routes.jsonl"
CASES = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


async def nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


def request(
    method: str = "GET", path: str = "/", query: str = "", host: str = "localhost", scope: str = "",
    headers: dict[str, str] | None = None,
) -> RawRequest:  # fmt: skip
    pairs = {"Host": host, **(headers or {})}
    if scope:
        pairs["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/{scope}/aws4_request, SignedHeaders=host"
        )
    return RawRequest(
        method, "http", path, query, Headers(tuple(pairs.items())), "127.0.0.1", datetime.now(UTC), "id", nothing()
    )


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_routes(case: dict[str, Any]) -> None:
    asked = request(
        **{name: case[name] for name in ("method", "path", "query", "host", "scope", "headers") if name in case}
    )
    if "error" in case:
        with pytest.raises(AwsError) as caught:
            route(asked, ("localhost", "s3.localhost"))
        assert caught.value.code == case["error"]
        return
    found = route(asked, ("localhost", "s3.localhost"))
    assert f"{found.service}:{found.operation}" == case["is"]
    if "labels" in case:
        assert found.labels == case["labels"]


def test_a_query_of_too_many_fields_is_refused() -> None:
    with pytest.raises(AwsError) as caught:
        route(request(path="/bucket", query="a=1&" * 5000, scope="s3"), ())
    assert caught.value.code == "InvalidURI"
