"""In the worker: DuckDB instances, locked to what one query may reach, and used again only for exactly that reach.

A new instance costs ten milliseconds of the processor, most of a short query. One is always made before the query comes.
"""

import duckdb
import msgspec

from lakewarden.engines.duckdb.protocol import Request, Settings
from lakewarden.engines.duckdb.values import JAVA_DOUBLE, JAVA_DOUBLE_CAST, java_double
from lakewarden.engines.duckdb.writing import text

Reach = bytes
"""The files, and the relations over them with their columns and filters, letter for letter."""


class Instances:
    """The worker's instances: a fresh one, and of the locked ones that which reaches nothing and the last of the others.

    INVARIANT (least_reach): a locked instance is never opened again. It serves another query only when that may read the
    same files, through the same relations, to the same columns and rows: whoever asks, there is nothing more to reach.
    INVARIANT (non_interference): each query has a connection of its own, and what it makes (relations, macros) is
    temporary, which ends with the connection. An instance in which a query failed is not used again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fresh: duckdb.DuckDBPyConnection | None = None
        self._locked: dict[Reach, duckdb.DuckDBPyConnection] = {}
        self._used: Reach | None = None

    def prepare(self) -> None:
        """Make a fresh instance, if there is none: between queries, while nobody waits."""
        if self._fresh is None:
            self._fresh = ready(self._settings)

    def connection(self, request: Request) -> duckdb.DuckDBPyConnection:
        """A new connection to an instance that is locked to the request's reach; close it, and say :meth:`done`."""
        reach = _reach(request)
        if reach not in self._locked or request.folder:
            self.prepare()
            assert self._fresh is not None  # noqa: S101 - it has just been made
            fresh, self._fresh = self._fresh, None
            lock(fresh, request.paths, request.folder)
            self._forget(reach)
            self._locked[reach] = fresh
        self._used = reach
        return self._locked[reach].cursor()

    def done(self, *, keep: bool) -> None:
        """The last query is over; ``keep`` its instance where it went well and wrote no files."""
        used = self._used
        for reach in [one for one in self._locked if one not in {used, _NOTHING} or (one == used and not keep)]:
            self._forget(reach)

    def _forget(self, reach: Reach) -> None:
        instance = self._locked.pop(reach, None)
        if instance is not None:
            instance.close()


def _reach(request: Request) -> Reach:
    return msgspec.msgpack.encode((request.paths, request.scans, request.sources))


_NOTHING = _reach(Request(sql="", scans=(), paths=()))


def ready(settings: Settings) -> duckdb.DuckDBPyConnection:
    """An instance with the worker's limits, not locked yet."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": str(settings.threads),
            "memory_limit": f"{settings.memory_bytes}B",
            "temp_directory": settings.spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_unsigned_extensions": "false",
            "python_enable_replacements": "false",
            # An instance that waits for its next query holds no bytes of files.
            "enable_external_file_cache": "false",
        },
    )
    connection.create_function(JAVA_DOUBLE, java_double, ["DOUBLE"], "VARCHAR")
    connection.create_function(JAVA_DOUBLE_CAST, java_double, ["DOUBLE"], "VARCHAR")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, paths: tuple[str, ...], folder: str) -> None:
    """Confine the instance to ``paths`` to read and, where one is given, ``folder`` to write."""
    # INVARIANT (least_reach): exactly this query's files, nothing else, and no way back.
    listed = ", ".join(text(path) for path in paths)
    connection.execute(f"SET allowed_paths = [{listed}]")
    if folder:
        connection.execute(f"SET allowed_directories = [{text(folder + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
