"""The rebuild of `current_task`: filled task by task from proven histories, then following the log.

`append_events` writes the view in the transaction of its events, so it has no position of its own.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.types.json import set_json_loads

from projections.current_task import COLUMNS, Snapshot, row_of, snapshot_of
from service.proof.check import REPAIRABLE, Verdict, apply_checked
from service.proof.verify import checked
from service.store import locks
from service.store.codec import LogRow
from service.store.log import rows_after
from service.store.scan import settled_position, tasks_of_log_and_view
from service.views.rebuild import Advance, RebuildRefused, Rebuilt

TASKS = 500
"""Tasks written at a time."""


class CurrentTask:
    """The view `current_task`, as something to rebuild."""

    name = "current_task"
    schema = "public"
    tables: tuple[str, ...] = ("current_task",)

    def fill(self, reading: Connection[Any], connection: Connection[Any], advance: Advance) -> Rebuilt:
        """Write the row of every task. Raises `RebuildRefused` for a broken chain, or a log that lacks an event."""
        position, tasks = settled_position(reading), 0
        repaired: list[Verdict] = []
        snapshots = _proven_snapshots(reading, repaired, advance)
        while batch := list(islice(snapshots, TASKS)):
            _write(connection, batch)
            tasks += len(batch)
        return Rebuilt(position, tasks, repaired)

    def follow(self, connection: Connection[Any], position: int, limit: int) -> int:
        """Apply at most `limit` events after `position`; returns the position of the last, `position` if none."""
        rows = rows_after(connection, position, limit)
        if not rows:
            return position
        _write(connection, _snapshots_after(connection, rows))
        return rows[-1].position

    def lock_writers(self, connection: Connection[Any]) -> None:
        """Let no event be appended: that lock comes before the one of the table, as in `append_events`."""
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (locks.APPEND,))

    def set_position(self, connection: Connection[Any], position: int) -> None:
        """Nothing: each row has the version of its task instead."""


def _proven_snapshots(reading: Connection[Any], repaired: list[Verdict], advance: Advance) -> Iterator[Snapshot]:
    for check in checked(tasks_of_log_and_view(reading), advance):
        verdict = check.verdict()
        if problem := verdict.problem:
            if problem.code not in REPAIRABLE:
                raise RebuildRefused(
                    f"task {verdict.task_id} version {problem.version}: {problem.code}: {problem.message}"
                )
            repaired.append(verdict)
        assert check.snapshot is not None
        yield check.snapshot


def _snapshots_after(connection: Connection[Any], rows: list[LogRow]) -> list[Snapshot]:
    """The snapshots of the tasks of these rows, from those in the table on. Raises `HistoryCorrupt`."""
    new: dict[UUID, list[LogRow]] = {}
    for row in rows:
        new.setdefault(row.task_id, []).append(row)
    cursor = connection.cursor(binary=True)
    set_json_loads(msgspec.json.decode, cursor)
    cursor.execute(f"SELECT {COLUMNS} FROM current_task WHERE id = ANY (%s)".encode(), (list(new),))
    known = {snapshot.task.id: snapshot for snapshot in map(snapshot_of, cursor)}
    snapshots = []
    for task_id, task_rows in new.items():
        base = known.get(task_id)
        after = base.task.version if base else 0
        snapshot = apply_checked(base, task_id, [row for row in task_rows if row.version > after])
        assert snapshot is not None
        snapshots.append(snapshot)
    return snapshots


def _write(connection: Connection[Any], snapshots: Iterable[Snapshot]) -> None:
    """Replace the rows of these tasks."""
    rows = list(map(row_of, snapshots))
    with connection.transaction():
        connection.execute("DELETE FROM current_task WHERE id = ANY (%s)", ([row["id"] for row in rows],))
        connection.execute(
            "INSERT INTO current_task SELECT * FROM json_populate_recordset(NULL::current_task, %s::json)",
            (msgspec.json.encode(rows).decode(),),
        )
