"""Which callers are engines that enforce columns and rows themselves. Pure.

Lake Formation Developer Guide, "Application integration": external data filtering must be allowed, the caller's account (or
principal) be listed, and its session be tagged ``LakeFormationAuthorizedCaller`` with a listed value.
"""

from collections.abc import Set

from lakewarden.kernel.call import Principal
from lakewarden.kernel.lake import GovernedTable
from lakewarden.permissions.errors import PermissionTypeMismatchException
from lakewarden.permissions.model import Settings

SESSION_TAG = "LakeFormationAuthorizedCaller"


def is_trusted(principal: Principal, settings: Settings) -> bool:
    """Whether ``principal`` is a registered engine.

    INVARIANT (deny_by_default): only a tag of the session counts; a role's own tags say nothing about who uses it.
    """
    document = settings.document
    if not document.get("AllowExternalDataFiltering") or principal.session is None:
        return False
    listed = {one.get("DataLakePrincipalIdentifier") for one in document.get("ExternalDataFilteringAllowList") or ()}
    value = principal.session.tags.get(SESSION_TAG)
    return bool(listed & {principal.account, principal.grantee_arn}) and value in (
        document.get("AuthorizedSessionTagValueList") or ()
    )


def full_table_access(settings: Settings) -> bool:
    """Whether engines that are not registered get credentials for tables that their caller may read whole."""
    return bool(settings.document.get("AllowFullTableExternalDataAccess"))


def check_supported(governed: GovernedTable, supported: Set[str]) -> None:
    """Raise PermissionTypeMismatch unless an engine that enforces ``supported`` can keep to what its caller may read."""
    access, table = governed.access, governed.table
    if access.columns and access.cells and "CELL_FILTER_PERMISSION" not in supported:
        raise PermissionTypeMismatchException("The engine does not support CELL_FILTER_PERMISSION.")
    either = supported & {"COLUMN_PERMISSION", "CELL_FILTER_PERMISSION"}
    if len(access.columns) < len(table.all_columns) and not either:
        raise PermissionTypeMismatchException("The engine does not support COLUMN_PERMISSION.")
