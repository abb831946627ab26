"""A view that follows the log: how it applies a run of events, and how its rebuild does."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from domain.events import Recorded
from service.store.codec import recorded
from service.store.log import rows_after
from service.views.rebuild import Advance, Rebuilt


class Positioned(NamedTuple):
    """An event and its position."""

    position: int
    event: Recorded


class FollowingView(ABC):
    """A view that follows the log. Its tables are in the schema that has its name; statements name them unqualified."""

    name: str
    schema: str
    tables: tuple[str, ...]

    @abstractmethod
    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        """Apply the next events, in the open transaction. Whatever it raises stops the view."""

    def fill(self, reading: Connection[Any], connection: Connection[Any], advance: Advance) -> Rebuilt:
        """Nothing: the rebuild follows the log from its beginning."""
        return Rebuilt()

    def follow(self, connection: Connection[Any], position: int, limit: int) -> int:
        """Apply at most `limit` events after `position`; returns the position of the last, `position` if none."""
        events = events_after(connection, position, limit)
        if not events:
            return position
        with connection.transaction():
            self.apply(connection, events)
        return events[-1].position

    def lock_writers(self, connection: Connection[Any]) -> None:
        """Lock the tracked position, which the projector locks before it writes."""
        connection.execute("SELECT FROM followed_view WHERE name = %s FOR UPDATE", (self.name,))

    def set_position(self, connection: Connection[Any], position: int) -> None:
        """Set the tracked position in the transaction that writes the rows; a view that had stopped goes on."""
        connection.execute(
            "UPDATE followed_view SET position = %s, failure = NULL, changed_at = now() WHERE name = %s",
            (position, self.name),
        )


def events_after(connection: Connection[Any], position: int, limit: int) -> list[Positioned]:
    """At most `limit` events after a position. Raises `HistoryCorrupt` for one that cannot be read."""
    return [Positioned(row.position, recorded(row)) for row in rows_after(connection, position, limit)]
