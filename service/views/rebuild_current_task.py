"""Making the current-task view anew from the log while writes go on.

A table like it is filled beside it from every task's proven history; what was recorded meanwhile is followed; and
under the lock that orders the log the last events are taken in and the two tables change places.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection, errors, sql

from domain.errors import HistoryCorrupt
from projections.current_task import COLUMNS, Snapshot, row_of, snapshot_of
from service.proof.check import REPAIRABLE, Verdict, apply_checked
from service.proof.verify import checked
from service.store.codec import LogRow
from service.store.connections import connect
from service.store.scan import settled_position, tasks_of_log_and_view
from service.views.swap import drop_beside, make_beside, take_place

TABLE = "current_task"

BATCH = 500
"""Rows written at a time."""

EVENTS = 10_000
"""Events followed at a time."""

ATTEMPTS = 100
"""Times that the swap is tried where somebody is reading the table for long."""

_RUNNING = 7018115368
_APPENDING = 7018115364

_BEHIND = """
SELECT notification_id, originator_id, originator_version, topic, state, digest FROM draft_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""


class RebuildRefused(Exception):
    """The view was left as it was; the message says why."""


class Rebuilt(msgspec.Struct):
    """What a rebuild did: the tasks in the new view, and those whose row was not what it should have been."""

    tasks: int
    repaired: list[Verdict]


def rebuild_current_task(database_url: str, advance: Callable[[int], None] = lambda steps: None) -> Rebuilt:
    """Make `current_task` anew; `advance` is told of the events replayed.

    Raises `RebuildRefused` where a chain is broken or the log lacks what a row remembers, and `CannotSwap`.
    """
    with connect(database_url, connect_timeout=10) as reading, connect(database_url, connect_timeout=10) as writing:
        _require_alone(writing)
        try:
            new = make_beside(writing, TABLE)
            position = settled_position(reading)
            rebuilt = Rebuilt(0, [])
            heads = _proven_heads(reading, rebuilt, advance)
            while batch := list(islice(heads, BATCH)):
                _write(writing, new, batch)
            writing.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(new)))
            _take_place(writing, new, position)
        except HistoryCorrupt as error:
            raise RebuildRefused(f"version {error.version} of a task that is being changed: {error}") from None
        finally:
            drop_beside(writing, TABLE)
            writing.execute("SELECT pg_advisory_unlock(%s)", (_RUNNING,))
        (rebuilt.tasks,) = writing.execute("SELECT count(*) FROM current_task").fetchone() or (0,)
        return rebuilt


def _require_alone(connection: Connection[Any]) -> None:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_RUNNING,)).fetchone()
    if not row or not row[0]:
        raise RebuildRefused("another rebuild is under way")


def _proven_heads(reading: Connection[Any], rebuilt: Rebuilt, advance: Callable[[int], None]) -> Iterator[Snapshot]:
    for check in checked(tasks_of_log_and_view(reading), advance):
        verdict = check.verdict()
        if verdict.problem:
            if verdict.problem.code not in REPAIRABLE:
                problem = verdict.problem
                raise RebuildRefused(
                    f"task {verdict.task_id} version {problem.version}: {problem.code}: {problem.message}"
                )
            rebuilt.repaired.append(verdict)
        assert check.snapshot is not None
        yield check.snapshot


def _take_place(writing: Connection[Any], new: str, position: int) -> None:
    """Follow the log to its end and swap there. Writers wait only for the last events and the swap."""
    for attempt in range(ATTEMPTS):
        position = _catch_up(writing, new, position)
        try:
            with writing.transaction():
                # Shorter than a writer's patience: whoever reads the table for long makes us wait, not the writers.
                writing.execute("SET LOCAL lock_timeout = '300ms'")
                writing.execute("SELECT pg_advisory_xact_lock(%s)", (_APPENDING,))
                writing.execute("LOCK TABLE current_task IN ACCESS EXCLUSIVE MODE")
                _catch_up(writing, new, position)
                take_place(writing, TABLE)
            return
        except errors.LockNotAvailable:
            time.sleep(min(0.1 * (attempt + 1), 1.0))
    raise RebuildRefused("current_task is being read without a pause; try again later")


def _catch_up(writing: Connection[Any], new: str, position: int) -> int:
    """Take what was recorded behind `position` into the new table; returns the position of the last event."""
    while True:
        cursor = writing.cursor(binary=True)
        rows = [LogRow._make(row) for row in cursor.execute(_BEHIND, (position, EVENTS))]
        if not rows:
            return position
        _write(writing, new, _followed(writing, new, rows))
        position = rows[-1].position


def _followed(writing: Connection[Any], new: str, rows: list[LogRow]) -> list[Snapshot]:
    """The heads that the rows lead to, from those of the new table on."""
    task_ids = list({row.task_id for row in rows})
    cursor = writing.cursor(binary=True)
    cursor.execute(
        sql.SQL("SELECT {} FROM {} WHERE id = ANY (%s)").format(sql.SQL(COLUMNS), sql.Identifier(new)), (task_ids,)
    )
    heads: dict[UUID, Snapshot] = {head.task.id: head for head in map(snapshot_of, cursor)}
    changed: dict[UUID, Snapshot] = {}
    for row in rows:
        task_id = row.task_id
        head = heads.get(task_id)
        if head is None or row.version > head.task.version:
            heads[task_id] = changed[task_id] = _applied(head, row)
    return list(changed.values())


def _write(writing: Connection[Any], new: str, heads: Iterable[Snapshot]) -> None:
    """Put the rows of the heads into the new table, in place of those that it has of the same tasks."""
    rows = [row_of(head) for head in heads]
    table = sql.Identifier(new)
    with writing.transaction():
        writing.execute(sql.SQL("DELETE FROM {} WHERE id = ANY (%s)").format(table), ([row["id"] for row in rows],))
        writing.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM json_populate_recordset(NULL::{}, %s::json)").format(table, table),
            (msgspec.json.encode(rows).decode(),),
        )


def _applied(head: Snapshot | None, row: LogRow) -> Snapshot:
    snapshot = apply_checked(head, row.task_id, [row])
    assert snapshot is not None
    return snapshot
