"""The rows of Lake Formation's OPERATIONS table that hand out credentials."""

from collections.abc import Callable, Iterable
from typing import Any

from lakewarden.guard import AuthorizedCall, Operation, on
from lakewarden.kernel.arn import Arn
from lakewarden.permissions.errors import InvalidInputException
from lakewarden.permissions.locations import path_of
from lakewarden.permissions.ports import Vended
from lakewarden.permissions.shapes import Params
from lakewarden.permissions.vending import Asked, Vending

_HIDDEN = frozenset(
    {"SecretAccessKey", "SessionToken", "Credentials.SecretAccessKey", "Credentials.SessionToken"}
)  # fmt: skip


class VendingHandlers:
    """Handlers over :class:`Vending`. All ask IAM for the virtual action lakeformation:GetDataAccess."""

    def __init__(self, vending: Vending, account: str, region: str) -> None:
        self._vending = vending
        self._account = account
        self._region = region

    def operations(self) -> Iterable[Operation]:
        """One row an operation."""
        rule = on("lakeformation:GetDataAccess")
        rows: tuple[tuple[str, Callable[[AuthorizedCall], Params]], ...] = (
            ("GetTemporaryGlueTableCredentials", self.table),
            ("GetTemporaryGluePartitionCredentials", self.partition),
            ("GetTemporaryDataLocationCredentials", self.location),
        )
        for name, do in rows:
            yield Operation(name, do, rule, read_only=True, hidden=_HIDDEN)

    def table(self, call: AuthorizedCall) -> Params:
        """GetTemporaryGlueTableCredentials."""
        database, table = self._named(call.params)
        found = self._vending.for_table(call.call, database, table, _asked(call.params))
        return {**_answer(found), "VendedS3Path": [found.location]}

    def partition(self, call: AuthorizedCall) -> Params:
        """GetTemporaryGluePartitionCredentials."""
        database, table = self._named(call.params)
        values = call.params["Partition"]["Values"]
        return _answer(self._vending.for_partition(call.call, database, table, values, _asked(call.params)))

    def location(self, call: AuthorizedCall) -> Params:
        """GetTemporaryDataLocationCredentials, for one location."""
        params = call.params
        locations = list(params.get("DataLocations") or [])
        if len(locations) != 1 or not path_of(locations[0]):
            raise InvalidInputException("Exactly one data location must be given.")
        scope = params.get("CredentialsScope") or "READ"
        wanted = {"SELECT"} if scope == "READ" else {"SELECT", "INSERT", "DELETE"}
        asked = Asked(frozenset(wanted), params.get("DurationSeconds"), context=_context(params))
        found = self._vending.for_location(call.call, locations[0], asked)
        return {"Credentials": _answer(found), "AccessibleDataLocations": [locations[0]], "CredentialsScope": scope}

    def _named(self, params: Params) -> tuple[str, str]:
        try:
            arn = Arn.parse(params["TableArn"])
        except ValueError as error:
            raise InvalidInputException("TableArn is invalid.") from error
        kind, _, rest = arn.resource.partition("/")
        database, _, table = rest.partition("/")
        if (arn.service, arn.region, arn.account, kind) != ("glue", self._region, self._account, "table"):
            raise InvalidInputException("TableArn is invalid.")
        return database.lower(), table.lower()


def _asked(params: Params) -> Asked:
    return Asked(
        frozenset(params.get("Permissions") or ("SELECT",)),
        params.get("DurationSeconds"),
        frozenset(params.get("SupportedPermissionTypes") or ()),
        params.get("S3Path") or "",
        _context(params),
    )


def _context(params: Params) -> str:
    return str((params.get("AuditContext") or {}).get("AdditionalAuditContext") or "")


def _answer(found: Vended) -> dict[str, Any]:
    return {
        "AccessKeyId": found.key_id,
        "SecretAccessKey": found.secret,
        "SessionToken": found.token,
        "Expiration": found.expires,
    }
