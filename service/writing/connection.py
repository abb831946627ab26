"""The writer's connection to the store: opened when it is needed, and used as directly as libpq allows.

psycopg's cursor converts, prepares and waits for each query again; `append_events` is called for every batch of
autosaves. Its parameters are made as bytes at once, and it is prepared once a connection (measured: 190 microseconds
of this process a batch of one instead of 320, and 0.44 ms instead of 0.63 ms until it is durable).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from service.store.connections import open_connection

COMMIT_TIMEOUT = 1.5
"""Seconds that a request waits for a store that does not answer, and that a connection may take to be ready."""

RECONNECT_PAUSE = 0.1
"""Seconds between two attempts to reach the store."""

# Statements find their rows by index and are planned once: the planner, which cannot know how small a batch is, would
# read the whole view each time (measured: 0.42 ms a call instead of 0.80 ms).
_SETUP = """
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan;
PREPARE append_events (uuid[], bigint[], json, json, json, json) AS SELECT append_events($1, $2, $3, $4, $5, $6);
PREPARE acquire_contention AS SELECT acquire_contention();
PREPARE release_contention AS SELECT release_contention();
"""


class WriterConnection:
    """One connection outside the pool. Only one call at a time may be under way on it."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: AsyncConnection[Any] | None = None
        self._backend: tuple[int, datetime] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection is ready, as far as is known."""
        return self._connection is not None and not self._connection.closed

    async def open(self) -> AsyncConnection[Any]:
        """The connection, a new one where there is none. Raises psycopg.Error, OSError or TimeoutError.

        It counts only once it is wholly set up: one that failed on the way is closed and never used.
        """
        if self._connection is None or self._connection.closed:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                connection = await open_connection(self._database_url)
                try:
                    await connection.execute(_SETUP)
                    self._backend = await _backend_of(connection)
                except BaseException:
                    await connection.close()
                    raise
            self._connection = connection
        return self._connection

    async def reopen(self) -> AsyncConnection[Any]:
        """A new connection, once the server process of the lost one has ended and what it did is settled."""
        lost = self._backend
        while True:
            try:
                connection = await self.open()
                await connection.execute(
                    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                    " WHERE (pid, backend_start) = (%s, %s)",
                    lost,
                )
                return connection
            except (psycopg.OperationalError, OSError):
                await asyncio.sleep(RECONNECT_PAUSE)

    async def close(self) -> None:
        """Disconnect."""
        if self._connection:
            await self._connection.close()

    async def call(self, name: bytes, parameters: Sequence[bytes | None] = ()) -> PGresult:
        """The result of a prepared statement. Raises psycopg.Error; a lost connection is closed."""
        assert self._connection is not None
        libpq = self._connection.pgconn
        try:
            libpq.send_query_prepared(name, parameters)
            result = await _last_result(libpq)
            if result is None:
                raise psycopg.OperationalError("the connection gave no result")
        except psycopg.OperationalError:
            await self._connection.close()
            raise
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
        return result


async def _backend_of(connection: AsyncConnection[Any]) -> tuple[int, datetime]:
    """The server process of a connection: its id, and when it started."""
    cursor = await connection.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


async def _last_result(libpq: PGconn) -> PGresult | None:
    loop = asyncio.get_running_loop()
    while libpq.flush():
        await _ready(loop.add_writer, loop.remove_writer, libpq.socket)
    last: PGresult | None = None
    while True:
        while libpq.is_busy():
            await _ready(loop.add_reader, loop.remove_reader, libpq.socket)
            libpq.consume_input()
        result = libpq.get_result()
        if result is None:
            return last
        last = result


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
