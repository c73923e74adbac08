"""IAM's OPERATIONS table: handlers and the rules that open them, one module a noun."""

from dataclasses import dataclass

from lakewarden.guard import Operations, table_of
from lakewarden.identity.account import AccountSettings
from lakewarden.identity.api import (
    account,
    credentials,
    groups,
    holders,
    mfa,
    policies,
    profiles,
    providers,
    roles,
    simulation,
    users,
)
from lakewarden.identity.last_used import LastUses
from lakewarden.identity.mfa import MfaDevices
from lakewarden.identity.profiles import InstanceProfiles, LinkedRoles
from lakewarden.identity.providers import Providers
from lakewarden.identity.service import IdentityService
from lakewarden.identity.simulate import Simulator


@dataclass(frozen=True, slots=True)
class Iam:
    """The services behind IAM's operations."""

    identity: IdentityService
    settings: AccountSettings
    profiles: InstanceProfiles
    linked: LinkedRoles
    providers: Providers
    simulator: Simulator
    uses: LastUses
    mfa: MfaDevices


def operations(iam: Iam) -> Operations:
    """IAM's operations."""
    return table_of(
        *users.operations(iam.identity),
        *groups.operations(iam.identity),
        *roles.operations(iam.identity, iam.linked),
        *policies.operations(iam.identity),
        *holders.operations(iam.identity),
        *credentials.operations(iam.identity, iam.settings, iam.uses),
        *account.operations(iam.identity, iam.settings, iam.uses),
        *mfa.operations(iam.identity, iam.mfa),
        *profiles.operations(iam.identity, iam.profiles),
        *providers.operations(iam.identity, iam.providers),
        *simulation.operations(iam.identity, iam.simulator),
    )
