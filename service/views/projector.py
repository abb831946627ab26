"""The projector: keeps the views that follow the log up to it, in batches.

One transaction a batch moves a view's rows and its tracked position together, so that whatever ends the process,
the view is the fold of the log up to that position. Of all projectors one leads, by an advisory lock of its
connection; each batch also locks the tracked position's row, so that even two leaders would apply nothing twice.

A view whose `apply` raises is stopped at its position: the failure is recorded and logged, nothing is skipped, and
the others go on. It goes on when a projector becomes the leader, or after `palimpsest rebuild`.
"""

import logging
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

import psycopg
from psycopg import Connection

from service.store import locks
from service.store.connections import connect
from service.store.log import last_position
from service.views.followed import VIEWS
from service.views.rebuild import BATCH
from service.views.view import FollowingView, Positioned, events_after

log = logging.getLogger(__name__)

PAUSE = 0.25
"""Seconds between two looks at the log when everything is applied: what comes meanwhile shares a transaction."""

RETRY = 1.0
"""Seconds between two attempts to lead, or to reach the store."""


class Batches:
    """The next events after a position. The last batch is kept, since the views are mostly at the same position."""

    def __init__(self, connection: Connection[Any], size: int) -> None:
        self._connection = connection
        self._size = size
        self._after = -1
        self._events: list[Positioned] = []

    def after(self, position: int) -> list[Positioned]:
        if position != self._after or not self._events:
            self._events = events_after(self._connection, position, self._size)
            self._after = position
        return self._events


class Projector:
    """Follows the log in a thread of its own, as long as it leads."""

    def __init__(self, database_url: str, views: Sequence[FollowingView] = VIEWS, batch: int = BATCH) -> None:
        self._database_url = database_url
        self._views = views
        self._batch = batch
        self._stopping = Event()
        self._thread: Thread | None = None
        self.leading = False

    def start(self) -> None:
        """Follow in a thread, from now on."""
        self._thread = Thread(target=self.run, name="projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the current batch and stop."""
        self.end()
        if self._thread:
            self._thread.join()

    def end(self) -> None:
        """Let `run` return after the current batch."""
        self._stopping.set()

    def run(self) -> None:
        """Follow until stopped, in this thread; retry while the store is unreachable."""
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
        """Apply everything up to the head, on the caller's connection; returns the number of events applied."""
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

    def _advance(self, connection: Connection[Any], view: FollowingView, batches: Batches) -> int:
        """Advance the view by one batch, in one transaction; returns the number of events, 0 if it has stopped."""
        try:
            with connection.transaction():
                position = _enter(connection, view)
                if position is None:
                    return 0
                events = batches.after(position)
                if events:
                    view.apply(connection, events)
                    view.set_position(connection, events[-1].position)
            return len(events)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            log.exception("the view %s stopped", view.name, extra={"view": view.name})
            connection.execute(
                "UPDATE followed_view SET failure = %s, changed_at = now() WHERE name = %s",
                (type(error).__name__, view.name),
            )
            return 0


def _enter(connection: Connection[Any], view: FollowingView) -> int | None:
    """Let unqualified names be the view's and lock its tracked position, until the transaction ends.

    Returns the position, None for a view that has stopped.
    """
    # What a crash loses here is folded again: only the log has to be durable.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'off', true), set_config('search_path', %s, true)",
        (f'"{view.schema}", public',),
    )
    row = connection.execute(
        "SELECT position FROM followed_view WHERE name = %s AND failure IS NULL FOR UPDATE", (view.name,)
    ).fetchone()
    return None if row is None else row[0]
