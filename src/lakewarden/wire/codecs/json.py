"""The ``json`` protocol (athena, glue, cloudtrail, sagemaker, ...): one JSON object in, one out."""

import json
from typing import Any

from botocore.model import OperationModel

from lakewarden.kernel.call import Answer
from lakewarden.kernel.errors import AwsError
from lakewarden.wire.codecs import documents
from lakewarden.wire.codecs.message import Incoming, Outgoing
from lakewarden.wire.models import service_model


def parse(operation: OperationModel, request: Incoming) -> dict[str, Any]:
    """Input members; raises :class:`SerializationException`."""
    if operation.input_shape is None:
        return {}
    return documents.parse(operation.input_shape, documents.load(request.body))


def serialize(operation: OperationModel, answer: Answer, request_id: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """A JSON body of the output members."""
    body = b"" if operation.output_shape is None else documents.dump(operation.output_shape, answer.members)
    return Outgoing(answer.status or 200, body, content_type=_content_type(operation.service_model.service_name))


def error(service: str, problem: AwsError, request_id: str, resource: str) -> Outgoing:  # noqa: ARG001 - every codec's
    """``__type`` and a message under the name that the model's error shape gives it."""
    content = json.dumps({"__type": problem.code, **error_members(service, problem)}).encode()
    return Outgoing(problem.status, content, (("x-amzn-ErrorType", problem.code),), _content_type(service))


def error_members(service: str, problem: AwsError) -> dict[str, Any]:
    """Message and the further members that the model knows; models disagree on ``message`` and ``Message``."""
    shape = service_model(service).shape_for_error_code(problem.code)
    if shape is None:
        return {"message": problem.message}
    name = "Message" if "Message" in shape.members else "message"
    return {**documents.document(shape, problem.members), name: problem.message}


def _content_type(service: str) -> str:
    return f"application/x-amz-json-{service_model(service).metadata.get('jsonVersion', '1.1')}"
