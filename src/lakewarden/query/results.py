"""Result files as Athena writes them, and the pages that GetQueryResults reads back from them."""

import base64
import binascii
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.ports import ResultColumn

Row = tuple[str | None, ...]
_FIELD = re.compile(rb'(?:"([^"]*(?:""[^"]*)*)")?([,\n])')
_READ = 1 << 20
_OPTIONS = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the byte offset at which the next page begins; None at the end."""

    rows: tuple[Row, ...]
    next_offset: int | None


def csv_chunks(names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Athena's CSV: every value quoted, numbers too; null an unquoted empty field."""
    yield (",".join(_quoted(name) for name in names) + "\n").encode()
    for batch in batches:
        buffer = io.BytesIO()
        pyarrow.csv.write_csv(pa.Table.from_batches([batch]), buffer, _OPTIONS)
        yield buffer.getvalue()


def _quoted(value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def text_lines(rows: Iterable[Row]) -> bytes:
    """The ``.txt`` of DDL and SHOW: tab-separated, without a header."""
    return "".join("\t".join(value or "" for value in row) + "\n" for row in rows).encode()


def read_csv_page(read: Callable[[int, int], bytes], offset: int, limit: int) -> Page:
    """At most ``limit`` rows from a byte offset on. ``read(start, length)`` gives bytes, fewer at the end."""
    rows: list[Row] = []
    row: list[str | None] = []
    buffer = b""
    start = offset
    ended = False
    consumed = 0
    while len(rows) < limit:
        found = _FIELD.match(buffer, consumed)
        if found is None:
            if ended:
                break
            more = read(start + len(buffer), _READ)
            ended = len(more) < _READ
            buffer += more
            continue
        row.append(None if found.group(1) is None else found.group(1).replace(b'""', b'"').decode())
        consumed = found.end()
        if found.group(2) == b"\n":
            rows.append(tuple(row))
            row = []
            offset = start + consumed
    if not ended and consumed == len(buffer):
        ended = not read(start + consumed, 1)
    finished = ended and consumed >= len(buffer)
    return Page(tuple(rows), None if finished else offset)


def metadata(columns: Sequence[ResultColumn]) -> bytes:
    """The ``.metadata`` object: the columns as JSON lines. Athena's own form is undocumented; no client reads it."""
    return b"".join(
        json.dumps({"name": one.name, "type": one.type, "precision": one.precision, "scale": one.scale}).encode()
        + b"\n"
        for one in columns
    )


def columns_of(body: bytes) -> tuple[ResultColumn, ...]:
    """Read :func:`metadata` back."""
    return tuple(ResultColumn(**json.loads(line)) for line in body.splitlines())


def token(execution_id: str, offset: int) -> str:
    """GetQueryResults' NextToken: bound to its execution."""
    return base64.urlsafe_b64encode(json.dumps([execution_id, offset]).encode()).decode("ascii")


def offset_of(text: str, execution_id: str) -> int:
    """The offset in a token; raises InvalidRequestException when it was made for another execution."""
    try:
        owner, offset = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
        if owner != execution_id or not isinstance(offset, int) or offset < 0:
            raise ValueError("made for another execution")
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidRequestException("NextToken is invalid.") from error
    return offset
