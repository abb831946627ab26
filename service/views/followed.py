"""The views that follow the log: how each takes in a run of events, in the transaction that the projector opens.

The tables of a view stand in the schema that has its name. `apply` writes them unqualified, since a rebuild fills
others of the same names in a schema beside it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
from psycopg import Connection

from domain.events import Recorded
from projections.statistics import Changes, Day, Draft, fold
from projections.times import moment_of
from service.store.log import MOMENT_BLOCK


class Positioned(NamedTuple):
    """An event and its position."""

    position: int
    event: Recorded


class View(Protocol):
    """A view that follows the log."""

    name: str

    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        """Take in the events that come next, in the open transaction. Whatever it raises stops the view."""


class Moments:
    """From a time to a position: the latest `occurred_at` up to the end of each block of positions."""

    name = "moment"

    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        row = connection.execute("SELECT max(latest) FROM block").fetchone()
        latest = row[0] if row else None
        blocks = {}
        for position, event in events:
            at = moment_of(event.occurred_at)
            latest = at if latest is None else max(latest, at)
            blocks[position // MOMENT_BLOCK] = latest
        connection.execute(
            "INSERT INTO block SELECT * FROM unnest(%s::bigint[], %s::timestamptz[])"
            " ON CONFLICT (block) DO UPDATE SET latest = excluded.latest",
            (list(blocks), list(blocks.values())),
        )


_TIMES = ("created_at", "published_at", "last_edit_at")

_KNOWN = "SELECT {} FROM draft WHERE task_id = ANY (%s)".format(
    ", ".join(
        f"(extract(epoch FROM {name}) * 1000000)::bigint" if name in _TIMES else name
        for name in Draft.__struct_fields__
    )
)

_KEEP = """
INSERT INTO draft ({names})
SELECT {values} FROM json_to_recordset(%s::json) AS changed (
    task_id uuid, created_at bigint, published_at bigint, edits integer, last_edit_at bigint, last_field text,
    description_length integer, transcript_length integer, has_category boolean, has_task_type boolean,
    has_budget boolean, typed boolean, publishable boolean)
ON CONFLICT (task_id) DO UPDATE SET {updates}
""".format(
    names=", ".join(Draft.__struct_fields__),
    values=", ".join(
        f"timestamptz 'epoch' + {name} * interval '1 microsecond'" if name in _TIMES else name
        for name in Draft.__struct_fields__
    ),
    updates=", ".join(f"{name} = excluded.{name}" for name in Draft.__struct_fields__[2:]),
)

_COUNT = """
INSERT INTO day AS known (day, {names}) VALUES (%s, {places})
ON CONFLICT (day) DO UPDATE SET {sums}
""".format(
    names=", ".join(Day.__struct_fields__),
    places=", ".join(["%s"] * len(Day.__struct_fields__)),
    sums=", ".join(f"{name} = known.{name} + excluded.{name}" for name in Day.__struct_fields__),
)

_LEFT = """
INSERT INTO left_at AS known (day, field, drafts) VALUES (%s, %s, %s)
ON CONFLICT (day, field) DO UPDATE SET drafts = known.drafts + excluded.drafts
"""


class Statistics:
    """What analysts ask most: drafts, days, and where drafts are left."""

    name = "statistics"

    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        tasks = list({event.originator_id for _, event in events})
        changes = fold(self._known(connection, tasks), (event for _, event in events))
        self._keep(connection, changes)

    def _known(self, connection: Connection[Any], tasks: list[UUID]) -> dict[UUID, Draft]:
        rows = connection.execute(_KNOWN, (tasks,)).fetchall()
        return {row[0]: Draft(*row) for row in rows}

    def _keep(self, connection: Connection[Any], changes: Changes) -> None:
        rows = msgspec.json.encode(list(changes.drafts.values())).decode()
        connection.execute(_KEEP, (rows,))
        cursor = connection.cursor()
        for day, counts in sorted(changes.days.items()):
            cursor.execute(_COUNT, (day, *msgspec.structs.astuple(counts)))
        for (day, field), drafts in sorted(changes.left.items()):
            cursor.execute(_LEFT, (day, field, drafts))


VIEWS: tuple[View, ...] = (Moments(), Statistics())
"""Every view that follows the log, by the order in which one turn of the projector serves them."""


def view_named(name: str) -> View:
    """The view of that name. Raises LookupError."""
    for view in VIEWS:
        if view.name == name:
            return view
    raise LookupError(name)
