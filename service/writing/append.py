"""One call of `append_events` on a connection, as directly as libpq allows.

psycopg's cursor converts, prepares and waits anew for each query; this is the one query that is made for every batch
of autosaves. Its parameters are made as bytes at once, and the statement is prepared once a connection (measured: 190
microseconds of this process a batch of one instead of 320, and 0.44 ms instead of 0.63 ms until it is durable).
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from service.writing.batch import TaskWrites

_PREPARE = (
    "PREPARE append_events (uuid[], bigint[], json, json, json, json) AS SELECT append_events($1, $2, $3, $4, $5, $6)",
    "PREPARE take_turn AS SELECT take_turn()",
    "PREPARE give_turn AS SELECT give_turn()",
)
_NAME = b"append_events"
_NOBODY = b"{}"


async def prepare(connection: AsyncConnection[Any]) -> None:
    """Make the connection ready for `append` and `call`."""
    for statement in _PREPARE:
        await connection.execute(statement, prepare=False)


async def append(connection: AsyncConnection[Any], groups: Sequence[TaskWrites]) -> set[UUID]:
    """Record what the groups decided, in one transaction; returns the tasks that lost their place.

    Only one call at a time may be under way on a connection. Raises psycopg.Error; where the connection is closed
    afterwards, what was recorded is unknown.
    """
    result = await call(connection, _NAME, parameters(groups))
    losers = result.get_value(0, 0)
    if losers is None or losers == _NOBODY:
        return set()
    return {UUID(text) for text in losers[1:-1].decode().split(",")}


def parameters(groups: Sequence[TaskWrites]) -> list[bytes | None]:
    """The parameters of `append_events`, in libpq's text format."""
    return [
        ("{" + ",".join([group.task_id.hex for group in groups]) + "}").encode(),
        ("{" + ",".join([str(group.expected) for group in groups]) + "}").encode(),
        _json([event for group in groups for event in group.events]),
        _json([row for group in groups if not group.base and (row := group.view_row())]),
        _json([row for group in groups if group.base and (row := group.view_row())]),
        _json([key for group in groups for key in group.keys]),
    ]


_encode = msgspec.json.Encoder().encode


def _json(rows: list[Any]) -> bytes | None:
    return _encode(rows) if rows else None


async def call(connection: AsyncConnection[Any], name: bytes, values: Sequence[bytes | None] = ()) -> PGresult:
    """The result of a statement that `prepare` prepared. A lost connection is closed, so that everybody sees it."""
    libpq = connection.pgconn
    loop = asyncio.get_running_loop()
    try:
        libpq.send_query_prepared(name, values)
        while libpq.flush():
            await _ready(loop.add_writer, loop.remove_writer, libpq.socket)
        last: PGresult | None = None
        while True:
            while libpq.is_busy():
                await _ready(loop.add_reader, loop.remove_reader, libpq.socket)
                libpq.consume_input()
            result = libpq.get_result()
            if result is None:
                break
            last = result
    except psycopg.OperationalError:
        await connection.close()
        raise
    if last is None:
        await connection.close()
        raise psycopg.OperationalError("the connection gave no result")
    if last.status != ExecStatus.TUPLES_OK:
        raise error_from_result(last)
    return last


async def _ready(add: Any, remove: Any, descriptor: int) -> None:
    """Wait until the descriptor is ready for what `add` watches."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(descriptor, _wake, future)
    try:
        await future
    finally:
        remove(descriptor)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
