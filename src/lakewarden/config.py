"""Where the server keeps things, and the few facts that are fixed when a data directory is made."""

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

DEFAULT_REGION = "us-east-1"
DEFAULT_PORT = 7070
OBJECTS_KEY_ID = "LAKEWARDEN_OBJECTS_ACCESS_KEY_ID"
OBJECTS_SECRET = "LAKEWARDEN_OBJECTS_SECRET_ACCESS_KEY"  # noqa: S105 - the variable's name
_ACCOUNT = re.compile(r"[0-9]{12}")
_NOT_OURS = frozenset({"lost+found", "lock"})
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


class ConfigError(Exception):
    """The data directory or a setting is not usable; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """The contents of ``config.json``. ``database_url`` is empty for the embedded SQLite files.

    It may hold a password, which is why the file has mode 0600; libpq's PGPASSFILE and PGSERVICE work as well.
    ``studio_url`` is the origin of Studio's pages (``https://studio.example.org``), which must not be the console's;
    empty for a server that people reach as 127.0.0.1: its Studio is ``localhost``.
    ``objects_url`` is empty for the local directory, or ``s3+https://host[:port]/bucket[/prefix]`` (``s3+http`` only
    for a store on this machine or a private network); its keys come from the environment: ``OBJECTS_KEY_ID`` and
    ``OBJECTS_SECRET``. ``objects_cache_bytes`` bounds the files that queries on remote objects keep here.
    ``package_index`` is the address of a simple repository (``https://[user:password@]index.example.org/simple/``) that
    notebooks may read in domains whose AppNetworkAccessType is PublicInternetOnly; empty for none. ``package_hosts`` are
    further origins (``https://files.example.org``) where the index's files lie (docs/studio.md).
    """

    account_id: str
    region: str
    database_url: str = ""
    studio_url: str = ""
    objects_url: str = ""
    objects_cache_bytes: int = 10 * 1024**3
    package_index: str = ""
    package_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.account_id):
            raise ConfigError(f"an account id has twelve digits, not {self.account_id!r}")
        if not _REGION.fullmatch(self.region):
            raise ConfigError(f"not a region name: {self.region!r}")
        if self.database_url and not self.database_url.startswith(("postgresql://", "postgres://")):
            raise ConfigError("a database URL has the form postgresql://user@host/name")


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The layout of ``--data DIR``. Everything in it is private to the server's operating system user."""

    root: Path

    @property
    def config_file(self) -> Path:
        """``config.json``; its presence is what makes a directory a Lakewarden data directory."""
        return self.root / "config.json"

    @property
    def key_file(self) -> Path:
        """The master key ring, mode 0600. Losing it loses every access key; leaking it leaks them."""
        return self.root / "master.key"

    @property
    def profile_file(self) -> Path:
        """The administrator's ready AWS credentials file, mode 0600."""
        return self.root / "credentials"

    @property
    def state_url(self) -> str:
        """SQLAlchemy URL of the embedded state database."""
        return f"sqlite:///{self.root / 'state.db'}"

    @property
    def audit_url(self) -> str:
        """SQLAlchemy URL of the embedded audit database."""
        return f"sqlite:///{self.root / 'audit.db'}"

    @property
    def audit_index_url(self) -> str:
        """SQLAlchemy URL of the look-up index of the embedded audit database; made anew from it when lost."""
        return f"sqlite:///{self.root / 'audit-index.db'}"

    @property
    def audit_heads(self) -> Path:
        """Signed heads of the audit chain: the anchor that makes a cut tail visible."""
        return self.root / "audit-heads.jsonl"

    @property
    def audit_latest(self) -> Path:
        """The newest signed head, rewritten with every commit."""
        return self.root / "audit-head"

    @property
    def audit_settings(self) -> Path:
        """Settings of the audit trail, written by hand; absent for the defaults (docs/audit.md)."""
        return self.root / "audit.json"

    @property
    def audit_tables(self) -> Path:
        """The trail as Parquet files: what Athena SQL reads of it. Made from the log, and made anew when lost."""
        return self.root / "audit-tables"

    @property
    def objects(self) -> Path:
        """Objects' bytes."""
        return self.root / "objects"

    @property
    def metrics_token_file(self) -> Path:
        """The bearer token that reads ``/_metrics`` from other machines, mode 0600."""
        return self.root / "metrics.token"

    @property
    def lock_file(self) -> Path:
        """Locked by whoever is at work in the directory."""
        return self.root / "lock"

    @property
    def unfinished_file(self) -> Path:
        """There while ``init`` works. Where it stands without a ``config.json``, ``init`` was killed."""
        return self.root / "init.unfinished"

    @property
    def spill(self) -> Path:
        """Temporary files of the engine's workers."""
        return self.root / "spill"

    @property
    def studio(self) -> Path:
        """Home directories of Studio's spaces, and what running notebooks need."""
        return self.root / "studio"

    @property
    def provider_keys(self) -> Path:
        """JSON Web Key Sets of OpenID Connect issuers that the server cannot or must not ask (docs/identity.md)."""
        return self.root / "oidc"

    def create(self) -> None:
        """Make the directory, closed to other users; what a killed ``init`` left in it is removed.

        Raises :class:`ConfigError` when it holds a server, or anything else that we did not put there.
        """
        if self.config_file.exists():
            raise ConfigError(f"{self.root} is a Lakewarden data directory already")
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        left = [path for path in self.root.iterdir() if path.name not in _NOT_OURS]
        if left and not self.unfinished_file.exists():
            raise ConfigError(f"{self.root} is not empty ({', '.join(sorted(path.name for path in left)[:3])}, ...)")
        write_private(self.unfinished_file, b"")
        for path in left:
            # The marker stands for a directory that was never served: no user's file can be among these.
            if path.is_file() and path not in {self.unfinished_file, self.lock_file}:
                path.unlink()

    def load(self) -> Config:
        """Read ``config.json``; raises :class:`ConfigError` when it is missing or damaged."""
        try:
            found = Config(**json.loads(self.config_file.read_text(encoding="utf-8")))
            return replace(found, package_hosts=tuple(found.package_hosts))
        except FileNotFoundError:
            raise ConfigError(f"{self.root} is no data directory; run: lakewarden init --data {self.root}") from None
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self.config_file} is damaged: {error}") from error

    def save(self, config: Config) -> None:
        """Write ``config.json``, durably and last: from then on the directory counts as made."""
        write_private(self.config_file, (json.dumps(asdict(config), indent=2) + "\n").encode())
        self.unfinished_file.unlink(missing_ok=True)

    @classmethod
    def at(cls, path: Path) -> Self:
        """The layout under ``path``, made absolute."""
        return cls(path.absolute())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, all or nothing, and durably."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
