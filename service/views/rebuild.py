"""The rebuild of a view from the log, while the view is read and goes on.

The view's shadow (shadow.py) is filled. When it has caught up with the log, one transaction locks the view, applies
the last events and swaps the shadow in. Whatever ends a rebuild midway leaves the view as it was; the next rebuild
drops what was left.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from psycopg import Connection, errors, sql

from domain.errors import HistoryCorrupt
from service.proof.check import Verdict
from service.store import locks
from service.store.connections import connect
from service.views.shadow import CannotSwap, Tables, drop_shadow, lock_originals, make_shadow, swap_in

BATCH = 2000
"""Events in one transaction."""

ATTEMPTS = 100
"""How often the swap is tried while the view is being read."""

LOCK_TIMEOUT = "300ms"
"""How long one attempt waits for locks: less than a writer or a reader waits, who queue for the view meanwhile."""

Advance = Callable[[int], None]
"""Called with the number of events processed since the last call."""


class RebuildRefused(Exception):
    """The log is not whole, so the view was left as it was; the message says where."""


class RebuildRunning(Exception):
    """Another rebuild is running."""


class Rebuilt(msgspec.Struct):
    """A rebuild: the position up to which the view holds the log.

    Of a view that is filled from proven histories: the number of tasks, and the verdicts on those whose row was wrong.
    """

    position: int = 0
    tasks: int | None = None
    repaired: list[Verdict] = []


class Rebuildable(Protocol):
    """A view that can be rebuilt. Its statements name its tables unqualified, so that they apply to a shadow, too."""

    name: str
    schema: str
    tables: tuple[str, ...]

    def fill(self, reading: Connection[Any], connection: Connection[Any], advance: Advance) -> Rebuilt:
        """Fill the empty tables, where the view does not simply follow the log from its beginning.

        `reading` sees the view, `connection` its shadow. Raises `RebuildRefused`.
        """

    def follow(self, connection: Connection[Any], position: int, limit: int) -> int:
        """Apply at most `limit` events after `position`; returns the position of the last, `position` if none."""

    def lock_writers(self, connection: Connection[Any]) -> None:
        """Keep others from writing to the view until the open transaction ends."""

    def set_position(self, connection: Connection[Any], position: int) -> None:
        """Record the position of the tables that are swapped in, in the open transaction."""


def rebuild(
    database_url: str, view: Rebuildable, advance: Advance = lambda events: None, batch: int = BATCH
) -> Rebuilt:
    """Rebuild the view from the log.

    Raises `RebuildRefused`, `RebuildRunning`, `CannotSwap`, and whatever the view raises for an event.
    """
    tables = Tables(view.schema, view.tables, f"{view.name}_shadow")
    with connect(database_url, connect_timeout=10) as reading, connect(database_url) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.REBUILD,)).fetchone()
        if not row or not row[0]:
            raise RebuildRunning("another rebuild is running")
        # What a crash loses of the shadow is rebuilt: only the log has to be durable.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'off', false), set_config('search_path', %s, false)",
            (f'"{tables.shadow}", public',),
        )
        try:
            make_shadow(connection, tables)
            rebuilt = view.fill(reading, connection, advance)
            rebuilt.position = _catch_up(connection, view, rebuilt.position, advance, batch)
            for name in tables.names:
                connection.execute(sql.SQL("ANALYZE {}").format(tables.copy(name)))
            rebuilt.position = _swap(connection, view, tables, rebuilt.position, advance, batch)
        except HistoryCorrupt as error:
            raise RebuildRefused(f"version {error.version} of a task: {error}") from None
        finally:
            drop_shadow(connection, tables)
        return rebuilt


def _swap(
    connection: Connection[Any], view: Rebuildable, tables: Tables, position: int, advance: Advance, batch: int
) -> int:
    """Swap the shadow in at the end of the log. Writers wait only for the last events and the swap."""
    for attempt in range(ATTEMPTS):
        position = _catch_up(connection, view, position, advance, batch)
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
                view.lock_writers(connection)
                lock_originals(connection, tables)
                last = _catch_up(connection, view, position, advance, batch)
                swap_in(connection, tables)
                view.set_position(connection, last)
            return last
        except errors.LockNotAvailable:
            time.sleep(min(0.1 * (attempt + 1), 1.0))
    raise CannotSwap(f"{view.name} is being read without a pause; try again later")


def _catch_up(connection: Connection[Any], view: Rebuildable, position: int, advance: Advance, batch: int) -> int:
    """Apply what comes after `position` up to the end of the log; returns the position there."""
    while (reached := view.follow(connection, position, batch)) != position:
        advance(reached - position)
        position = reached
    return position
