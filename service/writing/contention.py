"""A lock that writers hold in turn while they meet on the same tasks: each reads, decides and records under it.

Without it, a hot draft that two processes write is read by both and lost by one, batch after batch (measured with two
processes on two cores: 0.6 to 0.8 times the autosaves of one process). Nothing relies on the lock, `append_events`
checks every task: a writer that waits too long for it goes on without.
"""

import time

import psycopg

from service.writing.connection import WriterConnection

WANTED_FOR = 5.0
"""Seconds for which the lock is used after a task was lost to another process."""


class ContentionLock:
    """The lock as one writer uses it."""

    def __init__(self) -> None:
        self._wanted_until = 0.0

    @property
    def wanted(self) -> bool:
        """Whether another process is known to write the same tasks."""
        return time.monotonic() < self._wanted_until

    def mark_contended(self) -> None:
        """A task was lost to another process."""
        self._wanted_until = time.monotonic() + WANTED_FOR

    async def acquire(self, connection: WriterConnection) -> None:
        """Wait for the lock, at most 100 ms; the store grants it in the order of the calls."""
        await connection.call(b"acquire_contention")

    async def release(self, connection: WriterConnection) -> None:
        """Let the next writer have it."""
        try:
            await connection.call(b"release_contention")
        except psycopg.Error:
            if connection.is_open:
                raise
            # A connection that is lost has released it.
