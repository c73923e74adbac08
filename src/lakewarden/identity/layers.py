"""The policies that apply to a principal right now: the identity side of the guard."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lakewarden.identity.directory import Directory, Present
from lakewarden.identity.model import Role, User
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, Layers, compile_policy


class PrincipalLayers:
    """Implements :class:`lakewarden.guard.PolicyLayers`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def layers(self, principal: Principal) -> Layers:
        """Identity policies, boundary and session policies; nothing at all for strangers and the vanished."""
        present = self._directory.present()
        holder = _holder(present, principal)
        if holder is None:
            return Layers.none()
        return Layers(
            identity=present.policies_of(holder),
            boundary=_boundary(present, holder),
            session=_session(present, principal),
        )


def _holder(present: Present, principal: Principal) -> User | Role | None:
    session = principal.session
    if session is not None and session.role_id:
        role = present.role(session.role_name)
        return role if role is not None and role.id == session.role_id else None
    if principal.type in {PrincipalType.USER, PrincipalType.FEDERATED_USER}:
        user = present.user(principal.name)
        same = principal.type is PrincipalType.FEDERATED_USER or (user is not None and user.id == principal.user_id)
        return user if same else None
    return None


def _boundary(present: Present, holder: User | Role) -> CompiledPolicy | None:
    if not holder.boundary:
        return None
    found = present.managed(holder.boundary, Layer.BOUNDARY)
    # INVARIANT (deny_by_default): a boundary whose policy is gone allows nothing.
    return found if found is not None else CompiledPolicy(Layer.BOUNDARY, holder.boundary, ())


def _session(present: Present, principal: Principal) -> tuple[CompiledPolicy, ...] | None:
    session = principal.session
    federated = principal.type is PrincipalType.FEDERATED_USER
    if session is None:
        return None
    if principal.type is PrincipalType.USER:
        return None if session.mfa else (_USER_SESSION,)
    if not (session.policies or session.policy_arns or federated):
        return None
    inline = tuple(_compiled(document) for document in session.policies)
    managed = tuple(
        policy for arn in session.policy_arns if (policy := present.managed(arn, Layer.SESSION)) is not None
    )
    return inline + managed + ((_FEDERATED_USER,) if federated else ())


@lru_cache(maxsize=1024)
def _compiled(document: str) -> CompiledPolicy:
    return compile_policy(document, layer=Layer.SESSION, name="inline:session")


def _denying(document: Mapping[str, Any]) -> CompiledPolicy:
    return compile_policy(document, layer=Layer.SESSION, name="limits of temporary credentials")


# INVARIANT (no_escalation): temporary credentials of a user cannot make lasting ones
# (IAM User Guide, "Compare AWS STS credentials").
_FEDERATED_USER = _denying(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Deny", "Action": ["iam:*", "sts:*"], "Resource": "*"},
    }
)
_USER_SESSION = _denying(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["iam:*", "sts:GetFederationToken", "sts:GetSessionToken"], "Resource": "*"},
        ],
    }
)
