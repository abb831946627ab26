"""The connections for reading: each process's pool, which neither hangs nor hands out what an outage left behind."""

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from typing_extensions import override

log = logging.getLogger(__name__)

POOL_SIZE = 4
"""Connections that a process keeps for reading."""

MAX_WAITING = 256
"""Requests that may wait for one of them; further ones are shed."""

PATIENCE = 1.4
"""Seconds that a request waits for a connection."""

SILENCE = 1.8
"""Seconds in which a request that reads has its connection and its answer, or is told that there is none."""

LONG_SILENCE = 30.0
"""The same for a read that may have to look at much of the log or of a view; the store itself ends it then."""

LONG_READS = POOL_SIZE // 2
"""Connections that such reads may have at a time, so that they never keep all the others waiting."""


async def configure(connection: AsyncConnection[Any]) -> None:
    """What every connection of the service has in common."""
    set_json_loads(msgspec.json.decode, connection)
    await connection.execute("SET lock_timeout = '1500ms'")
    await connection.execute("SET TimeZone = 'UTC'")
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    if connection.info.server_version >= 170000:
        await connection.execute("SET transaction_timeout = '30s'")


CONNECTION = {"autocommit": True, "connect_timeout": 2, "tcp_user_timeout": 2000, "application_name": "palimpsest"}
"""How every connection of the service is made."""


class ReadingPool(AsyncConnectionPool[AsyncConnection[Any]]):
    """A pool whose connections are hung up on where the server keeps silent.

    A server that is stopped but not gone answers nothing, and no timeout of its own fires. Cancelling would wait for
    it too; a closed socket does not.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(
            database_url,
            kwargs=CONNECTION,
            min_size=1,
            max_size=POOL_SIZE,
            max_waiting=MAX_WAITING,
            configure=configure,
            check=self._check_quickly,
            timeout=PATIENCE,
            # Then the next request tries again, at once; a longer one would back off for longer than an outage lasts.
            reconnect_timeout=PATIENCE,
            open=False,
        )
        self._long_reads = asyncio.Semaphore(LONG_READS)

    @override
    @asynccontextmanager
    async def connection(
        self, timeout: float | None = None, *, silence: float | None = SILENCE
    ) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection for at most `silence` seconds from now, waiting included; None is for long work."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        async with super().connection(timeout) as connection:
            if silence is None:
                yield connection
                return
            timer = loop.call_at(since + silence, _hang_up, connection, silence)
            try:
                yield connection
            finally:
                timer.cancel()

    @asynccontextmanager
    async def long_connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection for a read that may look at much, behind those that do already. Raises `PoolTimeout`.

        A store that does not answer at all is found out as soon as by any other read.
        """
        async with self.connection() as connection:
            await connection.execute("SELECT 1")
        try:
            async with asyncio.timeout(LONG_SILENCE):
                await self._long_reads.acquire()
        except TimeoutError:
            raise PoolTimeout("too many long reads") from None
        try:
            async with self.connection(silence=LONG_SILENCE) as connection:
                yield connection
        finally:
            self._long_reads.release()

    async def _check_quickly(self, connection: AsyncConnection[Any]) -> None:
        """Find out what the server said while nobody asked, most likely that it was going; without a round trip."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if connection.closed or poll.poll(0):
            # So were the others: one look at them all, so that no request has to find out one by one.
            await self.check()
            await self.check_connection(connection)


def _hang_up(connection: AsyncConnection[Any], silence: float) -> None:
    if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
        log.warning("the store kept silent for %s s, hanging up", silence)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


def connect(database_url: str) -> Connection[Any]:
    """A connection for long work in order of positions, outside the pool."""
    connection = psycopg.connect(database_url, **CONNECTION)  # type: ignore[arg-type]
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_timeout = '5s'")
    return connection
