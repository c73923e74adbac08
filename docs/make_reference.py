"""Writes docs/reference.md from the code: every command, setting, file, page and operation. Run by ``make docs``."""

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import typer

from lakewarden import bootstrap, lock
from lakewarden.bootstrap_studio import NotebookSettings
from lakewarden.cli import app
from lakewarden.config import Config, DataDirectory
from lakewarden.guard import Operation, Operations
from lakewarden.kernel.call import ANONYMOUS, Call
from lakewarden.kernel.errors import AwsError
from lakewarden.wire.models import operation_model, operation_names, sensitive_paths

REFERENCE = Path(__file__).parent / "reference.md"
_ACTION = re.compile(r"[a-z][a-z0-9-]+:[A-Z*][A-Za-z]*\*?")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SPELLED = {"CopySource": "bucket/key"}
_NOBODY = replace(ANONYMOUS, account="123456789012", arn="arn:aws:iam::123456789012:user/name", name="name")
_INTRODUCTION = """\
# Reference

Made from the code by `make docs`; a test fails when it is out of date. Prose is in the other files of this folder.
"""


def reference() -> str:
    """The whole document."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = DataDirectory.at(Path(scratch) / "data")
        bootstrap.initialise(directory, "123456789012", "us-east-1")
        with lock.held(directory) as hold:
            server = bootstrap.build(directory, directory.load(), NotebookSettings(port=7070), alone=hold.alone)
            try:
                parts = [_INTRODUCTION, *_commands(), *_settings(), *_pages(server), *_operations(server.services)]
            finally:
                server.close()
    return "\n".join(parts)


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield "Every command ends with status 0 when it did what it says, and with 1 and one line of text when not.\n"
    yield from _command(typer.main.get_command(app), "lakewarden")


def _command(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is not None:
        for name in sorted(children):
            yield from _command(children[name], f"{path} {name}")
        return
    yield f"### `{path}`\n"
    yield f"{(command.help or '').strip()}\n"
    rows = [_option(one) for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    yield from _table(("option", "default", "what it is"), rows)


def _option(option: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    default = "" if option.default in (None, "", False) or callable(option.default) else f"`{option.default}`"
    return names, "required" if option.required else default, getattr(option, "help", "") or ""


def _settings() -> Iterator[str]:
    yield "## Settings: `config.json`\n"
    yield f"{_paragraph(Config.__doc__)}\n"
    rows = []
    for one in fields(Config):
        default = "required" if one.default is MISSING else f"`{one.default!r}`"
        rows.append((f"`{one.name}`", default, str(getattr(one.type, "__name__", one.type))))
    yield from _table(("setting", "default", "type"), rows)
    yield "## The data directory\n"
    yield f"{_paragraph(DataDirectory.__doc__)}\n"
    layout = DataDirectory(Path("DIR"))
    rows = []
    for name, member in vars(DataDirectory).items():
        if isinstance(member, property):
            rows.append((f"`{getattr(layout, name)}`", f"`{name}`", _paragraph(member.__doc__)))
    yield from _table(("place", "name in the code", "what it is"), rows)


def _pages(server: bootstrap.Server) -> Iterator[str]:
    yield "## Pages\n"
    yield "Paths that no bucket can have. Everything else is an AWS call.\n"
    rows = []
    for route in server.app.routes:
        methods = ", ".join(sorted(getattr(route, "methods", None) or ["any"]))
        rows.append(
            (f"`{getattr(route, 'path', route)}`", methods, _paragraph(getattr(route, "endpoint", None).__doc__))
        )
    yield from _table(("path", "methods", "what it is"), rows)


def _operations(services: Mapping[str, Operations]) -> Iterator[str]:
    yield "## Operations\n"
    yield (
        "What is not listed answers `NotImplemented` with its name, and is audited. *Actions* must all be allowed, on"
        " the call's own resources, as far as the call uses what needs them; `-` means that the handler itself decides"
        " from what it finds, or that every authenticated caller may call."
        " *Reads* is CloudTrail's readOnly, *data* marks data events. *Hidden* members never enter the audit trail.\n"
    )
    for service in sorted(services):
        offered, known = services[service], operation_names(service)
        yield f"### {service}: {len(offered)} of {len(known)} operations\n"
        rows = [_operation(service, offered[name]) for name in sorted(offered)]
        yield from _table(("operation", "actions", "kind", "hidden in the audit"), rows)


def _operation(service: str, operation: Operation) -> tuple[str, str, str, str]:
    hidden_in, hidden_out = sensitive_paths(service, operation.name)
    hidden = sorted(hidden_in | hidden_out | operation.hidden)
    kind = "reads" if operation.read_only else "writes"
    flags = [text for flag, text in ((operation.data_event, "data"), (operation.unsigned, "unsigned")) if flag]
    actions = _actions(service, operation)
    return (
        f"`{operation.name}`",
        ", ".join(f"`{one}`" for one in actions) or "-",
        ", ".join([kind, *flags]),
        ", ".join(f"`{one}`" for one in hidden),
    )


def _actions(service: str, operation: Operation) -> list[str]:
    """The IAM actions that the rule asks about for a call that says all that can be said.

    A rule that looks up what the call names finds nothing in an empty account, and answers with an error instead; then
    the actions are those that its code names.
    """
    shape = operation_model(service, operation.name).input_shape
    params = {} if shape is None else _sample(shape, ())
    call = Call(_NOBODY, service, operation.name, params, "request", datetime.now(UTC), "us-east-1", "127.0.0.1", "")
    try:
        return list(dict.fromkeys(access.action for access in operation.rule(call)))
    except (AwsError, ValueError, KeyError, TypeError, AttributeError):
        return sorted(_named_in(operation.rule, service))


def _sample(shape: Any, above: tuple[str, ...]) -> Any:
    """A value with every member, down to where shapes repeat."""
    if shape.type_name == "structure":
        inside = (*above, shape.name)
        members = ((name, one) for name, one in shape.members.items() if one.name not in above)
        return {name: _SPELLED.get(name) or _sample(one, inside) for name, one in members}
    if shape.type_name == "list":
        return [_sample(shape.member, (*above, shape.name))] if shape.member.name not in above else []
    if shape.type_name == "map":
        return {"key": _sample(shape.value, (*above, shape.name))} if shape.value.name not in above else {}
    plain = {"integer": 1, "long": 1, "double": 1.0, "float": 1.0, "boolean": True, "blob": b"", "timestamp": _START}
    return plain.get(shape.type_name, (shape.enum or ["name"])[0] if shape.type_name == "string" else "name")


def _named_in(rule: Any, service: str) -> set[str]:
    """The actions among the constants of a rule, of what it closes over, and of the functions that it calls."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [rule]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str):
            found |= {one} if _ACTION.fullmatch(one) and one.startswith(f"{service}:") else set()
        elif isinstance(one, CodeType | tuple):
            waiting += one.co_consts if isinstance(one, CodeType) else one
        elif isinstance(one, FunctionType):
            waiting += [one.__code__, *(one.__defaults__ or ()), *_reached(one)]
    return found


def _reached(function: FunctionType) -> Iterator[Any]:
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    yield from (one for one in named if isinstance(one, FunctionType) and one.__module__ == function.__module__)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    found = list(rows)
    if found:
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in found]
        yield "\n".join(lines) + "\n"


def _paragraph(text: str | None) -> str:
    """A docstring on one line, in Markdown's marks."""
    return re.sub(r"\s+", " ", text or "").strip().replace("``", "`")


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{REFERENCE} is written\n")
