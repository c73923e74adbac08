"""The rows of Glue's OPERATIONS table for classifiers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from lakewarden.catalog.classifiers import Classifiers
from lakewarden.catalog.crawler_store import ClassifierRecord
from lakewarden.catalog.pages import numbered
from lakewarden.catalog.rules import Params
from lakewarden.guard import AuthorizedCall, Operation, on


class ClassifierHandlers:
    """Handlers over :class:`Classifiers`. AWS has no ARN for a classifier: each asks for its action on all of them."""

    def __init__(self, service: Classifiers) -> None:
        self._service = service

    def operations(self) -> Iterable[Operation]:
        """One row an operation."""
        rows: Sequence[tuple[str, Callable[[AuthorizedCall], Params], bool]] = (
            ("CreateClassifier", self.create, False),
            ("UpdateClassifier", self.update, False),
            ("DeleteClassifier", self.delete, False),
            ("GetClassifier", self.get, True),
            ("GetClassifiers", self.get_all, True),
        )
        for name, do, read in rows:
            yield Operation(name, do, on(f"glue:{name}"), read_only=read)

    def create(self, call: AuthorizedCall) -> Params:
        """CreateClassifier."""
        self._service.create(call.params)
        return {}

    def update(self, call: AuthorizedCall) -> Params:
        """UpdateClassifier."""
        self._service.update(call.params)
        return {}

    def delete(self, call: AuthorizedCall) -> Params:
        """DeleteClassifier."""
        self._service.delete(call.params["Name"])
        return {}

    def get(self, call: AuthorizedCall) -> Params:
        """GetClassifier."""
        return {"Classifier": _answer(self._service.get(call.params["Name"]))}

    def get_all(self, call: AuthorizedCall) -> Params:
        """GetClassifiers."""
        return numbered([_answer(one) for one in self._service.all()], call.params, "Classifiers")


def _answer(record: ClassifierRecord) -> dict[str, Any]:
    times = {
        "CreationTime": datetime.fromisoformat(record.created),
        "LastUpdated": datetime.fromisoformat(record.updated),
        "Version": record.version,
    }
    return {kind: {**body, **times} for kind, body in record.document.items()}
