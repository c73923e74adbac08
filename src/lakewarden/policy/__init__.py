"""IAM policies: documents in, decisions with their determining statements out. Pure: facts are arguments."""

from lakewarden.policy.compile import PolicyKind, compile_policy
from lakewarden.policy.errors import MalformedPolicyDocument
from lakewarden.policy.evaluate import Layers, Request, context_of, decide, matching
from lakewarden.policy.managed import ManagedPolicy, managed_policies
from lakewarden.policy.model import CompiledPolicy

__all__ = [
    "CompiledPolicy",
    "Layers",
    "MalformedPolicyDocument",
    "ManagedPolicy",
    "PolicyKind",
    "Request",
    "compile_policy",
    "context_of",
    "decide",
    "managed_policies",
    "matching",
]
