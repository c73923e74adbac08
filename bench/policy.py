"""One policy decision: 50 statements of one service, every one with a resource and conditions, in one user's policies."""

import statistics
import time
from datetime import UTC, datetime

from lakewarden.guard import Access, Guard
from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, Layers, Request, compile_policy, context_of, decide

ROUNDS = 20_000
ACCOUNT = "111122223333"


def policy(statements: int) -> CompiledPolicy:
    """``statements`` rules that all could apply to s3:GetObject; the last one does."""
    return compile_policy(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny" if number % 5 == 1 else "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:List*"],
                    "Resource": [f"arn:aws:s3:::lake-{number}/*", f"arn:aws:s3:::team-{number}/${{aws:username}}/*"],
                    "Condition": {
                        "StringEquals": {"aws:PrincipalTag/team": f"team-{number}"},
                        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                        "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
                    },
                }
                for number in range(1, statements + 1)
            ],
        },
        layer=Layer.IDENTITY,
        name="bench",
    )


def same_resource(statements: int) -> CompiledPolicy:
    """The worst form: every statement covers the resource, so that every condition is asked."""
    return compile_policy(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": "*",
                    "Condition": {
                        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                        "StringEquals": {"aws:PrincipalTag/team": f"team-{number}"},
                    },
                }
                for number in range(1, statements + 1)
            ],
        },
        layer=Layer.IDENTITY,
        name="bench",
    )


def run() -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    for name, compiled in (
        ("50 statements, 3 conditions each", policy(50)),
        ("the same, every statement covers the resource", same_resource(50)),
    ):
        times = sorted(decisions(compiled))
        rows.append((f"decide, {name}: median", statistics.median(times), "us"))
        rows.append((f"decide, {name}: p99", times[int(len(times) * 0.99)], "us"))
    times = sorted(guarded(policy(50)))
    rows.append(("guard.check, 50 statements, context gathered: median", statistics.median(times), "us"))
    rows.append(("guard.check, 50 statements, context gathered: p99", times[int(len(times) * 0.99)], "us"))
    return rows


def caller() -> Principal:
    arn = f"arn:aws:iam::{ACCOUNT}:user/ann"
    return Principal(PrincipalType.USER, ACCOUNT, arn, "AIDAEXAMPLE", "ann", tags={"team": "team-50"})


def decisions(compiled: CompiledPolicy) -> list[float]:
    context = context_of(
        {
            "aws:username": "ann", "aws:PrincipalTag/team": "team-50", "aws:SourceIp": "10.1.2.3",
            "aws:CurrentTime": "2026-05-01T12:00:00+00:00", "aws:SecureTransport": "true",
            "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/ann", "aws:RequestedRegion": "us-east-1",
        }
    )  # fmt: skip
    request = Request(caller(), "s3:GetObject", "arn:aws:s3:::lake-50/raw/a.csv", context)
    layers = Layers(identity=(compiled,))
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decision = decide(request, layers)
        times.append((time.perf_counter() - started) * 1e6)
        assert decision.allowed
    return times


def guarded(compiled: CompiledPolicy) -> list[float]:
    class One:
        def layers(self, principal: Principal) -> Layers:  # noqa: ARG002
            return Layers(identity=(compiled,))

    guard = Guard(One())
    call = Call(
        caller(), "s3", "GetObject", {}, "id", datetime(2026, 5, 1, 12, tzinfo=UTC), "us-east-1", "10.1.2.3", "boto"
    )
    access = Access("s3:GetObject", "arn:aws:s3:::lake-50/raw/a.csv")
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decision = guard.check(call, access)
        times.append((time.perf_counter() - started) * 1e6)
        assert decision.allowed
    return times
