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

from projections.current_task import COLUMNS, Snapshot, snapshot_of
from projections.times import rfc3339
from service.proof.check import REPAIRABLE, Verdict
from service.proof.verify import checked
from service.store.codec import StoredRow
from service.store.history import follow
from service.store.scan import last_position, tasks_of_log_and_view
from service.views.rebuild import Advance, RebuildRefused, Rebuilt
from service.views.view import rows_after

APPEND_LOCK = 7018115364
"""The advisory lock of `append_events`."""

TASKS = 500
"""Tasks written at a time."""

_TIMES = ("created_at", "expires_at", "updated_at")


class CurrentTask:
    """The view `current_task`, as something to rebuild."""

    name = "current_task"
    schema = "public"
    tables: tuple[str, ...] = ("current_task",)

    def fill(self, reading: Connection[Any], connection: Connection[Any], advance: Advance) -> Rebuilt:
        """Write the row of every task. Raises `RebuildRefused` for a broken chain, or a log that lacks an event."""
        position, tasks = last_position(reading), 0
        repaired: list[Verdict] = []
        heads = _proven_heads(reading, repaired, advance)
        while batch := list(islice(heads, TASKS)):
            _write(connection, batch)
            tasks += len(batch)
        return Rebuilt(position, tasks, repaired)

    def follow(self, connection: Connection[Any], position: int, limit: int) -> int:
        """Apply at most `limit` events after `position`; returns the position of the last, `position` if none."""
        rows = rows_after(connection, position, limit)
        if not rows:
            return position
        _write(connection, _heads_after(connection, rows))
        return rows[-1].position

    def lock_writers(self, connection: Connection[Any]) -> None:
        """Let no event be appended: that lock comes before the one of the table, as in `append_events`."""
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))

    def set_position(self, connection: Connection[Any], position: int) -> None:
        """Nothing: each row has the version of its task instead."""


def _proven_heads(reading: Connection[Any], repaired: list[Verdict], advance: Advance) -> Iterator[Snapshot]:
    for check in checked(tasks_of_log_and_view(reading), advance):
        verdict = check.verdict()
        if problem := verdict.problem:
            if problem.code not in REPAIRABLE:
                raise RebuildRefused(
                    f"task {verdict.task_id} version {problem.version}: {problem.code}: {problem.message}"
                )
            repaired.append(verdict)
        assert check.head is not None
        yield check.head


def _heads_after(connection: Connection[Any], rows: list[StoredRow]) -> list[Snapshot]:
    """The heads of the tasks of these rows, from those in the table on. Raises `HistoryCorrupt`."""
    cursor = connection.cursor(binary=True)
    set_json_loads(msgspec.json.decode, cursor)
    cursor.execute(
        f"SELECT {COLUMNS} FROM current_task WHERE id = ANY (%s)".encode(),
        (list({row.stored.originator_id for row in rows}),),
    )
    heads: dict[UUID, Snapshot] = {head.task.id: head for head in map(snapshot_of, cursor)}
    changed: dict[UUID, Snapshot] = {}
    for row in rows:
        task_id = row.stored.originator_id
        assert isinstance(task_id, UUID)
        head = heads.get(task_id)
        if head is None or row.stored.originator_version > head.task.version:
            heads[task_id] = changed[task_id] = follow(head, row)
    return list(changed.values())


def _write(connection: Connection[Any], heads: Iterable[Snapshot]) -> None:
    """Replace the rows of these tasks."""
    rows = [_row(head) for head in heads]
    with connection.transaction():
        connection.execute("DELETE FROM current_task WHERE id = ANY (%s)", ([row["id"] for row in rows],))
        connection.execute(
            "INSERT INTO current_task SELECT * FROM json_populate_recordset(NULL::current_task, %s::json)",
            (msgspec.json.encode(rows).decode(),),
        )


def _row(head: Snapshot) -> dict[str, Any]:
    """The columns of a row as the table's own types read them from JSON."""
    task = head.task
    row = msgspec.structs.asdict(task)
    row |= {name: rfc3339(row[name]) for name in _TIMES}
    row["digest"] = f"\\x{head.digest.hex()}"
    row["sweep_at"] = row["expires_at"] if task.status == "draft" else None
    return row
