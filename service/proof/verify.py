"""Verifying tasks: the check of proof.py, driven over the store, for commands and for requests."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from projections.current_task import Snapshot
from service.proof.check import TaskCheck, Verdict, apply_checked
from service.store.connections import ReadingPool
from service.store.scan import UNREADABLE_VALUE, Remembered, TaskRows, remembered_of
from service.store.tasks import Store, read_events, read_snapshots

PAGE = 500
"""Events of a task that a request fetches at a time."""

SLICE = 100
"""Events that a request checks before it lets others work."""


def verdicts(tasks: Iterable[TaskRows], advance: Callable[[int], None]) -> Iterator[Verdict]:
    """One verdict a task; `advance` receives the number of events examined."""
    for check in checked(tasks, advance):
        yield check.verdict()


def checked(tasks: Iterable[TaskRows], advance: Callable[[int], None]) -> Iterator[TaskCheck]:
    """Each task, its events examined."""
    for task_id, remembered, rows in tasks:
        check = TaskCheck(task_id, remembered)
        for row in rows:
            check.feed(row)
        advance(check.events)
        yield check


async def verdict_of(pool: ReadingPool, task_id: UUID) -> Verdict:
    """The verdict on one task, from one state of log and view, without keeping the event loop."""
    async with pool.long_connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await connection.execute("LOCK TABLE current_task IN ACCESS SHARE MODE")
        check = TaskCheck(task_id, await _remembered(connection, task_id))
        after = -(2**63)
        while page := await read_events(connection, task_id, after, PAGE):
            for start in range(0, len(page), SLICE):
                for row in page[start : start + SLICE]:
                    check.feed(row)
                await asyncio.sleep(0)
            after = page[-1].version
    return check.verdict()


async def proven_snapshot(store: Store, task_id: UUID, base: Snapshot | None = None) -> Snapshot | None:
    """Where the log leads after `base`, or from the beginning, every link checked; None where there is no event.

    Raises `HistoryCorrupt` at the first event that does not fit.
    """
    snapshot = base
    async for page in store.events(task_id, base.task.version if base else 0):
        snapshot = apply_checked(snapshot, task_id, page)
    return snapshot


async def _remembered(connection: AsyncConnection[Any], task_id: UUID) -> Remembered | None:
    try:
        async with connection.transaction():
            snapshot = (await read_snapshots(connection, [task_id])).get(task_id)
            return remembered_of(snapshot) if snapshot else None
    except UNREADABLE_VALUE:
        cursor = await connection.execute("SELECT version, digest FROM current_task WHERE id = %s", (task_id,))
        row = await cursor.fetchone()
        return Remembered(row[0], row[1], None) if row else None
