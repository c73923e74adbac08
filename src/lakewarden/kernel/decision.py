"""The verdict of an access decision, with the evidence that determined it."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Why a request is allowed or denied."""

    ALLOW = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


class Layer(Enum):
    """A policy kind, in the words of AWS's denial texts."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SERVICE_CONTROL = "service control policy"


@dataclass(frozen=True, slots=True)
class StatementId:
    """Where a statement stands: the policy (ARN, or ``inline:<name>``), its position from 0, its Sid if any."""

    layer: Layer
    policy: str
    index: int
    sid: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict on one action and resource.

    For an allow, ``because`` holds the allowing statements of every layer present; for an explicit deny the denying
    statements; for an implicit deny it is empty and ``layer`` names the first layer that did not allow, which the text of
    a ``silent`` one does not: of a role's trust policy AWS tells nobody what it lacks.
    """

    verdict: Verdict
    action: str
    resource: str
    layer: Layer | None = None
    because: tuple[StatementId, ...] = ()
    silent: bool = False

    @property
    def allowed(self) -> bool:
        """True only for ``ALLOW``."""
        return self.verdict is Verdict.ALLOW

    def denial(self, principal_arn: str) -> str:
        """AWS's denial text (IAM User Guide, "Troubleshoot access denied error messages")."""
        head = f"User: {principal_arn} is not authorized to perform: {self.action} on resource: {self.resource}"
        layer = (self.layer or Layer.IDENTITY).value
        if self.verdict is Verdict.EXPLICIT_DENY:
            article = "an" if layer[0] in "aeiou" else "a"
            return f"{head} with an explicit deny in {article} {layer}"
        return head if self.silent else f"{head} because no {layer} allows the {self.action} action"
