"""botocore's service models: what AWS's operations and shapes are. Nothing here is generated or committed."""

from functools import cache

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


@cache
def _loader() -> Loader:
    return Loader()
