"""Verifying tasks: the check of proof.py, driven over the store, for commands and for requests."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from service.proof.check import TaskCheck, Verdict
from service.store.codec import LogRow
from service.store.connections import ReadingPool
from service.store.scan import UNREADABLE_VALUE, Remembered, TaskRows, remembered_of
from service.store.tasks import read_snapshot

PAGE = 500
"""Events of a task that a request fetches at a time."""

SLICE = 100
"""Events that a request checks before it lets others work."""

_PAGE_OF_TASK = (
    "SELECT notification_id, originator_version, topic, state, digest FROM draft_events"
    " WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT %s"
)


def verdicts(tasks: Iterable[TaskRows], advance: Callable[[int], None]) -> Iterator[Verdict]:
    """One verdict a task; `advance` is told of the events that were looked at."""
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
        while page := await _page(connection, task_id, after):
            for start in range(0, len(page), SLICE):
                for row in page[start : start + SLICE]:
                    check.feed(row)
                await asyncio.sleep(0)
            after = page[-1].version
    return check.verdict()


async def _remembered(connection: AsyncConnection[Any], task_id: UUID) -> Remembered | None:
    try:
        async with connection.transaction():
            head = await read_snapshot(connection, task_id)
            return remembered_of(head) if head else None
    except UNREADABLE_VALUE:
        cursor = await connection.execute("SELECT version, digest FROM current_task WHERE id = %s", (task_id,))
        row = await cursor.fetchone()
        return Remembered(row[0], row[1], None) if row else None


async def _page(connection: AsyncConnection[Any], task_id: UUID, after: int) -> list[LogRow]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(_PAGE_OF_TASK, (task_id, after, PAGE), prepare=True)
    return [LogRow(*row) for row in await cursor.fetchall()]
