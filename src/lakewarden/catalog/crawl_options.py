"""What a crawler is told to do: CreateCrawler's input, read and checked. Refused by name, never ignored. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.globs import excluded_by
from lakewarden.catalog.schedule import schedule_of

_MOST_SAMPLES = 249
_MOST_EXCLUSIONS = 100
Document = Mapping[str, Any]
LOG, DELETE, DEPRECATE = "LOG", "DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE"
_OFFERED: Mapping[tuple[str, str], Sequence[object]] = {
    ("SchemaChangePolicy", "UpdateBehavior"): (LOG, "UPDATE_IN_DATABASE"),
    ("SchemaChangePolicy", "DeleteBehavior"): (LOG, DELETE, DEPRECATE),
    ("RecrawlPolicy", "RecrawlBehavior"): ("CRAWL_EVERYTHING", "CRAWL_NEW_FOLDERS_ONLY"),
    ("LineageConfiguration", "CrawlerLineageSettings"): ("DISABLE",),
    ("LakeFormationConfiguration", "UseLakeFormationCredentials"): (False,),
}


@dataclass(frozen=True, slots=True)
class Target:
    """An S3 target: what lies below ``path``, less what is ``excluded``; at most ``sample`` files a folder are looked at."""

    path: str
    excluded: Callable[[str], bool]
    sample: int

    def holds(self, uri: str) -> bool:
        """Whether an object is meant."""
        root = self.path.rstrip("/") + "/"
        return uri.startswith(root) and not self.excluded(uri.removeprefix(root))


@dataclass(frozen=True, slots=True)
class Options:
    """``level`` is the folder depth of tables, the bucket's being 1, and 0 where it is found out; ``threshold`` 0 is none.

    ``new_only``: what is in the catalog is left as it is, and folders that are new are added. ``merge``: an update adds
    columns and changes none.
    """

    targets: tuple[Target, ...]
    update: bool
    gone: str
    new_only: bool
    merge: bool
    level: int
    threshold: int


def options_of(document: Document) -> Options:
    """Read and check; raises InvalidInput."""
    if document.get("CrawlerSecurityConfiguration"):
        raise InvalidInputException("Lakewarden does not offer CrawlerSecurityConfiguration of crawlers.")
    if not document.get("DatabaseName"):
        raise InvalidInputException("DatabaseName must be given.")
    if document.get("Schedule"):
        schedule_of(document["Schedule"])
    for (member, name), values in _OFFERED.items():
        given = (document.get(member) or {}).get(name)
        if given is not None and given not in values:
            raise InvalidInputException(f"Lakewarden does not offer {name} {given}.")
    policy = document.get("SchemaChangePolicy") or {}
    new_only = (document.get("RecrawlPolicy") or {}).get("RecrawlBehavior") == "CRAWL_NEW_FOLDERS_ONLY"
    if new_only and {policy.get("UpdateBehavior", LOG), policy.get("DeleteBehavior", LOG)} != {LOG}:
        raise InvalidInputException("SchemaChangePolicy must be LOG where new folders only are crawled.")
    said = _configuration(document.get("Configuration") or "")
    return Options(
        targets=_targets(document.get("Targets") or {}),
        update=not new_only and policy.get("UpdateBehavior") != LOG,
        gone=LOG if new_only else policy.get("DeleteBehavior") or DEPRECATE,
        new_only=new_only,
        merge=said.get("CrawlerOutput.Tables.AddOrUpdateBehavior") == "MergeNewColumns",
        level=said.get("Grouping.TableLevelConfiguration", 0),
        threshold=said.get("CrawlerOutput.Tables.TableThreshold", 0),
    )


def _targets(targets: Document) -> tuple[Target, ...]:
    odd = [name for name, value in targets.items() if value and name != "S3Targets"]
    if odd:
        raise InvalidInputException(f"Lakewarden does not offer {', '.join(odd)}.")
    paths = targets.get("S3Targets") or ()
    if not paths or not all(str(one.get("Path", "")).startswith("s3://") for one in paths):
        raise InvalidInputException("S3Targets must be given, each with an s3:// path.")
    return tuple(map(_target, paths))


def _target(one: Document) -> Target:
    odd = {name for name, value in one.items() if value} - {"Path", "Exclusions", "SampleSize"}
    if odd:
        raise InvalidInputException(f"Lakewarden does not offer {', '.join(sorted(odd))} of S3Targets.")
    sample = one.get("SampleSize")
    if sample is not None and not 1 <= sample <= _MOST_SAMPLES:
        raise InvalidInputException(f"SampleSize must be between 1 and {_MOST_SAMPLES}.")
    exclusions = one.get("Exclusions") or ()
    if len(exclusions) > _MOST_EXCLUSIONS:
        raise InvalidInputException(f"A target has at most {_MOST_EXCLUSIONS} exclusions.")
    return Target(str(one["Path"]), excluded_by(exclusions), sample or _MOST_SAMPLES)


_CONFIGURATION: Mapping[str, Callable[[Any], bool]] = {
    "Version": lambda value: str(value) in {"1", "1.0"},
    "CrawlerOutput.Partitions.AddOrUpdateBehavior": lambda value: value == "InheritFromTable",
    "CrawlerOutput.Tables.AddOrUpdateBehavior": lambda value: value == "MergeNewColumns",
    "CrawlerOutput.Tables.TableThreshold": lambda value: type(value) is int and value > 0,
    "Grouping.TableLevelConfiguration": lambda value: type(value) is int and value > 0,
    "CreatePartitionIndex": lambda value: value is False,
}
"""What the Configuration may say. That partitions inherit from their table is how they are made in any case."""


def _configuration(text: str) -> Mapping[str, Any]:
    """The Configuration's members by dotted path."""
    if not text:
        return {}
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputException("Configuration is no JSON.") from error
    found: dict[str, Any] = {}
    _flatten("", body, found)
    for name, value in found.items():
        fits = _CONFIGURATION.get(name)
        if fits is None or not fits(value):
            raise InvalidInputException(f"Lakewarden does not offer {name[:100]} {str(value)[:100]} in Configuration.")
    if "Version" not in found:
        raise InvalidInputException("Configuration has no Version.")
    return found


def _flatten(path: str, body: Any, found: dict[str, Any], depth: int = 0) -> None:
    if isinstance(body, dict) and depth < len(_CONFIGURATION):
        for name, value in body.items():
            _flatten(f"{path}.{name}" if path else name, value, found, depth + 1)
    else:
        found[path] = body
