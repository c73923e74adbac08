"""The composition root: the one place that knows every room."""

import json
import secrets
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lakewarden import lock
from lakewarden.adapters.lake import GovernedLake
from lakewarden.adapters.recording import AuditRecorder
from lakewarden.adapters.results import OwnedResults
from lakewarden.adapters.warehouse import GovernedWarehouse
from lakewarden.app import App, pages
from lakewarden.audit import api as audit_api
from lakewarden.audit.anchors import Anchors
from lakewarden.audit.log import AuditLog
from lakewarden.audit.service import EventHistory
from lakewarden.audit.store import AuditStore
from lakewarden.audit.verify import Report, verify
from lakewarden.catalog import api as catalog_api
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.config import Config, ConfigError, DataDirectory, write_private
from lakewarden.dispatch import Dispatcher
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.guard import Guard, Operations
from lakewarden.health import Health
from lakewarden.identity import api as identity_api
from lakewarden.identity import sts
from lakewarden.identity.credentials import CredentialResolver
from lakewarden.identity.directory import Directory
from lakewarden.identity.layers import PrincipalLayers
from lakewarden.identity.model import AccessKey, User
from lakewarden.identity.sealed import KEY_BYTES, KeyRing
from lakewarden.identity.service import IdentityService
from lakewarden.identity.store import IdentityStore
from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.observe import CallLog, Metrics
from lakewarden.permissions import api as permissions_api
from lakewarden.permissions.model import Settings
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.query import api as query_api
from lakewarden.query.prepared import PreparedStatements
from lakewarden.query.run import Runner
from lakewarden.query.scheduler import Scheduler
from lakewarden.query.service import QueryService
from lakewarden.query.store import QueryStore
from lakewarden.query.workgroups import WorkGroups
from lakewarden.state import AUDIT, STATE, Database, Presence, UnusableDatabase
from lakewarden.state.migrate import migrate
from lakewarden.storage import api as storage_api
from lakewarden.storage.blobs import BlobStore
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.wire import Wire
from lakewarden.wire.models import operation_names

ADMINISTRATOR = "lakewarden-admin"
_ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
_HANDLER_THREADS = 16
_KEPT_ROWS = 1000


def now() -> datetime:
    """The server's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Server:
    """A built server; ``close`` finishes what it acknowledged."""

    app: App
    health: Health
    queries: QueryService
    engine: DuckDbEngine
    log: AuditLog
    threads: ThreadPoolExecutor
    presence: Presence
    databases: tuple[Database, ...]

    def close(self) -> None:
        """Stop in the order of dependence: queries, engine, handlers, audit, databases."""
        self.queries.close()
        self.engine.close()
        self.threads.shutdown()
        self.log.close()
        self.presence.leave()
        for database in self.databases:
            database.close()


def initialise(directory: DataDirectory, account: str, region: str, database_url: str = "") -> Mapping[str, str]:
    """``lakewarden init``: the account, its keys, its administrator. Answers what is printed once.

    Raises :class:`ConfigError` when the directory or the database is taken, or a name is not valid.
    """
    config = Config(account or str(secrets.randbelow(9 * 10**11) + 10**11), region, database_url)
    directory.create()
    with lock.held(directory):
        write_private(directory.key_file, _new_keys())
        write_private(directory.metrics_token_file, secrets.token_urlsafe(32).encode())
        _open(*_audit_place(directory, config)).close()
        database = _open(*_state_place(directory, config))
        try:
            identity = IdentityService(IdentityStore(database), _key_ring(directory), config.account_id, now)
            permissions = PermissionService(
                PermissionStore(database), CatalogStore(database), identity, config.account_id, now
            )
            arn, key, secret = _administrator(identity, permissions)
        finally:
            database.close()
        profile = f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {secret}\nregion = {region}\n"
        write_private(directory.profile_file, profile.encode())
        directory.save(config)
    return {
        "AccountId": config.account_id,
        "Region": config.region,
        "UserArn": arn,
        "AccessKeyId": key.id,
        "SecretAccessKey": secret,
    }


def _administrator(identity: IdentityService, permissions: PermissionService) -> tuple[str, AccessKey, str]:
    """The first user: ARN, key and secret. The settings come last; without them an ``init`` was killed before."""
    if permissions.registry.settings().administrators:
        raise ConfigError(
            "the database holds an account already; for a further server on it copy config.json, master.key and"
            " objects (or share the whole directory)"
        )
    user = identity.find(User, ADMINISTRATOR) or identity.create_user(ADMINISTRATOR)
    for left in identity.keys(user.name):
        identity.delete_key(user.name, left.id)
    identity.attach(User, user.name, _ADMINISTRATOR_ACCESS)
    key, secret = identity.create_key(user.name)
    arn = identity.arn(user)
    permissions.set_settings(None, Settings((arn,), {}))
    return arn, key, secret


def build(directory: DataDirectory, config: Config, *, alone: bool) -> Server:
    """Everything that ``lakewarden serve`` runs. ``alone``: no other server is at work in the directory."""
    account, region = config.account_id, config.region
    database = _open(*_state_place(directory, config))
    audit_database = _open(*_audit_place(directory, config))
    presence = database.join()
    ring = _key_ring(directory)

    log = AuditLog(AuditStore(audit_database), Anchors(directory.audit_heads, _signing_key(directory)))
    recorder = AuditRecorder(log, account, now)

    identities = IdentityStore(database)
    directory_of_people = Directory(identities, account)
    identity = IdentityService(identities, ring, account, now)
    resolver = CredentialResolver(directory_of_people, ring, account)
    guard = Guard(PrincipalLayers(directory_of_people))

    storage = StorageService(StorageStore(database), BlobStore(directory.objects, alone=alone), now)
    storage.sweep()
    catalog_store = CatalogStore(database)
    permissions = PermissionService(PermissionStore(database), catalog_store, identity, account, now)
    catalog = CatalogService(catalog_store, permissions, now)

    lake = GovernedLake(catalog, storage, guard, account, region)
    results = OwnedResults(storage, guard, account, region)
    warehouse = GovernedWarehouse(catalog, permissions, storage, guard, account, region)
    limits = Limits.of_this_machine()
    if alone:
        shutil.rmtree(directory.spill, ignore_errors=True)
    engine = DuckDbEngine(directory.objects, directory.spill / presence.server, limits)
    # Two threads more than workers: DDL and SHOW need no worker and shall not wait for one.
    scheduler = Scheduler(limits.workers + 2, max(1, limits.workers - 1))
    query_store = QueryStore(database, presence)
    groups = WorkGroups(query_store, account, region, now)
    prepared = PreparedStatements(query_store, guard, account, region, now)
    runner = Runner(lake, engine, warehouse, results, recorder, prepared, _KEPT_ROWS - 1)
    queries = QueryService(
        query_store, groups, runner, results, recorder, guard, scheduler, resolver.still_valid, account, region, now
    )
    queries.recover()

    services: dict[str, Operations] = {
        "iam": identity_api.operations(identity),
        "sts": sts.operations(sts.TokenService(directory_of_people, ring, account), account),
        "s3": storage_api.operations(storage_api.Gateway(storage, guard, region, account)),
        "glue": catalog_api.operations(catalog, account, region),
        "lakeformation": permissions_api.operations(permissions, account),
        "athena": query_api.operations(query_api.Handlers(queries, groups, prepared, lake), account, region),
        "cloudtrail": audit_api.operations(EventHistory(AuditStore(audit_database))),
    }
    check(services)
    metrics = Metrics()
    threads = ThreadPoolExecutor(_HANDLER_THREADS, thread_name_prefix="handler")
    wire = Wire(resolver, region, ("localhost", "s3.localhost"))
    dispatcher = Dispatcher(wire, guard, services, recorder, metrics, CallLog(), threads)
    health = Health(recorder.ready)
    app = App(dispatcher, pages(health, metrics, _metrics_token(directory)))
    return Server(app, health, queries, engine, log, threads, presence, (database, audit_database))


def check(services: Mapping[str, Operations]) -> None:
    """Start-up fails on an operation that AWS does not have; one without a rule cannot even be declared."""
    for service, operations in services.items():
        unknown = set(operations) - operation_names(service)
        if unknown:
            raise ConfigError(f"{service} has no operation {', '.join(sorted(unknown))}")


def verify_audit(directory: DataDirectory) -> Report:
    """``lakewarden audit verify``."""
    database = Database(*_audit_place(directory, directory.load()))
    try:
        return verify(AuditStore(database), directory.audit_heads, _signing_key(directory).public_key())
    finally:
        database.close()


def _state_place(directory: DataDirectory, config: Config) -> tuple[str, int]:
    return config.database_url or directory.state_url, STATE


def _audit_place(directory: DataDirectory, config: Config) -> tuple[str, int]:
    return config.database_url or directory.audit_url, AUDIT


def _open(url: str, lane: int) -> Database:
    database = Database(url, lane)
    try:
        migrate(database)
    except (UnusableDatabase, ServiceUnavailable) as error:
        database.close()
        raise ConfigError(str(error)) from error
    return database


def _metrics_token(directory: DataDirectory) -> str:
    """Empty, which fits nobody, where the file was removed."""
    file = directory.metrics_token_file
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _new_keys() -> bytes:
    keys = {"current": "k1", "keys": {"k1": secrets.token_hex(KEY_BYTES)}}
    return (json.dumps(keys) + "\n").encode()


def _key_ring(directory: DataDirectory) -> KeyRing:
    body = _keys(directory)
    return KeyRing({name: bytes.fromhex(key) for name, key in body["keys"].items()}, body["current"])


def _signing_key(directory: DataDirectory) -> Ed25519PrivateKey:
    """The audit log's key, derived from the oldest master key, so that it stands through rotations."""
    first = bytes.fromhex(next(iter(_keys(directory)["keys"].values())))
    derived = HKDF(SHA256(), 32, salt=None, info=b"lakewarden audit heads").derive(first)
    return Ed25519PrivateKey.from_private_bytes(derived)


def _keys(directory: DataDirectory) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(directory.key_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{directory.key_file} cannot be read: {error}") from error
    return body
