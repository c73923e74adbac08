"""botocore's service models: what AWS's operations and shapes are. Nothing here is generated or committed."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

SERVICES = (
    "athena", "glue", "lakeformation", "iam", "sts", "s3", "cloudtrail", "sagemaker", "secretsmanager",
    "sso-admin", "identitystore", "sso", "sso-oidc", "cloudformation",
)  # fmt: skip


@cache
def service_model(service: str) -> ServiceModel:
    """The model of ``service`` (a name of :data:`SERVICES`); loading takes some milliseconds once."""
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """The model of one operation; raises botocore's ``OperationNotFoundError``."""
    return service_model(service).operation_model(operation)


@cache
def operation_names(service: str) -> frozenset[str]:
    """All operations that AWS documents for ``service``."""
    return frozenset(service_model(service).operation_names)


@cache
def protocol(service: str) -> str:
    """``json``, ``rest-json``, ``query`` or ``rest-xml``: what the pinned botocore speaks with ``service``."""
    return str(service_model(service).resolved_protocol)


@cache
def sensitive_paths(service: str, operation: str) -> tuple[frozenset[str], frozenset[str]]:
    """Dotted paths (``*`` for list items and map values) of members that the model marks sensitive: input, output."""
    model = operation_model(service, operation)
    return _sensitive(model.input_shape), _sensitive(model.output_shape)


def _sensitive(root: Shape | None) -> frozenset[str]:
    found: set[str] = set()

    def walk(shape: Shape, path: str, above: tuple[str, ...]) -> None:
        if shape.metadata.get("sensitive"):
            found.add(path)
        elif shape.name not in above:
            above = (*above, shape.name)
            if isinstance(shape, StructureShape):
                for name, member in shape.members.items():
                    walk(member, f"{path}.{name}" if path else name, above)
            elif isinstance(shape, ListShape):
                walk(shape.member, f"{path}.*", above)
            elif isinstance(shape, MapShape):
                walk(shape.value, f"{path}.*", above)

    if root is not None:
        walk(root, "", ())
    return frozenset(found)


class _LeanFiles:
    """botocore's port to its files. Models come without their prose and in plain dicts, which halves their memory."""

    def exists(self, file_path: str) -> bool:
        """Whether there is such a file, with one of the endings."""
        return any(Path(file_path + ending).is_file() for ending in (".json", ".json.gz"))

    def load_file(self, file_path: str) -> Any:
        """The contents of ``file_path`` with the ending that exists, or None."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return _without_prose(msgspec.json.decode(plain.read_bytes()))
        return _without_prose(msgspec.json.decode(gzip.decompress(packed.read_bytes()))) if packed.is_file() else None


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        # A member may be called "documentation" as well; its value is a shape.
        return {
            key: _without_prose(item)
            for key, item in value.items()
            if key != "documentation" or not isinstance(item, str)
        }
    return [_without_prose(item) for item in value] if isinstance(value, list) else value


@cache
def _loader() -> Loader:
    return Loader(file_loader=_LeanFiles())
