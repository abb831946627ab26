"""Taking turns: while another process writes the same tasks, each reads, decides and records in a turn of its own.

Without turns, a hot draft that two processes write is read by both and lost by one, batch after batch (measured with
two processes on two cores: 0.6 to 0.8 times the autosaves of one process). A turn is a courtesy: nothing relies on
it, `append_events` checks every task. Whoever waits too long for one goes on without.
"""

import time
from typing import Any

import psycopg
from psycopg import AsyncConnection

from service.writing.append import call

COURTESY = 5.0
"""Seconds for which turns are taken after a task was lost to another process."""


class ContentionLock:
    """The turns of one writer."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def wanted(self) -> bool:
        """Whether another process is known to write the same tasks."""
        return time.monotonic() < self._until

    def lost(self) -> None:
        """A task was lost to another process."""
        self._until = time.monotonic() + COURTESY

    async def take(self, connection: AsyncConnection[Any]) -> None:
        """Wait for this writer's turn, for a while; the store gives turns in the order in which they are asked for."""
        await call(connection, b"take_turn")

    async def give(self, connection: AsyncConnection[Any]) -> None:
        """Let the next writer have its turn."""
        try:
            await call(connection, b"give_turn")
        except psycopg.Error:
            if not connection.closed:
                raise
            # A connection that is lost has given its turn away.
