"""Reading the whole log, synchronously, for commands: by task, together with its row of the view, or by position.

Each stretch has a short snapshot of its own, so that long reading holds nothing up; rows come by COPY in binary,
which is the fastest way out of the store and keeps memory flat.
"""

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection, sql

from domain.task import Task
from projections.current_task import COLUMNS, Snapshot, snapshot_of
from service.store import locks
from service.store.codec import LogRow
from service.store.log import LAST_POSITION

TASKS = 500
"""Tasks in one snapshot."""

EVENTS = 100_000
"""Events in one stretch of the log read by position."""

UNREADABLE_VALUE = (psycopg.DataError, psycopg.NotSupportedError, ValueError)
"""What reading a row raises that holds an infinite time, or JSON that no request can have sent."""

_EVENT_TYPES = ["bytea", "int8", "int8", "text", "bytea", "bytea"]

_IDS = """
SELECT id FROM (
    (SELECT DISTINCT originator_id AS id FROM draft_events WHERE {of_log} ORDER BY originator_id LIMIT {limit})
    UNION
    (SELECT id FROM current_task WHERE {of_view} ORDER BY id LIMIT {limit})
) AS tasks ORDER BY id LIMIT {limit}
"""

_LOG_OF_TASKS = """
COPY (
    SELECT uuid_send(originator_id), notification_id, originator_version, topic, state, digest
    FROM draft_events WHERE {where} ORDER BY originator_id, originator_version
) TO STDOUT (FORMAT BINARY)
"""

_LOG_BY_POSITION = """
COPY (
    SELECT notification_id, originator_id, originator_version, topic, state, digest
    FROM draft_events WHERE notification_id > {after} AND notification_id <= {last}
    ORDER BY notification_id LIMIT {limit}
) TO STDOUT (FORMAT BINARY)
"""

_HEADER = 19
"""Bytes before the first record of a binary COPY."""

_POSITION = struct.Struct(">HIq")


class Remembered(NamedTuple):
    """The view's row of a task: the head that it remembers, and its state, None where that cannot be read."""

    version: int
    digest: bytes
    task: Task | None


TaskRows = tuple[UUID, Remembered | None, Iterator[LogRow]]
"""A task, what the view remembers of it, and its rows in the order of versions; to be read before the next task."""


def count_events(connection: Connection[Any]) -> int:
    """The number of events in the log now."""
    row = connection.execute("SELECT count(*) FROM draft_events").fetchone()
    assert row is not None
    return int(row[0])


def count_events_after(connection: Connection[Any], position: int) -> int:
    """The number of events after a position now."""
    row = connection.execute("SELECT count(*) FROM draft_events WHERE notification_id > %s", (position,)).fetchone()
    assert row is not None
    return int(row[0])


def tasks_of_log_and_view(connection: Connection[Any]) -> Iterator[TaskRows]:
    """Every task that the log or the view has, in the order of ids."""
    low: UUID | None = None
    while ids := _next_ids(connection, low):
        with snapshot(connection):
            yield from _tasks_between(connection, low, ids[-1])
        low = ids[-1]


def one_task(connection: Connection[Any], task_id: UUID) -> Iterator[TaskRows]:
    """That task, if the log or the view has it."""
    with snapshot(connection):
        of_log, of_view = (sql.SQL("{} = {}").format(sql.Identifier(name), task_id) for name in _ID_COLUMNS)
        yield from _tasks_where(connection, of_log, of_view)


@contextmanager
def snapshot(connection: Connection[Any]) -> Iterator[None]:
    """A transaction that sees one state of log and view.

    The lock comes before the snapshot: a table that a rebuild swapped in meanwhile would look empty in it.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("LOCK TABLE current_task IN ACCESS SHARE MODE")
        yield


_ID_COLUMNS = ("originator_id", "id")


def _next_ids(connection: Connection[Any], low: UUID | None) -> list[UUID]:
    of_log, of_view = (_between(name, low, None) for name in _ID_COLUMNS)
    query = sql.SQL(_IDS).format(of_log=of_log, of_view=of_view, limit=sql.Literal(TASKS))
    return [row[0] for row in connection.execute(query)]


def _between(column: str, low: UUID | None, high: UUID | None) -> sql.Composable:
    name = sql.Identifier(column)
    above = sql.SQL("{} > {}").format(name, low) if low else sql.SQL("true")
    below = sql.SQL("{} <= {}").format(name, high) if high else sql.SQL("true")
    return above + sql.SQL(" AND ") + below


def _tasks_between(connection: Connection[Any], low: UUID | None, high: UUID) -> Iterator[TaskRows]:
    of_log, of_view = (_between(name, low, high) for name in _ID_COLUMNS)
    yield from _tasks_where(connection, of_log, of_view)


def _tasks_where(connection: Connection[Any], of_log: sql.Composable, of_view: sql.Composable) -> Iterator[TaskRows]:
    view = _remembered(connection, of_view)
    with connection.cursor().copy(sql.SQL(_LOG_OF_TASKS).format(where=of_log)) as copy:
        copy.set_types(_EVENT_TYPES)
        for packed, rows in groupby(copy.rows(), lambda row: row[0]):
            task_id = UUID(bytes=packed)
            yield task_id, view.pop(task_id, None), _log_rows(task_id, rows)
    for task_id, remembered in view.items():
        yield task_id, remembered, iter(())


def _log_rows(task_id: UUID, rows: Iterable[Any]) -> Iterator[LogRow]:
    return (LogRow(position, task_id, *rest) for _, position, *rest in rows)


def _remembered(connection: Connection[Any], where: sql.Composable) -> dict[UUID, Remembered]:
    """The rows of the view; one by one where a value among them cannot be read."""
    try:
        return {head.task.id: remembered_of(head) for head in _heads(connection, where)}
    except UNREADABLE_VALUE:
        heads = connection.execute(sql.SQL("SELECT id, version, digest FROM current_task WHERE {}").format(where))
    found = {task_id: Remembered(version, digest, None) for task_id, version, digest in heads.fetchall()}
    for task_id in found:
        with suppress(*UNREADABLE_VALUE):
            (head,) = _heads(connection, sql.SQL("id = {}").format(task_id))
            found[task_id] = remembered_of(head)
    return found


def remembered_of(head: Snapshot) -> Remembered:
    """A row of the view that can be read."""
    return Remembered(head.task.version, head.digest, head.task)


def _heads(connection: Connection[Any], where: sql.Composable) -> list[Snapshot]:
    with connection.transaction():
        cursor = connection.cursor(binary=True)
        cursor.execute(sql.SQL("SELECT {} FROM current_task WHERE {}").format(sql.SQL(COLUMNS), where))
        return list(map(snapshot_of, cursor))


def settled_position(connection: Connection[Any]) -> int:
    """The position of the last event, 0 where there is none, with nothing before it still to come.

    Positions are given out under the lock of `append_events`: a session that holds it, if only shared, knows that every
    event below the last one is committed and visible.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (locks.APPEND,))
        row = connection.execute(LAST_POSITION).fetchone()
    assert row is not None
    return int(row[0])


def records(connection: Connection[Any], last: int) -> Iterator[tuple[int, bytes]]:
    """Every event up to position `last`, in order: its position and its record as docs/proof.md spells it.

    The record is the row as PostgreSQL's binary COPY has it: the number of fields, then each field's length and
    bytes. So nothing is taken apart and put together again.
    """
    after: int | None = -(2**63)
    while after is not None:
        stretch = sql.SQL(_LOG_BY_POSITION).format(after=after, last=last, limit=EVENTS)
        after = None
        with connection.cursor().copy(stretch) as copy:
            skip = _HEADER
            for data in copy:
                record = bytes(data)[skip:]
                skip = 0
                if len(record) > _POSITION.size:
                    fields, size, after = _POSITION.unpack_from(record)
                    assert (fields, size) == (6, 8)
                    yield after, record
