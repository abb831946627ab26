"""The projector: keeps the views that follow the log up to it, in batches.

One transaction a batch moves a view's rows and its tracked position together, so that whatever ends the process,
the view is the fold of the log up to that position. Of all projectors one leads, by an advisory lock of its
connection; the tracked position's row is locked besides, so that even two that take themselves for the leader
apply nothing twice.

A view whose `apply` raises is stopped where it stands: the failure is recorded and logged, nothing is skipped, and
the others go on. It goes on when a process takes the lead anew, or after `palimpsest rebuild`.
"""

import logging
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

import psycopg
from psycopg import Connection

from service.store import locks
from service.store.codec import recorded
from service.store.connections import connect
from service.store.log import last_position, rows_after
from service.views.followed import VIEWS, Positioned, View

log = logging.getLogger(__name__)

BATCH = 2000
"""Events in one transaction."""

PAUSE = 0.25
"""Seconds between two looks at the log once everything is taken in: what gathers meanwhile shares a transaction."""

RETRY = 1.0
"""Seconds between two attempts to lead, or to reach the store."""


class Batches:
    """The next events behind a position. The last batch is kept, since views mostly stand side by side."""

    def __init__(self, connection: Connection[Any], size: int) -> None:
        self._connection = connection
        self._size = size
        self._after = -1
        self._events: list[Positioned] = []

    def behind(self, after: int) -> list[Positioned]:
        if after != self._after or not self._events:
            self._events = _events_after(self._connection, after, self._size)
            self._after = after
        return self._events


class Projector:
    """Follows the log in a thread of its own, as long as it leads."""

    def __init__(self, database_url: str, views: Sequence[View] = VIEWS, batch: int = BATCH) -> None:
        self._database_url = database_url
        self._views = views
        self._batch = batch
        self._stopping = Event()
        self._thread: Thread | None = None
        self.leading = False

    def start(self) -> None:
        """Follow from now on."""
        self._thread = Thread(target=self.run, name="projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand and follow no more."""
        self.end()
        if self._thread:
            self._thread.join()

    def end(self) -> None:
        """Let `run` return once the batch at hand is finished."""
        self._stopping.set()

    def run(self) -> None:
        """Follow until stopped, in this thread; a lost store is waited for."""
        while not self._stopping.is_set():
            try:
                with connect(self._database_url) as connection:
                    if self._lead(connection):
                        log.info("the projector leads")
                        self._follow(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("the projector lost the store: %s", error)
            finally:
                self.leading = False
            self._stopping.wait(RETRY)

    def catch_up(self, connection: Connection[Any]) -> int:
        """Take in everything up to the head, on a connection of the caller's; returns the number of events applied."""
        applied = 0
        batches = Batches(connection, self._batch)
        while turn := self._turn(connection, batches):
            applied += turn
        return applied

    def _lead(self, connection: Connection[Any]) -> bool:
        """Wait for the lead; False when stopped meanwhile. Views that had failed are tried again."""
        while not self._stopping.is_set():
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.LEAD,)).fetchone()
            if row and row[0]:
                connection.execute("UPDATE followed_view SET failure = NULL WHERE failure IS NOT NULL")
                self.leading = True
                return True
            self._stopping.wait(RETRY)
        return False

    def _follow(self, connection: Connection[Any]) -> None:
        batches = Batches(connection, self._batch)
        seen = -1
        while not self._stopping.is_set():
            # An idle log costs one look at its head, and no transaction.
            head = last_position(connection)
            if head != seen:
                while self._turn(connection, batches):
                    pass
                seen = head
            self._stopping.wait(PAUSE)

    def _turn(self, connection: Connection[Any], batches: Batches) -> int:
        """One batch for each view that still follows; returns the number of events applied, 0 at the head."""
        applied = 0
        for view in self._views:
            if not self._stopping.is_set():
                applied += self._advance(connection, view, batches)
        return applied

    def _advance(self, connection: Connection[Any], view: View, batches: Batches) -> int:
        try:
            return advance(connection, view, view.name, batches)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            log.exception("the view %s stopped", view.name, extra={"view": view.name})
            connection.execute(
                "UPDATE followed_view SET failure = %s, changed_at = now() WHERE name = %s",
                (type(error).__name__, view.name),
            )
            return 0


def advance(connection: Connection[Any], view: View, name: str, batches: Batches) -> int:
    """Move the view on by one batch, in one transaction; returns the number of events, 0 at the head or if stopped.

    `name` is the schema and the tracked position that are moved, the view's own or those of its rebuild.
    """
    with connection.transaction():
        position = enter(connection, name)
        if position is None:
            return 0
        events = batches.behind(position)
        if events:
            view.apply(connection, events)
            move(connection, name, events[-1].position)
    return len(events)


def enter(connection: Connection[Any], name: str) -> int | None:
    """Make unqualified names those of the view until the transaction ends, and lock its tracked position.

    Returns the position, None for a view that has stopped or is not there.
    """
    # What a crash loses here is folded again: only the log has to be durable.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'off', true), set_config('search_path', %s, true)",
        (f'"{name}", public',),
    )
    row = connection.execute(
        "SELECT position FROM followed_view WHERE name = %s AND failure IS NULL FOR UPDATE", (name,)
    ).fetchone()
    return None if row is None else row[0]


def move(connection: Connection[Any], name: str, position: int) -> None:
    """Move the tracked position, in the transaction that moves the rows."""
    connection.execute("UPDATE followed_view SET position = %s, changed_at = now() WHERE name = %s", (position, name))


def _events_after(connection: Connection[Any], after: int, limit: int) -> list[Positioned]:
    """At most `limit` events after position `after`. Raises `HistoryCorrupt` for one that cannot be read."""
    return [Positioned(row.position, recorded(row)) for row in rows_after(connection, after, limit)]
