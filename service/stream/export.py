"""The log in bulk: files of events by day, and a manifest that lists what is in them.

An export goes on where its manifest ends. Files are written under another name and renamed, the manifest last: however
an export ends, the manifest names whole files only, and what it does not name is removed by the next run.
"""

import gc
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import msgspec
from psycopg import Connection

from projections.history import envelope, one_line
from projections.redaction import redacted
from service.store.codec import LoggedEvent, logged
from service.store.connections import connect
from service.store.log import last_position, rows_after

RUN = 50_000
"""Events between two states of the manifest; what an export holds in memory."""

CHUNK = 5_000
"""Events fetched at a time."""

DAY = 86_400_000_000
"""Microseconds."""

MANIFEST = "manifest.json"

Format = Literal["parquet", "ndjson"]
Write = Callable[[Path, Sequence[LoggedEvent], bool], None]
Progress = Callable[[int], None]
"""Receives the number of positions passed since the last call."""


class ExportError(Exception):
    """The export cannot be made; the message says why in one line."""


class File(msgspec.Struct, frozen=True):
    """A file of the export: the positions of its first and last event, and the SHA-256 of its bytes."""

    path: str
    events: int
    first: int
    last: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an export holds: every event after position `after` up to `upto`, in `files`."""

    format: Format
    redacted: bool
    after: int
    upto: int
    files: list[File]


def export(
    database_url: str,
    directory: Path,
    kind: Format,
    *,
    after: int | None = None,
    redact: bool = False,
    run: int = RUN,
    began: Callable[[int, int], Progress] = lambda after, head: lambda steps: None,
) -> Manifest:
    """Write what the log holds now after `after`, or after the last export into `directory`.

    `began` receives where it begins and ends, and returns what receives each step. Raises `ExportError`, and
    `HistoryCorrupt` for an event that cannot be read.
    """
    write = _writer(kind)
    manifest = _begin(directory, kind, after, redact)
    with connect(database_url) as connection, _no_search_for_cycles():
        head = last_position(connection)
        progress = began(manifest.upto, head)
        while rows := _rows(connection, manifest.upto, head, run):
            files = [_write(directory, day, kind, list(group), write, redact) for day, group in _by_day(rows)]
            before, upto = manifest.upto, rows[-1].position
            manifest = msgspec.structs.replace(manifest, upto=upto, files=[*manifest.files, *files])
            _keep(directory, manifest)
            progress(upto - before)
    return manifest


def _writer(kind: Format) -> Write:
    if kind == "ndjson":
        return _write_lines
    try:
        from service.stream import parquet
    except ImportError:
        raise ExportError("Parquet needs the extra: pip install 'palimpsest[analytics]'") from None
    return parquet.write


def _begin(directory: Path, kind: Format, after: int | None, redact: bool) -> Manifest:
    """The manifest to go on with; what no manifest names is removed."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / MANIFEST
        manifest = (
            msgspec.json.decode(path.read_bytes(), type=Manifest)
            if path.exists()
            else Manifest(kind, redact, after or 0, after or 0, [])
        )
    except OSError as error:
        raise ExportError(f"{directory} cannot be written: {error.strerror}") from None
    except msgspec.DecodeError:
        raise ExportError(f"{directory / MANIFEST} is not the manifest of an export") from None
    if (manifest.format, manifest.redacted) != (kind, redact):
        made = f"{manifest.format}{', redacted' if manifest.redacted else ''}"
        raise ExportError(f"{directory} holds an export of another kind: {made}")
    if after is not None and after not in (manifest.after, manifest.upto):
        raise ExportError(f"{directory} holds the events up to {manifest.upto} and goes on there, not at {after}")
    known = {directory / file.path for file in manifest.files}
    for found in directory.glob("day=*/events-*"):
        if found not in known:
            found.unlink()
    _keep(directory, manifest)
    return manifest


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Events hold no cycles, and to look for some among those of a run takes two fifths of the time (measured)."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _rows(connection: Connection[Any], after: int, head: int, limit: int) -> list[LoggedEvent]:
    """The next events after `after` up to `head`, at most `limit`."""
    rows: list[LoggedEvent] = []
    while len(rows) < limit:
        size = min(CHUNK, limit - len(rows))
        chunk = rows_after(connection, after, size)
        known = [logged(row) for row in chunk if row.position <= head]
        rows += known
        if len(known) < size:
            break
        after = chunk[-1].position
    return rows


def _by_day(rows: list[LoggedEvent]) -> Iterator[tuple[int, Iterator[LoggedEvent]]]:
    """The events by the day (UTC, from 1970 on) on which they occurred, in order of positions within it."""
    return groupby(sorted(rows, key=_day), key=_day)


def _day(row: LoggedEvent) -> int:
    return row.event.occurred_at // DAY


def _write(directory: Path, day: int, kind: Format, rows: list[LoggedEvent], write: Write, redact: bool) -> File:
    first, last = rows[0].position, rows[-1].position
    path = (
        directory
        / f"day={datetime.fromtimestamp(day * DAY // 1_000_000, UTC):%Y-%m-%d}"
        / f"events-{first:015}-{last:015}.{kind}"
    )
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".part")
    write(aside, rows, redact)
    with aside.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    aside.rename(path)
    return File(str(path.relative_to(directory)), len(rows), first, last, digest)


def _write_lines(path: Path, rows: Sequence[LoggedEvent], redact: bool) -> None:
    envelopes = (envelope(*row) for row in rows)
    shown = map(redacted, envelopes) if redact else envelopes
    path.write_bytes(one_line(b"".join(msgspec.json.encode(row) + b"\n" for row in shown)))


def _keep(directory: Path, manifest: Manifest) -> None:
    aside = directory / f"{MANIFEST}.part"
    with aside.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(directory / MANIFEST)
