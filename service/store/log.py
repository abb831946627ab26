"""The log by position: its head, pages of it under filters, and the position of a moment.

Positions are in commit order, so a reader that has read up to one has missed nothing before it. Every answer rests
on one snapshot: a page looks at what was committed when its extent was measured, and at nothing else.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection

from projections.times import moment_of
from service.store.codec import LogRow
from service.store.connections import LONG_READ_TIMEOUT, ReadingPool

CHUNK = 256
"""Events fetched and encoded at a time; what a reader of any number of them holds in memory."""

WINDOW = 100_000
"""Positions that a page under a type filter looks at, at most."""

_MAX_AFTER = 2**63 - 1 - WINDOW
"""Beyond it the end of the window would be no bigint; no position is ever there."""

MOMENT_BLOCK = 1024
"""Positions that share one row of the view `moment`."""

_COLUMNS = "notification_id, originator_id, originator_version, topic, state, digest"

LAST_POSITION = "SELECT coalesce(max(notification_id), 0) FROM draft_events"
"""The last position, 0 of an empty log."""

# The end of the window is a scalar, not a join: the index scan ends there, and not with the log.
EXTENT = f"""
WITH head (position) AS MATERIALIZED ({LAST_POSITION}),
found AS (
    SELECT notification_id AS position FROM draft_events
    WHERE notification_id > %(after)s
      AND notification_id <= least((SELECT position FROM head), %(after)s + %(window)s)
      AND (%(types)s::text[] IS NULL OR topic = ANY (%(types)s))
    ORDER BY notification_id LIMIT %(limit)s
)
SELECT head.position, (SELECT count(*) FROM found), (SELECT max(position) FROM found) FROM head
"""
"""How far a page reaches: the head, the number of events found, and the last of them."""

# Within a task the order of versions is that of positions, and the primary key leads to it.
_TASK_EXTENT = f"""
WITH head (position) AS MATERIALIZED ({LAST_POSITION}),
found AS (
    SELECT notification_id AS position FROM draft_events
    WHERE originator_id = %(task_id)s AND notification_id > %(after)s
      AND (%(types)s::text[] IS NULL OR topic = ANY (%(types)s))
    ORDER BY originator_version LIMIT %(limit)s
)
SELECT head.position, (SELECT count(*) FROM found), (SELECT max(position) FROM found) FROM head
"""

_ROWS = f"""
SELECT {_COLUMNS} FROM draft_events
WHERE notification_id > %(after)s AND notification_id <= %(upto)s
  AND (%(types)s::text[] IS NULL OR topic = ANY (%(types)s))
ORDER BY notification_id LIMIT {CHUNK}
"""

_TASK_ROWS = f"""
SELECT {_COLUMNS} FROM draft_events
WHERE originator_id = %(task_id)s AND notification_id > %(after)s AND notification_id <= %(upto)s
  AND (%(types)s::text[] IS NULL OR topic = ANY (%(types)s))
ORDER BY originator_version LIMIT {CHUNK}
"""

_ROWS_AFTER = f"SELECT {_COLUMNS} FROM draft_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"

# After the blocks that the view has finished, the events themselves are searched.
_MOMENT_BLOCK = "SELECT block FROM moment.block WHERE latest >= %(moment)s ORDER BY latest, block LIMIT 1"
_FINISHED = "SELECT coalesce(max(block), 0) FROM moment.block"
_FIRST_SINCE = """
SELECT position FROM event_stream
WHERE position >= %(first)s AND (%(last)s::bigint IS NULL OR position <= %(last)s) AND occurred_at >= %(moment)s
ORDER BY position LIMIT 1
"""


class Filters(msgspec.Struct, frozen=True):
    """Which events a reader wants: those of some types, of one task, or all."""

    types: tuple[str, ...] | None = None
    task_id: UUID | None = None


class Extent(msgspec.Struct, frozen=True):
    """How far a page reaches: the last position that it looks at, and the log's head."""

    upto: int
    head: int


class EventLog:
    """The log by position, read through the pool of requests."""

    def __init__(self, pool: ReadingPool) -> None:
        self._pool = pool

    async def head(self) -> int:
        """The last position, 0 of an empty log."""
        async with self._pool.connection() as connection:
            return await read_last_position(connection)

    async def extent(self, after: int, limit: int, filters: Filters) -> Extent:
        """The extent of a page of `limit` events after position `after`.

        It ends with the last event of a full page, at the head, or where as many positions were looked at as one
        page may (`WINDOW`); of a page beyond the head, at `after`.
        """
        query = EXTENT if filters.task_id is None else _TASK_EXTENT
        async with self._pool.long_connection() as connection:
            cursor = await connection.execute(
                query, {**_arguments(filters), "after": min(after, _MAX_AFTER), "limit": limit}
            )
            row = await cursor.fetchone()
        assert row is not None
        head, count, last = row
        if count == limit:
            return Extent(last, head)
        reached = head if filters.task_id is not None else min(head, after + WINDOW)
        return Extent(max(after, reached), head)

    async def rows(self, after: int, upto: int, filters: Filters) -> AsyncIterator[list[LogRow]]:
        """The events after `after` up to `upto`, in chunks; no connection is held between two of them."""
        query = _ROWS if filters.task_id is None else _TASK_ROWS
        while after < upto:
            # Whether the store answers was asked for the page's extent, and not again for each of its chunks.
            async with self._pool.connection(read_timeout=LONG_READ_TIMEOUT) as connection:
                chunk = await _read(connection, query, {**_arguments(filters), "after": after, "upto": upto})
            if chunk:
                yield chunk
                after = chunk[-1].position
            if len(chunk) < CHUNK:
                return

    async def before(self, moment: int) -> int:
        """The position before the first event, in order of positions, that occurred at `moment` or later.

        Exact, even where the writers' clocks went back: the view `moment` keeps the latest time up to each block of
        positions, which never falls. Only a block, and what that view has not reached yet, is looked through.
        """
        async with self._pool.long_connection() as connection:
            at = moment_of(moment)
            cursor = await connection.execute(_MOMENT_BLOCK, {"moment": at})
            row = await cursor.fetchone()
            if row is None:
                cursor = await connection.execute(_FINISHED)
                row = await cursor.fetchone()
                first, last = (row[0] if row else 0) * MOMENT_BLOCK, None
            else:
                first, last = row[0] * MOMENT_BLOCK, (row[0] + 1) * MOMENT_BLOCK - 1
            cursor = await connection.execute(_FIRST_SINCE, {"first": first, "last": last, "moment": at})
            row = await cursor.fetchone()
            return row[0] - 1 if row else await read_last_position(connection)


async def read_last_position(connection: AsyncConnection[Any]) -> int:
    """The last position of the log, 0 of an empty one."""
    cursor = await connection.execute(LAST_POSITION, prepare=True)
    row = await cursor.fetchone()
    assert row is not None
    head: int = row[0]
    return head


async def read_rows(connection: AsyncConnection[Any], after: int) -> list[LogRow]:
    """At most `CHUNK` rows after position `after`."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(_ROWS_AFTER, (after, CHUNK), prepare=True)
    return list(map(LogRow._make, await cursor.fetchall()))


async def _read(connection: AsyncConnection[Any], query: str, arguments: dict[str, Any]) -> list[LogRow]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(query, arguments, prepare=True)
    return list(map(LogRow._make, await cursor.fetchall()))


def _arguments(filters: Filters) -> dict[str, Any]:
    types: Sequence[str] | None = None if filters.types is None else list(filters.types)
    return {"types": types, "task_id": filters.task_id, "window": WINDOW}


def last_position(connection: Connection[Any]) -> int:
    """The last position of the log."""
    row = connection.execute(LAST_POSITION, prepare=True).fetchone()
    assert row is not None
    head: int = row[0]
    return head


def rows_after(connection: Connection[Any], after: int, limit: int) -> list[LogRow]:
    """At most `limit` rows after position `after`."""
    cursor = connection.cursor(binary=True)
    return list(map(LogRow._make, cursor.execute(_ROWS_AFTER, (after, limit), prepare=True)))
