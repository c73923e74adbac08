"""The identity context over a real database, asked through the real guard; no sockets."""

import asyncio
import inspect
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lakewarden.guard import Guard
from lakewarden.identity import api, sts
from lakewarden.identity.account import AccountSettings
from lakewarden.identity.credentials import CredentialResolver
from lakewarden.identity.directory import Directory
from lakewarden.identity.last_used import LastUses
from lakewarden.identity.layers import PrincipalLayers
from lakewarden.identity.messages import encoder
from lakewarden.identity.mfa import MfaDevices
from lakewarden.identity.profiles import InstanceProfiles, LinkedRoles
from lakewarden.identity.providers import Providers
from lakewarden.identity.saml import SamlIdentities
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.service import IdentityService
from lakewarden.identity.simulate import Simulator
from lakewarden.identity.store import IdentityStore
from lakewarden.identity.web_identity import Key, WebIdentities
from lakewarden.kernel.call import ANONYMOUS, Call, Principal
from lakewarden.state import Database

ACCOUNT = "111122223333"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class GivenKeys:
    """``SigningKeys`` of issuers that a test invents."""

    def __init__(self) -> None:
        self.by_issuer: dict[str, list[Key]] = {}

    def keys(self, issuer: str, kid: str) -> list[Key]:
        del kid
        return self.by_issuer.get(issuer, [])


class House:
    """One account, and a clock that stands until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.database = Database(f"sqlite:///{folder / 'state.db'}")
        self.database.create_schema()
        store = IdentityStore(self.database)
        ring = KeyRing({"k1": b"k" * 32}, "k1")
        self.service = IdentityService(store, ring, ACCOUNT, lambda: self.now)
        directory = Directory(store, ACCOUNT)
        self.resolver = CredentialResolver(directory, ring, ACCOUNT)
        self.guard = Guard(PrincipalLayers(directory), encoder(ring))
        self.uses = LastUses(store)
        self.signing = GivenKeys()
        self.providers = Providers(store, ACCOUNT, lambda: self.now)
        self.settings = AccountSettings(store, ACCOUNT, lambda: self.now)
        mfa = MfaDevices(store, ring, ACCOUNT, lambda: self.now)
        iam = api.Iam(
            self.service,
            self.settings,
            InstanceProfiles(store, lambda: self.now),
            LinkedRoles(store, lambda: self.now),
            self.providers,
            Simulator(self.service, directory),
            self.uses,
            mfa,
        )
        web, saml = WebIdentities(self.providers, self.signing), SamlIdentities(self.providers, ACCOUNT)
        tokens = sts.TokenService(directory, ring, ACCOUNT, web, mfa, saml)
        self.tables = {"iam": api.operations(iam), "sts": sts.operations(tokens, ACCOUNT)}
        self.admin = self.user("admin", attached=ADMINISTRATOR)

    def close(self) -> None:
        self.uses.close()
        self.database.close()

    def user(self, name: str, *statements: Mapping[str, Any], attached: str = "") -> Principal:
        """A new user with an inline policy of ``statements``, signed in with its own key."""
        from lakewarden.identity.model import User

        self.service.create_user(name)
        if statements:
            self.service.put_inline(User, name, "own", document(*statements))
        if attached:
            self.service.attach(User, name, attached)
        return self.resolver.resolve(self.service.create_key(name)[0].id, None, self.now).principal

    def role(self, name: str, trust: Mapping[str, Any], *statements: Mapping[str, Any], **options: Any) -> str:
        """A new role; answers its ARN."""
        from lakewarden.identity.model import Role

        role = self.service.create_role(name, document(trust), **options)
        if statements:
            self.service.put_inline(Role, name, "own", document(*statements))
        return self.service.arn(role)

    def call(self, who: Principal, service: str, operation: str, **params: Any) -> Any:
        """Authorise and run; the answer's members. Raises what the client would be told."""
        row = self.tables[service][operation]
        call = Call(who, service, operation, params, "request", self.now, "us-east-1", "203.0.113.7", "test")
        if row.identify is not None:
            call = replace(call, principal=row.identify(call))
        answer = row.handler(self.guard.authorize(call, row))
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    def iam(self, who: Principal, operation: str, **params: Any) -> Any:
        return self.call(who, "iam", operation, **params)

    def sts(self, who: Principal, operation: str, **params: Any) -> Any:
        return self.call(who, "sts", operation, **params)

    def anonymous(self, operation: str, **params: Any) -> Any:
        return self.call(ANONYMOUS, "sts", operation, **params)

    def signed_in(self, answer: Mapping[str, Any]) -> Principal:
        """The principal that temporary credentials make."""
        keys = answer["Credentials"]
        return self.resolver.resolve(keys["AccessKeyId"], keys["SessionToken"], self.now).principal

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}
