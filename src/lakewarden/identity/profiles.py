"""Instance profiles, and the roles that are linked to services."""

import json
import re
from collections.abc import Mapping

import msgspec

from lakewarden.identity.entities import checked_name, checked_path, insert, require
from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
)
from lakewarden.identity.model import InstanceProfile, Role
from lakewarden.identity.service import LINKED_PATH
from lakewarden.identity.sessions import new_id
from lakewarden.identity.store import IdentityStore
from lakewarden.kernel.clock import Clock

_SUFFIX = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_LINKED: Mapping[str, str] = {
    "lakeformation.amazonaws.com": "AWSServiceRoleForLakeFormationDataAccess",
    "sagemaker.amazonaws.com": "AWSServiceRoleForAmazonSageMakerNotebooks",
    "sso.amazonaws.com": "AWSServiceRoleForSSO",
    "cloudtrail.amazonaws.com": "AWSServiceRoleForCloudTrail",
}


class InstanceProfiles:
    """Containers for one role each."""

    def __init__(self, store: IdentityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(self, name: str, path: str, tags: Mapping[str, str]) -> InstanceProfile:
        """CreateInstanceProfile."""
        with self._store.write() as identities:
            profile = InstanceProfile(
                name=checked_name(name, "instanceProfileName", 128), id=new_id(InstanceProfile.id_prefix),
                created=self._clock().isoformat(), path=checked_path(path), tags=dict(tags),
            )  # fmt: skip
            return insert(identities, profile)

    def delete(self, name: str) -> None:
        """DeleteInstanceProfile; raises :class:`DeleteConflict` while a role is in it."""
        with self._store.write() as identities:
            found = require(identities, InstanceProfile, name)
            if found.role:
                raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
            identities.delete(found)

    def add_role(self, name: str, role: str) -> None:
        """AddRoleToInstanceProfile: one role at most."""
        with self._store.write() as identities:
            found = require(identities, InstanceProfile, name)
            added = require(identities, Role, role)
            if found.role:
                raise LimitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
            identities.put(msgspec.structs.replace(found, role=added.name))

    def remove_role(self, name: str, role: str) -> None:
        """RemoveRoleFromInstanceProfile."""
        with self._store.write() as identities:
            found = require(identities, InstanceProfile, name)
            if not found.role or found.role.lower() != role.lower():
                raise NoSuchEntity(f"Role with name {role} cannot be found in the instance profile.")
            identities.put(msgspec.structs.replace(found, role=""))


class LinkedRoles:
    """Service-linked roles: made for a service, changed by nobody, deleted only as such."""

    def __init__(self, store: IdentityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @staticmethod
    def name_for(service: str, suffix: str = "") -> str:
        """The role's name; raises :class:`InvalidInput` for a service that has no linked role here."""
        base = _LINKED.get(service)
        if base is None:
            raise InvalidInput(f"The service name {service} is not one that has a service-linked role here.")
        if suffix and not _SUFFIX.fullmatch(suffix):
            raise InvalidInput("The custom suffix is not valid.")
        return f"{base}_{suffix}" if suffix else base

    def create(self, service: str, description: str, suffix: str) -> Role:
        """CreateServiceLinkedRole."""
        name = self.name_for(service, suffix)
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
        with self._store.write() as identities:
            if identities.get(Role, name) is not None:
                raise EntityAlreadyExists(f"Service role name {name} has been taken in this account.")
            role = Role(
                name=checked_name(name, "roleName", 64), id=new_id(Role.id_prefix), created=self._clock().isoformat(),
                path=f"{LINKED_PATH}{service}/", trust=json.dumps(trust), description=description,
            )  # fmt: skip
            return insert(identities, role)

    def delete(self, name: str) -> str:
        """DeleteServiceLinkedRole: done when it returns; answers the task's id."""
        with self._store.write() as identities:
            found = require(identities, Role, name)
            if not found.path.startswith(LINKED_PATH):
                raise InvalidInput(f"The role {name} is not a service-linked role.")
            identities.delete(found)
        return f"task{found.path}{found.name}/{found.id}"

    def deletion_status(self, task: str) -> str:
        """GetServiceLinkedRoleDeletionStatus; raises :class:`NoSuchEntity` for what is no deletion's id."""
        parts = task.split("/")
        if len(parts) != 5 or parts[:2] != ["task", "aws-service-role"] or not parts[4].startswith("AROA"):
            raise NoSuchEntity("The deletion task cannot be found.")
        with self._store.read() as identities:
            role = identities.get(Role, parts[3])
        if role is not None and role.id == parts[4]:
            raise NoSuchEntity("The deletion task cannot be found.")
        return "SUCCEEDED"
