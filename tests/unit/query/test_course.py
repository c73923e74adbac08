"""An execution's end: recorded first, then kept with its result, together or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakewarden.adapters.results import OwnedResults
from lakewarden.guard import Guard
from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.kernel.lake import GovernedTable
from lakewarden.policy import Layers, compile_policy
from lakewarden.query.course import Course, End
from lakewarden.query.errors import QueryFailed
from lakewarden.query.live import Live, LiveQueries
from lakewarden.query.model import Caller, Execution
from lakewarden.query.progress import Cancellation, Progress
from lakewarden.query.run import Earlier
from lakewarden.query.store import QueryStore
from lakewarden.state import Database
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore

ACCOUNT = "123456789012"
ME = Principal(PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/me", "AIDAME", "me")
_ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
Work = Callable[[Execution, Call, Progress], None]


class EverythingAllowed:
    """``guard.PolicyLayers``."""

    def layers(self, principal: Principal) -> Layers:
        del principal
        return Layers(identity=(compile_policy(_ALL, layer=Layer.IDENTITY, name="all"),))


@dataclass
class Trail:
    """``query.ports.AccessAudit``: what was recorded; with ``away`` nothing can be."""

    states: list[object] = field(default_factory=list)
    away: bool = False
    before: Callable[[], None] = lambda: None

    def data_access(
        self, call: Call, query_id: str, accesses: Sequence[tuple[GovernedTable, Sequence[str]]]
    ) -> None: ...

    def write_access(
        self, call: Call, query_id: str, governed: GovernedTable, permissions: Sequence[str] = ()
    ) -> None: ...

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        del call, query_id
        self.before()
        if self.away:
            raise ServiceUnavailable("The audit log cannot be written.")
        self.states.append(details["state"])


class House:
    def __init__(self, root: Path) -> None:
        self.database = Database(f"sqlite:///{root / 'state.db'}", alone=True)
        self.database.create_schema()
        self.blobs = LocalBlobs(root / "objects")
        self.storage = StorageService(StorageStore(self.database), self.blobs, lambda: datetime.now(UTC))
        self.storage.create_bucket("results", "us-east-1")
        self.results = OwnedResults(self.storage, Guard(EverythingAllowed()), ACCOUNT, "us-east-1")
        self.store, self.live, self.trail = QueryStore(self.database, self.database.join()), LiveQueries(), Trail()
        self.call = Call(ME, "athena", "StartQueryExecution", {}, "r", datetime.now(UTC), "us-east-1")

    def start(self) -> Live:
        execution = Execution(
            id="e", owner=ME.arn, workgroup="primary", sql="SELECT 1", database="d", output="s3://results/e.csv",
            submitted=datetime.now(UTC).isoformat(), caller=Caller.of(self.call),
        )  # fmt: skip
        with self.store.write() as records:
            records.put(execution)
        return self.live.add(execution)

    def course(self, work: Work) -> Course:
        def run(execution: Execution, call: Call, progress: Progress, stop: Cancellation, earlier: Earlier) -> None:
            del stop, earlier
            work(execution, call, progress)

        return Course(self.store, self.live, run, self.results, self.trail, lambda *_: True, lambda: datetime.now(UTC))

    def drafted(self, execution: Execution, call: Call, progress: Progress) -> None:
        """A run that answers with two objects."""
        for uri in (execution.output, f"{execution.output}.metadata"):
            progress.drafts.append(self.results.draft(call, uri, iter((b"abc",))))

    def kept(self) -> str:
        with self.store.read() as records:
            found = records.execution("e")
        assert found is not None
        return found.state

    def objects(self) -> int:
        return sum(self.storage.find("results", key) is not None for key in ("e.csv", "e.csv.metadata"))

    def files(self) -> int:
        return sum(1 for _ in self.blobs.names())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.database.close()


def test_a_result_becomes_an_object_with_the_end_of_its_execution(house: House) -> None:
    live = house.start()
    seen: list[tuple[str, int, str]] = []
    house.trail.before = lambda: seen.append((house.kept(), house.objects(), live.execution.state))
    house.course(house.drafted).run(live)
    # INVARIANT (no_answer_without_audit): at the moment of the record there is nothing that could be read yet.
    assert seen == [("QUEUED", 0, "RUNNING")]
    assert (house.kept(), house.objects(), live.execution.state) == ("SUCCEEDED", 2, "SUCCEEDED")
    assert house.trail.states == ["SUCCEEDED"]
    found = house.storage.get("results", "e.csv")
    assert (found.owner, found.attributes.content_type) == (ME.arn, "text/csv")


def test_no_answer_without_audit_of_the_outcome(house: House) -> None:
    live = house.start()
    house.trail.away = True
    house.course(house.drafted).run(live)
    assert (house.kept(), house.objects(), live.execution.state) == ("FAILED", 0, "FAILED")
    assert live.execution.reason == "The audit log cannot be written."


def test_a_result_that_cannot_be_kept_is_a_failure_on_the_record(house: House) -> None:
    live = house.start()
    house.trail.before = lambda: house.storage.delete_bucket("results") if not house.trail.states else None
    house.course(house.drafted).run(live)
    assert (house.kept(), live.execution.state) == ("FAILED", "FAILED")
    assert house.trail.states == ["SUCCEEDED", "FAILED"]
    assert "bucket does not exist" in live.execution.reason


def test_half_a_result_is_never_kept(house: House) -> None:
    """The second object belongs to somebody else: the first is not there either."""
    live = house.start()
    others = Call(
        Principal(PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/other", "AIDAOTHER", "other"),
        "athena", "StartQueryExecution", {}, "r", datetime.now(UTC), "us-east-1",
    )  # fmt: skip
    theirs = house.results.draft(others, "s3://results/e.csv.metadata", iter((b"theirs",)))
    house.results.keep(others, [theirs])
    house.course(house.drafted).run(live)
    assert (house.kept(), house.storage.find("results", "e.csv")) == ("FAILED", None)
    assert house.storage.read(house.storage.get("results", "e.csv.metadata"), 0, 10) == b"theirs"


def test_what_a_failed_query_wrote_is_removed(house: House) -> None:
    def work(execution: Execution, call: Call, progress: Progress) -> None:
        house.drafted(execution, call, progress)
        assert house.files() == 2
        raise QueryFailed("no", 2, 1301)

    live = house.start()
    house.course(work).run(live)
    assert (house.kept(), house.objects(), house.files()) == ("FAILED", 0, 0)
    assert house.trail.states == ["FAILED"]


def test_a_query_that_is_cancelled_while_it_writes_leaves_nothing(house: House) -> None:
    def work(execution: Execution, call: Call, progress: Progress) -> None:
        house.drafted(execution, call, progress)
        assert live.stop.cancel()
        assert live.claim_end()
        house.course(house.drafted).cut(live, End("CANCELLED", datetime.now(UTC), reason="Query cancelled by user"))

    live = house.start()
    house.course(work).run(live)
    assert (house.kept(), house.objects(), house.files()) == ("CANCELLED", 0, 0)
    assert house.trail.states == ["CANCELLED"]


def test_an_end_that_cannot_be_written_down_is_told_to_who_ended_it(house: House) -> None:
    live = house.start()
    house.trail.before = lambda: _break(house)
    with pytest.raises(ServiceUnavailable):
        house.course(house.drafted).cut(live, End("CANCELLED", datetime.now(UTC), reason="Query cancelled by user"))
    assert live.execution.state == "CANCELLED"


def _break(house: House) -> None:
    with house.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE athena_executions")
