"""The connections for reading: a pool in each process that neither hangs nor hands out broken connections."""

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

POOL_TIMEOUT = 1.4
"""Seconds that a request waits for a connection."""

READ_TIMEOUT = 1.8
"""Seconds in which a read has its connection and its answer; then it is refused."""

LONG_READ_TIMEOUT = 30.0
"""The same for a read that may have to look at much of the log or of a view; the store itself ends it then."""

LONG_READS = POOL_SIZE // 2
"""Connections that such reads may have at a time, so that they never keep all the others waiting."""


CONNECTION = {
    "autocommit": True,
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "application_name": "palimpsest",
    "client_encoding": "utf8",
}
"""How every connection of the service is made; timeouts in seconds and in milliseconds, as libpq wants them."""

# What the code relies on, whatever the environment, the role or the database say by default. A weaker durability than
# a standby's disk is raised, since an answer is sent only when the change is durable.
_SESSION = """
SET search_path = public;
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SET standard_conforming_strings = on;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
"""

_SHORT_WORK = (
    _SESSION
    + """
SET lock_timeout = '1500ms';
SELECT set_config('transaction_timeout', '30s', false) WHERE current_setting('server_version_num')::int >= 170000;
"""
)
_LONG_WORK = _SESSION + "SET lock_timeout = '5s'"


async def configure(connection: AsyncConnection[Any]) -> None:
    """Make the connection ready for requests: it counts only once this is done."""
    set_json_loads(msgspec.json.decode, connection)
    await connection.execute(_SHORT_WORK)


async def open_connection(database_url: str) -> AsyncConnection[Any]:
    """A connection outside the pool, ready for requests. Raises psycopg.Error or OSError; then none is left open."""
    connection = await AsyncConnection.connect(database_url, **CONNECTION)  # type: ignore[arg-type]
    try:
        await configure(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


def connect(database_url: str, *, connect_timeout: int = 2) -> Connection[Any]:
    """A synchronous connection for long work, without a limit on the time of a transaction."""
    parameters: dict[str, Any] = {**CONNECTION, "connect_timeout": connect_timeout}
    connection = psycopg.connect(database_url, **parameters)
    try:
        set_json_loads(msgspec.json.decode, connection)
        connection.execute(_LONG_WORK)
    except BaseException:
        connection.close()
        raise
    return connection


class ReadingPool(AsyncConnectionPool[AsyncConnection[Any]]):
    """A pool that closes a connection where the server does not answer in time.

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
            timeout=POOL_TIMEOUT,
            # Then the next request tries again, at once; a longer one would back off for longer than an outage lasts.
            reconnect_timeout=POOL_TIMEOUT,
            open=False,
        )
        self._long_reads = asyncio.Semaphore(LONG_READS)

    @override
    @asynccontextmanager
    async def connection(
        self, timeout: float | None = None, *, read_timeout: float | None = READ_TIMEOUT
    ) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection for at most `read_timeout` seconds from now, waiting included; None is for long work."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        async with super().connection(timeout) as connection:
            if read_timeout is None:
                yield connection
                return
            timer = loop.call_at(since + read_timeout, _hang_up, connection, read_timeout)
            try:
                yield connection
            finally:
                timer.cancel()

    @asynccontextmanager
    async def long_connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection for a read that may look at much; it waits for those that do already. Raises `PoolTimeout`.

        A store that does not answer at all is found out as soon as by any other read.
        """
        async with self.connection() as connection:
            await connection.execute("SELECT 1")
        try:
            async with asyncio.timeout(LONG_READ_TIMEOUT):
                await self._long_reads.acquire()
        except TimeoutError:
            raise PoolTimeout("too many long reads") from None
        try:
            async with self.connection(read_timeout=LONG_READ_TIMEOUT) as connection:
                yield connection
        finally:
            self._long_reads.release()

    async def _check_quickly(self, connection: AsyncConnection[Any]) -> None:
        """Find out, without a round trip, what the server sent meanwhile: most likely that it is shutting down."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if connection.closed or poll.poll(0):
            # So were the others: one look at them all, so that no request has to find out one by one.
            await self.check()
            await self.check_connection(connection)


def _hang_up(connection: AsyncConnection[Any], read_timeout: float) -> None:
    if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
        log.warning("no answer from the store within %s s, closing the connection", read_timeout)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
