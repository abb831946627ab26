"""The store: the queries that requests make. Nothing here changes a row of the log or of `current_task`'s content."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.task import Task
from projections.current_task import COLUMNS, Snapshot, snapshot_of
from projections.times import moment_of
from service.store.codec import LogRow
from service.store.connections import ReadingPool
from service.store.errors import StoreUnavailable

PAGE = 1000
"""Events fetched at a time where a whole stream is read."""

LIST_PAGE = 101
"""Tasks fetched at a time for a list: a page of the largest size, and one more to know whether it is the last."""

_TASKS = f"""
SELECT {COLUMNS} FROM current_task
WHERE user_id = %(user_id)s
  AND CASE WHEN status = 'draft' AND expires_at <= %(now)s THEN 'expired' ELSE status END = ANY(%(statuses)s)
  AND (%(category)s::text IS NULL OR category = %(category)s)
  AND (%(before)s::timestamptz IS NULL OR (updated_at, id) < (%(before)s, %(before_id)s::uuid))
ORDER BY current_task.updated_at DESC, id DESC
LIMIT %(limit)s
"""


async def read_events(connection: AsyncConnection[Any], task_id: UUID, after: int, limit: int) -> list[LogRow]:
    """At most `limit` rows of a task after version `after`."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        "SELECT notification_id, originator_version, topic, state, digest FROM draft_events"
        " WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT %s",
        (task_id, after, limit),
        prepare=True,
    )
    return [LogRow(position, task_id, *rest) for position, *rest in await cursor.fetchall()]


async def read_snapshots(connection: AsyncConnection[Any], task_ids: Sequence[UUID]) -> dict[UUID, Snapshot]:
    """The tasks at their last event, as the current-task view has them; those that do not exist are left out."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(f"SELECT {COLUMNS} FROM current_task WHERE id = ANY (%s)", (task_ids,), prepare=True)
    return {snapshot.task.id: snapshot for snapshot in map(snapshot_of, await cursor.fetchall())}


_MAY_WRITE = """
SELECT has_table_privilege('draft_events', 'SELECT, INSERT') AND has_table_privilege('current_task', 'SELECT, INSERT')
    AND has_table_privilege('current_task', 'UPDATE') AND has_table_privilege('idempotency_key', 'INSERT')
    AND has_function_privilege('append_events(uuid[], bigint[], json, json, json, json)', 'EXECUTE')
"""


class Store:
    """The queries of requests. One pool, opened and closed by the application."""

    def __init__(self, pool: ReadingPool) -> None:
        self._pool = pool

    async def snapshot(self, task_id: UUID) -> Snapshot | None:
        """A task at its last event, from the current-task view; None where there is none."""
        async with self._pool.connection() as connection:
            return (await read_snapshots(connection, [task_id])).get(task_id)

    async def events(self, task_id: UUID, after: int = 0, limit: int | None = None) -> AsyncIterator[list[LogRow]]:
        """The rows of a task after version `after`, at most `limit`, in pages of at most `PAGE`."""
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            async with self._pool.connection() as connection:
                page = await read_events(connection, task_id, after, size)
            if page:
                yield page
                after = page[-1].version
            if len(page) < size:
                return
            if left is not None:
                left -= len(page)

    async def tasks(
        self,
        user_id: UUID,
        statuses: Sequence[str],
        category: str | None,
        now: int,
        before: int | None,
        before_id: UUID | None,
    ) -> AsyncIterator[list[Task]]:
        """A user's tasks after a place in the order of their last change, newest first, in pages.

        `now` and `before` are in microseconds since 1970; a draft past its life counts as expired.
        """
        while True:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(
                    _TASKS,
                    {
                        "user_id": user_id,
                        "statuses": list(statuses),
                        "category": category,
                        "now": moment_of(now),
                        "before": None if before is None else moment_of(before),
                        "before_id": before_id,
                        "limit": LIST_PAGE,
                    },
                    prepare=True,
                )
                rows = await cursor.fetchall()
            page = [snapshot_of(row).task for row in rows]
            if page:
                yield page
                before, before_id = page[-1].updated_at, page[-1].id
            if len(page) < LIST_PAGE:
                return

    async def require_writable(self) -> None:
        """Raise `StoreUnavailable`, or one of `UNAVAILABLE`, unless a change would be recorded now.

        It commits an empty message to the write-ahead log, as durably as a change, and asks for the rights that
        `append_events` needs.
        """
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_MAY_WRITE)
            row = await cursor.fetchone()
            if row is None or not row[0]:
                raise StoreUnavailable("The role may not write the tables of the store.")
            await connection.execute("SELECT pg_logical_emit_message(true, 'palimpsest', '')")

    async def claim_job(self, name: str, seconds: float) -> bool:
        """Whether this process may do a job that was last begun at least `seconds` ago."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "INSERT INTO job AS known (name, begun_at) VALUES (%s, now()) ON CONFLICT (name)"
                " DO UPDATE SET begun_at = now() WHERE known.begun_at <= now() - %s * interval '1 second'"
                " RETURNING name",
                (name, seconds),
            )
            return await cursor.fetchone() is not None

    async def overdue(self, now: int, after: UUID | None, limit: int = 500) -> list[UUID]:
        """Drafts whose life is over at `now` and not recorded as expired, by id, after one of them; at most `limit`."""
        async with self._pool.connection(read_timeout=None) as connection:
            # Most that come up have been changed since: they are looked at again when their new life ends.
            await connection.execute(
                "UPDATE current_task SET sweep_at = expires_at WHERE sweep_at <= %s AND expires_at > %s",
                (moment_of(now), moment_of(now)),
            )
            cursor = await connection.execute(
                "SELECT id FROM current_task WHERE sweep_at <= %s AND status = 'draft'"
                " AND (%s::uuid IS NULL OR id > %s) ORDER BY id LIMIT %s",
                (moment_of(now), after, after, limit),
            )
            return [row[0] for row in await cursor.fetchall()]

    async def forget_keys(self, hours: int) -> None:
        """Remove idempotency keys that are older than `hours`."""
        async with self._pool.connection(read_timeout=None) as connection:
            await connection.execute(
                "DELETE FROM idempotency_key WHERE created_at < now() - %s * interval '1 hour'", (hours,)
            )
