"""The composition of the audit half: log, look-up, trails, and what a terminal asks of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lakewarden.adapters.audit_tables import AuditFiles
from lakewarden.adapters.executions import KeptExecutions
from lakewarden.adapters.recording import AuditRecorder
from lakewarden.adapters.trail_buckets import AnchorBucket, PolicedBuckets, StoredAnchors
from lakewarden.audit import lake_api
from lakewarden.audit.anchors import AnchorFile, Anchors
from lakewarden.audit.api import Handlers
from lakewarden.audit.clock import ClockWatch
from lakewarden.audit.courier import Courier
from lakewarden.audit.delivery import Delivery
from lakewarden.audit.derived import Derived
from lakewarden.audit.digests import DigestKeys
from lakewarden.audit.history import QueryHistory
from lakewarden.audit.index import EventIndex
from lakewarden.audit.lake import LakeService
from lakewarden.audit.lake_api import LakeHandlers
from lakewarden.audit.lake_store import LakeStore
from lakewarden.audit.log import AuditLog
from lakewarden.audit.ports import AnchorSink, AnchorSource, Executions, Sealer, TimeAuthority
from lakewarden.audit.retention import Retention
from lakewarden.audit.service import EventHistory
from lakewarden.audit.settings import AuditSettings, BadSettings, OpenLineage, load
from lakewarden.audit.stamping import Stamping
from lakewarden.audit.store import AuditStore
from lakewarden.audit.tables import AuditTables
from lakewarden.audit.trail_store import TrailStore
from lakewarden.audit.trails import TrailService
from lakewarden.audit.verify import Keys, Report, verify
from lakewarden.config import Config, ConfigError, DataDirectory
from lakewarden.guard import Guard, Operations
from lakewarden.kernel.clock import Clock
from lakewarden.query.store import QueryStore
from lakewarden.state import AUDIT, AUDIT_INDEX, STATE, Database
from lakewarden.state.presence import Alone
from lakewarden.storage.ports import Blobs
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore


@dataclass(frozen=True, slots=True)
class AuditHalf:
    """What the server runs of the audit context."""

    log: AuditLog
    recorder: AuditRecorder
    handlers: Handlers
    files: AuditFiles
    couriers: tuple[Courier, ...]
    retention_days: int | None

    def lake_operations(self, service: LakeService, account: str, region: str) -> Operations:
        """CloudTrail Lake's operations."""
        return lake_api.operations(LakeHandlers(service, account, region, self.retention_days))

    def start(self) -> None:
        """Begin to deliver."""
        for courier in self.couriers:
            courier.start()

    def close(self) -> None:
        """End the deliveries, then the log."""
        for courier in self.couriers:
            courier.close()
        self.log.close()


@dataclass(frozen=True, slots=True)
class AuditDatabases:
    """Where the log lies, and its look-up index."""

    log: Database
    index: Database


def build_audit(
    directory: DataDirectory,
    config: Config,
    databases: AuditDatabases,
    executions: Executions,
    storage: StorageService,
    guard: Guard,
    sealer: Sealer,
    clock: Clock,
) -> AuditHalf:
    """Compose it."""
    settings = audit_settings(directory)
    account, region = config.account_id, config.region
    store = AuditStore(databases.log, seal_key(directory))
    bucket = settings.anchor_bucket
    places: tuple[AnchorSink, ...] = anchor_files(directory, settings)
    places += (AnchorBucket(storage, bucket),) if bucket else ()
    signing = signing_key(directory)
    anchors = Anchors(AnchorFile(directory.audit_heads), places, directory.audit_latest, signing)
    log = AuditLog(store, anchors)
    trail_store = TrailStore(databases.log)
    buckets = PolicedBuckets(storage, guard, account, region, clock)
    keys = DigestKeys(trail_store, sealer, settings.key_days)
    delivery = Delivery(trail_store, store, buckets, keys, account, clock, settings.digest_minutes)
    courier = Courier("audit-trails", delivery.deliver_all)
    trails = TrailService(trail_store, store, buckets, account, region, clock, courier.wake)
    recorder = AuditRecorder(
        log,
        account,
        clock,
        {
            ("cloudtrail", "StopLogging"): lambda call: trails.stop(call.params["Name"]),
            ("cloudtrail", "DeleteTrail"): lambda call: trails.delete(call.params["Name"]),
        },
    )
    index = EventIndex(store, databases.index)
    history = EventHistory(store, index)
    retention = Retention(settings.retention_days, log, store, index, trail_store, clock)
    tables = AuditTables(directory.audit_tables, store, executions, seal_key(directory))
    couriers = [
        courier,
        Courier("audit-tables", tables.refresh_in_background),
        Courier("audit-retention", retention.job(account, region)),
        Courier("audit-clock", ClockWatch(log, store, account, region, clock).look),
    ]
    authority = time_authority(directory, settings)
    if authority is not None and settings.timestamps is not None:
        minutes = settings.timestamps.minutes
        stamping = Stamping(authority, anchors, directory.audit_latest, signing.public_key(), minutes)
        couriers.append(Courier("audit-timestamps", stamping.run))
    if settings.openlineage is not None:
        emitter = _emitter(directory, settings.openlineage, store, executions, f"arn:aws:glue:{region}:{account}")
        couriers.append(Courier("audit-lineage", emitter))
    return AuditHalf(
        log, recorder, Handlers(history, trails, keys), AuditFiles(tables), tuple(couriers), settings.retention_days
    )


def _emitter(
    directory: DataDirectory, settings: OpenLineage, log: AuditStore, executions: Executions, catalog: str
) -> Callable[[], None]:
    try:
        from lakewarden.audit.openlineage import LineageEmitter
    except ImportError as error:
        raise ConfigError("openlineage needs: pip install lakewarden[lineage]") from error
    try:
        return LineageEmitter(settings, directory.root / "openlineage.position", log, executions, catalog).emit_new
    except BadSettings as error:
        raise ConfigError(f"{directory.audit_settings}: {error}") from error


@contextmanager
def query_history(directory: DataDirectory) -> Iterator[QueryHistory]:
    """The joined view, for a terminal on the server's machine; the server may be running or not."""
    with ExitStack() as stack:
        log, index, state = (stack.enter_context(closing(one)) for one in _databases(directory))
        store = AuditStore(log, seal_key(directory))
        yield QueryHistory(
            store, EventIndex(store, index), KeptExecutions(QueryStore(state, Alone()), LakeStore(state, Alone()))
        )


def _databases(directory: DataDirectory) -> tuple[Database, Database, Database]:
    """The log's, the index's and the state's."""
    shared = directory.load().database_url
    return (
        Database(shared or directory.audit_url, AUDIT),
        Database(shared or directory.audit_index_url, AUDIT_INDEX),
        Database(shared or directory.state_url, STATE),
    )


def want_digest(directory: DataDirectory, trail: str) -> None:
    """Note that a digest is wanted; the running server sees it. Raises :class:`ConfigError`."""
    with ExitStack() as stack:
        database, _, _ = (stack.enter_context(closing(one)) for one in _databases(directory))
        found = TrailStore(database).change(trail, lambda one: msgspec.structs.replace(one, digest_wanted=True))
    if found is None:
        raise ConfigError(f"there is no trail {trail}")
    if not found.validation:
        raise ConfigError(f"the trail {trail} has no log file validation, and so no digests")


def rotate_digest_key(directory: DataDirectory) -> None:
    """End the time of the key that signs digests."""
    with ExitStack() as stack:
        database, _, _ = (stack.enter_context(closing(one)) for one in _databases(directory))
        TrailStore(database).retire_keys(int(datetime.now(UTC).timestamp()))


def verify_log(directory: DataDirectory, databases: AuditDatabases, state: Database, blobs: Blobs) -> Report:
    """``lakewarden audit verify``; the server may be running or not."""
    settings = audit_settings(directory)
    authority = time_authority(directory, settings)
    keys = Keys(seal_key(directory), signing_key(directory).public_key(), authority)
    bucket = settings.anchor_bucket
    places: tuple[AnchorSource, ...] = (AnchorFile(directory.audit_heads), *anchor_files(directory, settings))
    places += (StoredAnchors(StorageStore(state), blobs, bucket),) if bucket else ()
    store = AuditStore(databases.log, keys.seal)
    derived = Derived(EventIndex(store, databases.index), directory.audit_tables)
    return verify(store, places, directory.audit_latest, keys, derived)


def audit_settings(directory: DataDirectory) -> AuditSettings:
    """``audit.json``; raises :class:`ConfigError`."""
    try:
        return load(directory.audit_settings)
    except BadSettings as error:
        raise ConfigError(str(error)) from error


def anchor_files(directory: DataDirectory, settings: AuditSettings) -> tuple[AnchorFile, ...]:
    """The further files for signed heads."""
    return tuple(AnchorFile(directory.root / path) for path in settings.anchor_files)


def time_authority(directory: DataDirectory, settings: AuditSettings) -> TimeAuthority | None:
    """Who stamps signed heads; raises :class:`ConfigError`."""
    wanted = settings.timestamps
    if wanted is None:
        return None
    try:
        from lakewarden.audit.timestamps import authority_of
    except ImportError as error:
        raise ConfigError("timestamps needs: pip install lakewarden[timestamps]") from error
    try:
        return authority_of(wanted.url, directory.root / wanted.certificates)
    except BadSettings as error:
        raise ConfigError(f"{directory.audit_settings}: {error}") from error


def signing_key(directory: DataDirectory) -> Ed25519PrivateKey:
    """The key of the signed heads, derived from the oldest master key, so that it stands through rotations."""
    return Ed25519PrivateKey.from_private_bytes(_derived(directory, "lakewarden audit heads"))


def seal_key(directory: DataDirectory) -> bytes:
    """The key of the records' seals."""
    return _derived(directory, "lakewarden audit seals")


def master_keys(directory: DataDirectory) -> dict[str, Any]:
    """The contents of the key file; raises :class:`ConfigError`."""
    try:
        body: dict[str, Any] = json.loads(directory.key_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{directory.key_file} cannot be read: {error}") from error
    return body


def _derived(directory: DataDirectory, purpose: str) -> bytes:
    first = bytes.fromhex(next(iter(master_keys(directory)["keys"].values())))
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(first)
