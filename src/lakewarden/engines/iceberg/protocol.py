"""What the server asks of the scribe, and what it answers: length-prefixed msgpack.

The scribe is given local paths of the table's metadata files, by URI, and a folder of its own to write into. It opens
nothing else; what it has written is stored by the server, under names below the table's own ``metadata/``.
"""

import msgspec

from lakewarden.kernel.iceberg import ColumnOf, Work


class Order(msgspec.Struct, frozen=True):
    """``base`` is the table's present metadata, empty for a new table; ``place`` the URI of its ``metadata`` folder."""

    folder: str
    place: str
    base: str
    files: dict[str, str]
    work: Work
    now_ms: int


class Done(msgspec.Struct, frozen=True):
    """``metadata`` is the new metadata file's name in the folder, empty where nothing changed.

    ``columns`` are the table's, as the catalog shall call them; ``unreached`` the URIs of files that no snapshot leads to
    any more (or, of :class:`Reach`, of all files). ``error`` is ``Invalid``, ``UnsupportedType`` or ``BadMetadata``,
    ``message`` its words where they are ours.
    """

    metadata: str = ""
    columns: tuple[ColumnOf, ...] = ()
    unreached: tuple[str, ...] = ()
    error: str = ""
    message: str = ""
