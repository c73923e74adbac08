"""What each Glue operation asks of IAM."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.catalog.attached import Attached
from lakewarden.guard import Access, Rule
from lakewarden.guard.operation import ContextValues
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call

Params = Mapping[str, Any]


class Rules:
    """Glue asks for the right on the catalog, the database and the table (Service Authorization Reference, "Glue")."""

    def __init__(self, attached: Attached, account: str, region: str) -> None:
        self._attached = attached
        self._account = account
        self._region = region

    def arn(self, resource: str) -> str:
        """The ARN of ``catalog``, ``database/d`` or ``table/d/t``."""
        return str(Arn("glue", self._region, self._account, resource))

    def catalog(self, call: Call) -> Sequence[Access]:
        """On the catalog alone."""
        return self._asks(call, "catalog")

    def database(self, member: str) -> Rule:
        """On the database that ``member`` names."""
        return lambda call: self._asks(call, "catalog", f"database/{_member(call.params, member)}")

    def table(self, member: str) -> Rule:
        """On the table that ``member`` names within DatabaseName."""

        def rule(call: Call) -> Sequence[Access]:
            database = str(call.params["DatabaseName"]).lower()
            return self._asks(
                call, "catalog", f"database/{database}", f"table/{database}/{_member(call.params, member)}"
            )

        return rule

    def tables(self, member: str) -> Rule:
        """On each of the tables that ``member`` lists within DatabaseName."""

        def rule(call: Call) -> Sequence[Access]:
            database = str(call.params["DatabaseName"]).lower()
            tables = (f"table/{database}/{name.lower()}" for name in call.params[member])
            return self._asks(call, "catalog", f"database/{database}", *tables)

        return rule

    def crawler(self, member: str = "Name", action: str = "", **context: str) -> Rule:
        """On the crawlers that ``member`` names, or all."""

        def rule(call: Call) -> Sequence[Access]:
            named = (call.params.get(member) if member else None) or ["*"]
            names = [named] if isinstance(named, str) else named
            return [
                self._access(action or f"glue:{call.operation}", self.arn(f"crawler/{name}"), call, context)
                for name in names
            ]

        return rule

    def given_arn(self, call: Call) -> Sequence[Access]:
        """On the resource that ResourceArn names."""
        return [self._access(f"glue:{call.operation}", str(call.params["ResourceArn"]), call, {})]

    def _asks(self, call: Call, *resources: str) -> Sequence[Access]:
        return tuple(self._access(f"glue:{call.operation}", self.arn(resource), call, {}) for resource in resources)

    def _access(self, action: str, arn: str, call: Call, context: Mapping[str, str]) -> Access:
        asked: dict[str, str | Sequence[str]] = dict(context)
        tags = call.params.get("Tags") or call.params.get("TagsToAdd") or {}
        keys = tuple(tags) or tuple(call.params.get("TagsToRemove") or ())
        asked |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        if keys:
            asked["aws:TagKeys"] = keys
        return attached_access(self._attached, action, arn, asked)


def attached_access(attached: Attached, action: str, arn: str, context: ContextValues) -> Access:
    """One question with all that is attached to the resource: its tags, and the account's Glue resource policy."""
    tagged = {f"aws:ResourceTag/{key}": value for key, value in attached.tags(arn).items()}
    policy = attached.policy()
    return Access(action, arn, {**context, **tagged}, policy.compiled if policy is not None else None)


def _member(params: Params, path: str) -> str:
    value: Any = params
    for part in path.split("."):
        value = (value or {}).get(part)
    return str(value or "").lower()
