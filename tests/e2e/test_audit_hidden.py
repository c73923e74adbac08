"""What the offered operations hide: every path that a table declares exists in the model, and is hidden for real."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from lakewarden import bootstrap, lock
from lakewarden.adapters.shown import shown_input, shown_output
from lakewarden.bootstrap_studio import NotebookSettings
from lakewarden.config import DataDirectory
from lakewarden.guard import Operations
from lakewarden.wire.models import operation_model

MARK = "zQ7-planted-secret"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Operations]]:
    """The tables of a server as it is built."""
    directory = DataDirectory.at(Path(tmp_path_factory.mktemp("hidden")) / "data")
    bootstrap.initialise(directory, "123456789012", "us-east-1")
    with lock.held(directory) as hold:
        server = bootstrap.build(directory, directory.load(), NotebookSettings(port=7070), alone=hold.alone)
        yield server.services
        server.close()


def planted(shape: Shape | None, parts: tuple[str, ...]) -> Any:
    """A value with the mark at ``parts``; None where the model has no such place."""
    if not parts:
        return MARK
    if isinstance(shape, StructureShape) and parts[0] in shape.members:
        inner = planted(shape.members[parts[0]], parts[1:])
        return None if inner is None else {parts[0]: inner}
    if isinstance(shape, ListShape) and parts[0] == "*":
        inner = planted(shape.member, parts[1:])
        return None if inner is None else [inner, inner]
    if isinstance(shape, MapShape) and parts[0] == "*":
        inner = planted(shape.value, parts[1:])
        return None if inner is None else {"a.key": inner, "another": inner}
    return None


def test_every_hidden_path_exists_and_is_hidden(services: Mapping[str, Operations]) -> None:
    declared: set[tuple[str, str]] = set()
    tried: set[tuple[str, str]] = set()
    for service, operations in services.items():
        for name, operation in operations.items():
            model = operation_model(service, name)
            for path in operation.hidden:
                declared.add((service, path))
                for shape, show in ((model.input_shape, shown_input), (model.output_shape, shown_output)):
                    value = planted(shape, tuple(path.split(".")))
                    if value is not None:
                        tried.add((service, path))
                        assert MARK not in json.dumps(show(service, name, value, operation.hidden)), (
                            service,
                            name,
                            path,
                        )
    # A path that no operation has hides nothing: a slip of the pen.
    assert declared == tried
    assert tried
