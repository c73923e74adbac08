"""What Athena, crawlers and writers ask IAM about the catalog in somebody's name: one place, one wording."""

from lakewarden.catalog.attached import Attached
from lakewarden.catalog.rules import attached_access
from lakewarden.guard import Access, Guard
from lakewarden.guard.operation import ContextValues
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call

FORWARDED: ContextValues = {"aws:CalledVia": ("athena.amazonaws.com",), "aws:ViaAWSService": "true"}
"""The context of what Athena asks in its caller's name (IAM User Guide, "Forward access sessions")."""


class GlueRights:
    """Asks for Glue's actions on catalog, database and table.

    INVARIANT (deny_by_default): with all that is attached to each of them, the account's Glue resource policy and the
    resource's tags, as when Glue itself is called.
    """

    def __init__(
        self, guard: Guard, attached: Attached, account: str, region: str, context: ContextValues = FORWARDED
    ) -> None:
        self._guard = guard
        self._attached = attached
        self._account = account
        self._region = region
        self._context = context

    def require(self, call: Call, action: str, *resources: str) -> None:
        """Raise AccessDenied unless ``action`` is allowed on each of ``catalog``, ``database/d``, ``table/d/t``."""
        for resource in resources:
            self._guard.require(call, self._access(action, resource))

    def require_table(self, call: Call, action: str, database: str, name: str) -> None:
        """The same on a table, its database and the catalog."""
        self.require(call, action, *_around(database, name))

    def allowed_table(self, call: Call, action: str, database: str, name: str) -> bool:
        """Whether :meth:`require_table` would let the call pass."""
        return all(
            self._guard.check(call, self._access(action, resource)).allowed for resource in _around(database, name)
        )

    def _access(self, action: str, resource: str) -> Access:
        arn = str(Arn("glue", self._region, self._account, resource))
        return attached_access(self._attached, action, arn, self._context)


def _around(database: str, name: str) -> tuple[str, ...]:
    return "catalog", f"database/{database}", f"table/{database}/{name}"
