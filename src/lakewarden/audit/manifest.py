"""What the audit tables' files are: a sealed list, so that a file that was edited, removed or put back is found."""

import hashlib
import hmac
from pathlib import Path

import msgspec

_FILE = "manifest"
_BLOCK = 1 << 20


class BadManifest(Exception):
    """The list, or a file that it names, is not as the server left it; the text says which."""


class Part(msgspec.Struct, frozen=True):
    """One file of a table with the records ``first`` to ``last``."""

    table: str
    first: int
    last: int
    rows: int
    size: int
    hash: str

    @property
    def path(self) -> Path:
        """Where it lies below the tables' root."""
        return Path(self.table) / f"{self.first:020d}-{self.last:020d}.parquet"


class Manifest(msgspec.Struct, frozen=True):
    """All files; together they hold the records up to ``position``."""

    position: int = 0
    parts: tuple[Part, ...] = ()

    def of(self, table: str) -> list[Part]:
        """A table's files, in order."""
        return sorted((part for part in self.parts if part.table == table), key=lambda part: part.first)

    def replaced(self, old: list[Part], new: list[Part]) -> "Manifest":
        """The same with other files in the place of some."""
        gone = {part.path for part in old}
        return Manifest(self.position, (*(part for part in self.parts if part.path not in gone), *new))


class _Sealed(msgspec.Struct, frozen=True):
    manifest: Manifest
    seal: str


def load(root: Path, key: bytes) -> Manifest | None:
    """The list; None where there is none. Raises :class:`BadManifest` for one that this server did not write."""
    try:
        found = msgspec.json.decode((root / _FILE).read_bytes(), type=_Sealed)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise BadManifest(f"{root.name}/{_FILE} cannot be read") from error
    if not hmac.compare_digest(found.seal.encode(), _seal(found.manifest, key).encode()):
        raise BadManifest(f"{root.name}/{_FILE} was not written by this server: its seal is wrong")
    return found.manifest


def store(root: Path, manifest: Manifest, key: bytes) -> None:
    """Replace the list, all or nothing."""
    written = root / f"{_FILE}.new"
    written.write_bytes(msgspec.json.encode(_Sealed(manifest, _seal(manifest, key))))
    written.replace(root / _FILE)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(root: Path, key: bytes) -> int:
    """Read every file; answers how many there are. Raises :class:`BadManifest`. The server may be at work meanwhile."""
    while True:
        manifest = load(root, key)
        if manifest is None:
            return 0
        try:
            for part in manifest.parts:
                _check(root, part)
        except BadManifest:
            if load(root, key) == manifest:
                raise
        else:
            return len(manifest.parts)


def _check(root: Path, part: Part) -> None:
    try:
        found = hash_of(root / part.path)
    except FileNotFoundError as error:
        raise BadManifest(f"{root.name}/{part.path} is missing") from error
    if found != part.hash:
        raise BadManifest(f"{root.name}/{part.path} was changed")


def _seal(manifest: Manifest, key: bytes) -> str:
    return hmac.digest(key, b"lakewarden-audit-tables\n" + msgspec.json.encode(manifest), "sha256").hex()
