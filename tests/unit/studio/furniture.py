"""A Studio without processes: a store, services, and identity's side as far as a test says who is who."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.state import Database
from lakewarden.studio.ports import Wearer, Worn
from lakewarden.studio.service import StudioService
from lakewarden.studio.store import StudioStore

ACCOUNT, REGION, DOMAIN = "123456789012", "us-east-1", "d-lab"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Roles:
    """Every role of the account exists, and nobody wears one."""

    def exists(self, role_arn: str) -> bool:
        return role_arn.startswith(f"arn:aws:iam::{ACCOUNT}:role/")

    async def wear(self, wearer: Wearer) -> Worn:
        raise AssertionError("nobody wears a role here")


def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'state.db'}")
    made.create_schema()
    return made


def service(store: StudioStore, clock: Clock) -> StudioService:
    return StudioService(store, Roles(), clock)


def user(name: str, **tags: str) -> Principal:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return Principal(PrincipalType.USER, ACCOUNT, arn, f"AIDA{name}", name, tags=tags)


def role_session(role: str, name: str, profile: str = "", **tags: str) -> Principal:
    session = Session(
        START, START + timedelta(hours=1), name, f"arn:aws:iam::{ACCOUNT}:role/{role}", f"AROA{role}", role, tags=tags,
        studio_domain=DOMAIN if profile else "", studio_profile=profile,
    )  # fmt: skip
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"
    return Principal(PrincipalType.ASSUMED_ROLE, ACCOUNT, arn, f"AROA{role}:{name}", role, "", session, tags)


def call(principal: Principal, operation: str, **params: object) -> Call:
    return Call(principal, "sagemaker", operation, params, "request", START, REGION)
