"""The composition root: the one place that knows every room."""

import json
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lakewarden.adapters.lake import GovernedLake
from lakewarden.adapters.recording import AuditRecorder
from lakewarden.adapters.results import OwnedResults
from lakewarden.app import App
from lakewarden.audit import api as audit_api
from lakewarden.audit.anchors import Anchors
from lakewarden.audit.log import AuditLog
from lakewarden.audit.service import EventHistory
from lakewarden.audit.store import AuditStore
from lakewarden.audit.verify import Report, verify
from lakewarden.catalog import api as catalog_api
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.config import OBJECTS_KEY_ID, OBJECTS_SECRET, Config, ConfigError, DataDirectory, write_private
from lakewarden.dispatch import Dispatcher
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.guard import Guard, Operations
from lakewarden.identity import api as identity_api
from lakewarden.identity import sts
from lakewarden.identity.credentials import CredentialResolver
from lakewarden.identity.directory import Directory
from lakewarden.identity.layers import PrincipalLayers
from lakewarden.identity.model import User
from lakewarden.identity.sealed import KEY_BYTES, KeyRing
from lakewarden.identity.service import IdentityService
from lakewarden.identity.store import IdentityStore
from lakewarden.observe import Metrics
from lakewarden.permissions import api as permissions_api
from lakewarden.permissions.model import Settings
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.query import api as query_api
from lakewarden.query.run import Runner
from lakewarden.query.scheduler import Scheduler
from lakewarden.query.service import QueryService
from lakewarden.query.store import QueryStore
from lakewarden.state import Database
from lakewarden.state.migrate import migrate
from lakewarden.storage import api as storage_api
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.ports import Blobs
from lakewarden.storage.remote import RemoteBlobs, place_of
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.storage.sweep import Sweeper, SweepThread
from lakewarden.storage.uploads import Uploads
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
    scheduler: Scheduler
    engine: DuckDbEngine
    log: AuditLog
    threads: ThreadPoolExecutor
    databases: tuple[Database, ...]
    sweeping: SweepThread

    def close(self) -> None:
        """Stop in the order of dependence: queries, engine, handlers, audit, databases."""
        self.scheduler.close()
        self.engine.close()
        self.threads.shutdown()
        self.sweeping.close()
        self.log.close()
        for database in self.databases:
            database.close()


def initialise(directory: DataDirectory, account: str, region: str) -> Mapping[str, str]:
    """``lakewarden init``: the account, its keys, its administrator. Answers what is printed once.

    Raises :class:`ConfigError` when the directory is taken or a name is not valid.
    """
    config = Config(account or str(secrets.randbelow(9 * 10**11) + 10**11), region)
    directory.create()
    write_private(directory.key_file, _new_keys())
    database = _open(directory.state_url)
    _open(directory.audit_url).close()
    try:
        identity = IdentityService(IdentityStore(database), _key_ring(directory), config.account_id, now)
        user = identity.create_user(ADMINISTRATOR)
        identity.attach(User, user.name, _ADMINISTRATOR_ACCESS)
        key, secret = identity.create_key(user.name)
        arn = identity.arn(user)
        permissions = PermissionService(
            PermissionStore(database), CatalogStore(database), identity, config.account_id, now
        )
        permissions.set_settings(None, Settings((arn,), {}))
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


def build(directory: DataDirectory) -> Server:
    """Everything that ``lakewarden serve`` runs."""
    config = directory.load()
    account, region = config.account_id, config.region
    database = _open(config.database_url or directory.state_url)
    audit_database = database if config.database_url else _open(directory.audit_url)
    ring = _key_ring(directory)

    log = AuditLog(AuditStore(audit_database), Anchors(directory.audit_heads, _signing_key(directory)))
    recorder = AuditRecorder(log, account, now)

    identities = IdentityStore(database)
    directory_of_people = Directory(identities, account)
    identity = IdentityService(identities, ring, account, now)
    resolver = CredentialResolver(directory_of_people, ring, account)
    guard = Guard(PrincipalLayers(directory_of_people))

    index, blobs = StorageStore(database), _blobs(config, directory)
    storage = StorageService(index, blobs, now)
    uploads = Uploads(storage, index, blobs)
    sweeper = Sweeper(index, blobs, now)
    sweeper.orphans()
    catalog_store = CatalogStore(database)
    permissions = PermissionService(PermissionStore(database), catalog_store, identity, account, now)
    catalog = CatalogService(catalog_store, permissions, now)

    lake = GovernedLake(catalog, storage, guard, account, region)
    results = OwnedResults(storage, guard, account, region)
    limits = Limits()
    engine = DuckDbEngine(directory.objects, directory.spill, limits)
    scheduler = Scheduler(limits.workers)
    runner = Runner(lake, engine, results, recorder, _KEPT_ROWS - 1)
    queries = QueryService(
        QueryStore(database), runner, results, recorder, guard, scheduler, resolver.still_valid, account, region, now
    )
    queries.recover()

    services: dict[str, Operations] = {
        "iam": identity_api.operations(identity),
        "sts": sts.operations(sts.TokenService(directory_of_people, ring, account), account),
        "s3": storage_api.operations(storage, uploads, guard, account),
        "glue": catalog_api.operations(catalog, account, region),
        "lakeformation": permissions_api.operations(permissions, account),
        "athena": query_api.operations(query_api.Handlers(queries, lake), account, region),
        "cloudtrail": audit_api.operations(EventHistory(AuditStore(audit_database))),
    }
    check(services)
    metrics = Metrics()
    threads = ThreadPoolExecutor(_HANDLER_THREADS, thread_name_prefix="handler")
    wire = Wire(resolver, region, ("localhost", "s3.localhost"))
    dispatcher = Dispatcher(wire, guard, services, recorder, metrics, threads)
    databases = (database,) if audit_database is database else (database, audit_database)
    return Server(App(dispatcher, metrics), scheduler, engine, log, threads, databases, SweepThread(sweeper))


def check(services: Mapping[str, Operations]) -> None:
    """Start-up fails on an operation that AWS does not have; one without a rule cannot even be declared."""
    for service, operations in services.items():
        unknown = set(operations) - operation_names(service)
        if unknown:
            raise ConfigError(f"{service} has no operation {', '.join(sorted(unknown))}")


def _blobs(config: Config, directory: DataDirectory) -> Blobs:
    """Where objects' bytes lie. Either way the files that the engine may open are below ``directory.objects``."""
    if not config.objects_url:
        return LocalBlobs(directory.objects)
    keys = (os.environ.get(OBJECTS_KEY_ID, ""), os.environ.get(OBJECTS_SECRET, ""))
    try:
        place = place_of(config.objects_url, config.region, *keys)
    except ValueError as error:
        raise ConfigError(f"objects_url: {error}; the keys are {OBJECTS_KEY_ID} and {OBJECTS_SECRET}") from error
    return RemoteBlobs(place.store(), directory.objects, config.objects_cache_bytes)


def verify_audit(directory: DataDirectory) -> Report:
    """``lakewarden audit verify``."""
    config = directory.load()
    database = Database(config.database_url or directory.audit_url)
    try:
        return verify(AuditStore(database), directory.audit_heads, _signing_key(directory).public_key())
    finally:
        database.close()


def _open(url: str) -> Database:
    database = Database(url)
    migrate(database)
    return database


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
