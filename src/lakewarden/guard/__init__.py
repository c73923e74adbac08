"""The only place where an authenticated call becomes an authorised one."""

from lakewarden.guard.authorize import Authorizer, Guard, PolicyLayers
from lakewarden.guard.operation import (
    Access,
    AuthorizedCall,
    Handler,
    Operation,
    Operations,
    Rule,
    on,
    own,
    table_of,
)

__all__ = [
    "Access",
    "AuthorizedCall",
    "Authorizer",
    "Guard",
    "Handler",
    "Operation",
    "Operations",
    "PolicyLayers",
    "Rule",
    "on",
    "own",
    "table_of",
]
