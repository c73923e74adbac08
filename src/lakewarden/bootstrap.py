"""The composition root: the one place that knows every room."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime

from lakewarden import lock
from lakewarden.adapters.audit_tables import ensure_catalog
from lakewarden.adapters.crawls import CrawlerRoleLake
from lakewarden.adapters.executions import KeptExecutions
from lakewarden.adapters.expiry import AuditedExpiry
from lakewarden.adapters.iceberg import GovernedIceberg
from lakewarden.adapters.lake import GovernedLake
from lakewarden.adapters.partitioning import GovernedPartitions
from lakewarden.adapters.results import OwnedResults
from lakewarden.adapters.trail_queries import GovernedTrail
from lakewarden.adapters.vending import AuditedDisclosures, RegisteredRoleSessions
from lakewarden.adapters.warehouse import GovernedWarehouse
from lakewarden.app import App, pages
from lakewarden.audit import api as audit_api
from lakewarden.audit.lake import LakeService
from lakewarden.audit.lake_store import LakeStore
from lakewarden.audit.verify import Report
from lakewarden.bootstrap_audit import AuditDatabases, AuditHalf, build_audit, master_keys, verify_log
from lakewarden.bootstrap_studio import Identities, NotebookSettings, build_studio
from lakewarden.catalog import api as catalog_api
from lakewarden.catalog.api_classifiers import ClassifierHandlers
from lakewarden.catalog.api_crawlers import CrawlerHandlers
from lakewarden.catalog.classifiers import Classifiers
from lakewarden.catalog.crawler_store import CrawlerStore
from lakewarden.catalog.crawlers import CrawlerService
from lakewarden.catalog.iceberg import IcebergCommits
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.config import OBJECTS_KEY_ID, OBJECTS_SECRET, Config, ConfigError, DataDirectory, write_private
from lakewarden.dispatch import Dispatcher
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.engines.iceberg import IcebergScribe
from lakewarden.guard import Guard, Operations
from lakewarden.health import Health
from lakewarden.identity import api as identity_api
from lakewarden.identity import sts
from lakewarden.identity.account import AccountSettings
from lakewarden.identity.credentials import CredentialResolver
from lakewarden.identity.directory import Directory
from lakewarden.identity.jwks import ProviderKeys
from lakewarden.identity.last_used import LastUses
from lakewarden.identity.layers import PrincipalLayers
from lakewarden.identity.messages import encoder
from lakewarden.identity.mfa import MfaDevices
from lakewarden.identity.model import AccessKey, User
from lakewarden.identity.profiles import InstanceProfiles, LinkedRoles
from lakewarden.identity.providers import Providers
from lakewarden.identity.saml import SamlIdentities
from lakewarden.identity.sealed import KEY_BYTES, KeyRing
from lakewarden.identity.service import IdentityService
from lakewarden.identity.simulate import Simulator
from lakewarden.identity.store import IdentityStore
from lakewarden.identity.sts import TokenService
from lakewarden.identity.web_identity import WebIdentities
from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.observe import CallLog, Metrics
from lakewarden.permissions import api as permissions_api
from lakewarden.permissions.model import Settings
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.store import PermissionStore
from lakewarden.query import api as query_api
from lakewarden.query.course import Course
from lakewarden.query.fetching import Fetcher
from lakewarden.query.live import LiveQueries
from lakewarden.query.prepared import PreparedStatements
from lakewarden.query.run import Iceberg, Runner
from lakewarden.query.scheduler import Scheduler
from lakewarden.query.service import QueryService
from lakewarden.query.store import QueryStore
from lakewarden.query.workgroups import WorkGroups
from lakewarden.state import AUDIT, AUDIT_INDEX, STATE, Database, Presence, UnusableDatabase
from lakewarden.state.migrate import migrate
from lakewarden.storage import api as storage_api
from lakewarden.storage.expire import Expirer
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.ports import Blobs
from lakewarden.storage.remote import RemoteBlobs, place_of
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.storage.sweep import Sweeper, SweepThread
from lakewarden.storage.uploads import Uploads
from lakewarden.studio.apps import Apps
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
    services: Mapping[str, Operations]
    apps: Apps
    health: Health
    queries: QueryService
    trail_lake: LakeService
    crawlers: CrawlerService
    engine: DuckDbEngine
    scribe: IcebergScribe
    audit: AuditHalf
    uses: LastUses
    threads: ThreadPoolExecutor
    presence: Presence
    databases: tuple[Database, ...]
    sweeping: SweepThread

    def close(self) -> None:
        """Stop in the order of dependence: queries, engine, handlers, audit, databases."""
        self.trail_lake.close()
        self.queries.close()
        self.crawlers.close()
        self.engine.close()
        self.scribe.close()
        self.threads.shutdown()
        self.sweeping.close()
        self.audit.close()
        self.uses.close()
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
        # All that a server opens: one that migrates nothing does not load Alembic, which it would keep (11 MB).
        for place in (_audit_place, _index_place):
            _open(*place(directory, config)).close()
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
        identity.access_keys.delete(user.name, left.id)
    identity.attach(User, user.name, _ADMINISTRATOR_ACCESS)
    key, secret = identity.access_keys.create(user.name)
    arn = identity.arn(user)
    permissions.set_settings(None, Settings((arn,), {}))
    return arn, key, secret


def build(directory: DataDirectory, config: Config, notebooks: NotebookSettings, *, alone: bool) -> Server:
    """Everything that ``lakewarden serve`` runs. ``alone``: no other server is at work in the directory."""
    account, region = config.account_id, config.region
    database = _open(*_state_place(directory, config), alone=alone)
    audit_database = _open(*_audit_place(directory, config))
    index_database = _open(*_index_place(directory, config))
    presence = database.join()
    ring = _key_ring(directory)

    identities = IdentityStore(database)
    directory_of_people = Directory(identities, account)
    identity = IdentityService(identities, ring, account, now)
    resolver = CredentialResolver(directory_of_people, ring, account)
    guard = Guard(PrincipalLayers(directory_of_people), encoder(ring))
    uses = LastUses(identities)
    providers = Providers(identities, account, now)
    mfa = MfaDevices(identities, ring, account, now)
    iam = identity_api.Iam(
        identity, AccountSettings(identities, account, now), InstanceProfiles(identities, now),
        LinkedRoles(identities, now), providers, Simulator(identity, directory_of_people), uses, mfa,
    )  # fmt: skip
    tokens = TokenService(
        directory_of_people,
        ring,
        account,
        WebIdentities(providers, ProviderKeys(directory.provider_keys)),
        mfa,
        SamlIdentities(providers, account),
    )

    index, blobs = StorageStore(database), _blobs(config, directory, alone=alone)
    storage = StorageService(index, blobs, now)
    uploads = Uploads(storage, index, blobs)
    sweeper = Sweeper(index, blobs, now)
    sweeper.orphans()
    query_store, lake_store = QueryStore(database, presence), LakeStore(database, presence)
    executions = KeptExecutions(query_store, lake_store)
    audit = build_audit(
        directory, config, AuditDatabases(audit_database, index_database), executions, storage, guard, ring, now
    )
    recorder = audit.recorder
    expirer = Expirer(storage, index, uploads, AuditedExpiry(audit.log, account, region, now), now)
    catalog_store = CatalogStore(database)
    permissions = PermissionService(PermissionStore(database), catalog_store, identity, account, now)
    catalog = CatalogService(catalog_store, permissions, now)
    partitions = PartitionService(catalog_store, catalog, permissions, now)

    crawler_store = CrawlerStore(database)
    crawlers = CrawlerService(
        crawler_store,
        CrawlerRoleLake(catalog, partitions, storage, guard, directory_of_people, audit.log, now, account, region),
        now,
    )
    if alone:
        crawlers.recover()
    crawling = (
        *CrawlerHandlers(crawlers, catalog_store.attached, account, region, now).operations(),
        *ClassifierHandlers(Classifiers(crawler_store, now)).operations(),
    )
    vending = permissions.vending(
        RegisteredRoleSessions(
            identities, LinkedRoles(identities, now), directory_of_people, ring, PermissionStore(database), account
        ),
        AuditedDisclosures(audit.log, account),
    )

    lake = GovernedLake(catalog, partitions, storage, guard, account, region, audit.files.files)
    results = OwnedResults(storage, guard, account, region)
    parts = GovernedPartitions(catalog, partitions, storage, guard, account, region)
    warehouse = GovernedWarehouse(catalog, permissions, storage, guard, account, region)
    limits = Limits.of_this_machine()
    if alone:
        shutil.rmtree(directory.spill, ignore_errors=True)
    engine = DuckDbEngine(directory.objects, directory.spill / presence.server, limits, (directory.audit_tables,))
    # Two threads more than workers: DDL and SHOW need no worker and shall not wait for one.
    scheduler = Scheduler(limits.workers + 2, max(1, limits.workers - 1))
    groups = WorkGroups(query_store, account, region, now)
    prepared = PreparedStatements(query_store, guard, account, region, now)
    scribe = IcebergScribe(directory.objects, directory.spill / f"{presence.server}-scribe")
    commits = IcebergCommits(catalog_store, permissions, now)
    iceberg = GovernedIceberg(catalog, commits, warehouse, storage, guard, account, region)
    runner = Runner(
        lake, parts, engine, warehouse, results, recorder, prepared, _KEPT_ROWS - 1,
        Iceberg(iceberg, scribe, engine, now),
    )  # fmt: skip
    live = LiveQueries()
    course = Course(query_store, live, runner.run, results, recorder, resolver.still_valid, now)
    queries = QueryService(query_store, groups, live, course, recorder, guard, scheduler, account, region, now)
    queries.recover()
    trail_lake = LakeService(
        lake_store, GovernedTrail(catalog, guard, audit.files, engine, recorder), recorder,
        scheduler.submit, resolver.still_valid, region, now,
    )  # fmt: skip
    trail_lake.recover()
    if database.shared:
        queries.listen()

    people = Identities(directory_of_people, ring)
    studio = build_studio(
        directory, config, database, presence, people, guard, recorder, audit.log, notebooks, now, alone=alone
    )

    services: dict[str, Operations] = {
        "iam": identity_api.operations(iam),
        "sts": sts.operations(tokens, account),
        "s3": storage_api.operations(storage, uploads, guard, account),
        "glue": catalog_api.operations(catalog, partitions, account, region, crawling),
        "lakeformation": permissions_api.operations(permissions, vending, account, region),
        "athena": query_api.operations(
            query_api.Handlers(queries, Fetcher(live, results), groups, prepared, lake), account, region
        ),
        "cloudtrail": {**audit_api.operations(audit.handlers), **audit.lake_operations(trail_lake, account, region)},
        "sagemaker": studio.operations,
    }
    check(services)
    metrics = Metrics()
    threads = ThreadPoolExecutor(_HANDLER_THREADS, thread_name_prefix="handler")
    wire = Wire(resolver, region, ("localhost", "s3.localhost"))
    dispatcher = Dispatcher(wire, guard, services, recorder, metrics, CallLog(), threads, uses.called)
    health = Health(recorder.ready)
    own_pages = pages(health, metrics, _metrics_token(directory))
    app = App(dispatcher, own_pages, studio.pages(dispatcher), studio.site)
    ensure_catalog(catalog_store, PermissionStore(database), now())
    audit.start()
    crawlers.begin()
    databases = (database, audit_database, index_database)
    return Server(
        app, services, studio.apps, health, queries, trail_lake, crawlers, engine, scribe, audit, uses, threads, presence,
        databases,
        SweepThread(sweeper, expirer),
    )  # fmt: skip


def check(services: Mapping[str, Operations]) -> None:
    """Start-up fails on an operation that AWS does not have; one without a rule cannot even be declared."""
    for service, operations in services.items():
        unknown = set(operations) - operation_names(service)
        if unknown:
            raise ConfigError(f"{service} has no operation {', '.join(sorted(unknown))}")


def _blobs(config: Config, directory: DataDirectory, *, alone: bool) -> Blobs:
    """Where objects' bytes lie. Either way the files that the engine may open are below ``directory.objects``."""
    if not config.objects_url:
        return LocalBlobs(directory.objects, alone=alone)
    keys = (os.environ.get(OBJECTS_KEY_ID, ""), os.environ.get(OBJECTS_SECRET, ""))
    try:
        place = place_of(config.objects_url, config.region, *keys)
    except ValueError as error:
        raise ConfigError(f"objects_url: {error}; the keys are {OBJECTS_KEY_ID} and {OBJECTS_SECRET}") from error
    return RemoteBlobs(place.store(), directory.objects, config.objects_cache_bytes)


def verify_audit(directory: DataDirectory) -> Report:
    """``lakewarden audit verify``."""
    config = directory.load()
    with ExitStack() as stack:
        log, index, state = (
            stack.enter_context(closing(Database(*place(directory, config))))
            for place in (_audit_place, _index_place, _state_place)
        )
        blobs = _blobs(config, directory, alone=False)
        return verify_log(directory, AuditDatabases(log, index), state, blobs)


def _state_place(directory: DataDirectory, config: Config) -> tuple[str, int]:
    return config.database_url or directory.state_url, STATE


def _audit_place(directory: DataDirectory, config: Config) -> tuple[str, int]:
    return config.database_url or directory.audit_url, AUDIT


def _index_place(directory: DataDirectory, config: Config) -> tuple[str, int]:
    return config.database_url or directory.audit_index_url, AUDIT_INDEX


def _open(url: str, lane: int, *, alone: bool = False) -> Database:
    database = Database(url, lane, alone=alone)
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
    body = master_keys(directory)
    return KeyRing({name: bytes.fromhex(key) for name, key in body["keys"].items()}, body["current"])
