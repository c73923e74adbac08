"""The managed policies that Lakewarden ships under AWS's names, written for the services that it has."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lakewarden.kernel.arn import iam


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A shipped policy; ``path`` begins and ends with a slash."""

    name: str
    path: str
    description: str
    document: Mapping[str, Any]

    @property
    def arn(self) -> str:
        """``arn:aws:iam::aws:policy/...``: the account is AWS's own."""
        return iam("aws", f"policy{self.path}{self.name}")


def managed_policies() -> tuple[ManagedPolicy, ...]:
    """All shipped policies, read from the package's data files, in order of name."""
    folder = files("lakewarden.policy").joinpath("documents")
    return tuple(
        _read(entry.name.removesuffix(".json"), entry.read_text(encoding="utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    )


def _read(name: str, text: str) -> ManagedPolicy:
    body = json.loads(text)
    return ManagedPolicy(name, body["Path"], body["Description"], body["Document"])
