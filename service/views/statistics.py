"""The view `statistics`: its tables follow the log, and `GET /api/v1/statistics` is answered from them.

The definitions are in docs/analytics.md.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection
from typing_extensions import override

from projections.statistics import Changes, Day, Draft, fold
from projections.times import rfc3339
from service.store.connections import ReadingPool
from service.views.view import FollowingView, Positioned

_DRAFT = Draft.__struct_fields__
_COUNTS = Day.__struct_fields__
_MOMENTS = ("created_at", "published_at", "last_edit_at")

_KNOWN_DRAFTS = "SELECT {} FROM draft WHERE task_id = ANY (%s)".format(
    ", ".join(f"to_microseconds({name})" if name in _MOMENTS else name for name in _DRAFT)
)
_WRITE_DRAFTS = """
INSERT INTO draft SELECT * FROM json_populate_recordset(NULL::draft, %s::json)
ON CONFLICT (task_id) DO UPDATE SET {}
""".format(", ".join(f"{name} = excluded.{name}" for name in _DRAFT[2:]))
_ADD_TO_DAY = """
INSERT INTO day AS known (day, {names}) VALUES (%s, {places})
ON CONFLICT (day) DO UPDATE SET {sums}
""".format(
    names=", ".join(_COUNTS),
    places=", ".join(["%s"] * len(_COUNTS)),
    sums=", ".join(f"{name} = known.{name} + excluded.{name}" for name in _COUNTS),
)
_ADD_TO_LEFT = """
INSERT INTO left_at AS known (day, field, drafts) VALUES (%s, %s, %s)
ON CONFLICT (day, field) DO UPDATE SET drafts = known.drafts + excluded.drafts
"""


class StatisticsView(FollowingView):
    """What analysts ask most: drafts, days, and where drafts are left."""

    name = schema = "statistics"
    tables = ("draft", "day", "left_at")

    @override
    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        tasks = list({event.originator_id for _, event in events})
        self._write(connection, fold(self._known(connection, tasks), (event for _, event in events)))

    def _known(self, connection: Connection[Any], tasks: list[UUID]) -> dict[UUID, Draft]:
        return {row[0]: Draft(*row) for row in connection.execute(_KNOWN_DRAFTS.encode(), (tasks,)).fetchall()}

    def _write(self, connection: Connection[Any], changes: Changes) -> None:
        drafts = msgspec.json.encode(list(map(_row, changes.drafts.values()))).decode()
        cursor = connection.cursor()
        cursor.execute(_WRITE_DRAFTS.encode(), (drafts,))
        for day, counts in sorted(changes.days.items()):
            cursor.execute(_ADD_TO_DAY.encode(), (day, *msgspec.structs.astuple(counts)))
        for (day, field), count in sorted(changes.left.items()):
            cursor.execute(_ADD_TO_LEFT, (day, field, count))


def _row(draft: Draft) -> dict[str, Any]:
    """The columns of a row as the table's own types read them from JSON."""
    row = msgspec.structs.asdict(draft)
    return row | {name: None if row[name] is None else rfc3339(row[name]) for name in _MOMENTS}


# Before the snapshot: a table that a rebuild swapped in after it would look empty.
_LOCK = "LOCK TABLE statistics.draft, statistics.day, statistics.left_at IN ACCESS SHARE MODE"
# Drafts that were published in the request that created them took no time and are counted apart.
_TIMES = """
SELECT (published_at AT TIME ZONE 'UTC')::date AS day,
    percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM published_at - created_at))
FROM statistics.draft
WHERE published_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
  AND published_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND published_at > created_at
GROUP BY GROUPING SETS ((1), ())
"""
_DAYS = "SELECT day, {} FROM statistics.day WHERE day BETWEEN %(first)s AND %(last)s ORDER BY day".format(
    ", ".join(_COUNTS)
)
_LEFT = """
SELECT day, field, drafts FROM statistics.left_at
WHERE day BETWEEN %(first)s AND %(last)s AND drafts <> 0 ORDER BY day, drafts DESC, field
"""

NEVER_EDITED = "none"
"""The field of drafts without an edit."""


class TimeToPublish(msgspec.Struct, frozen=True):
    """Seconds from the creation of a draft to its publication."""

    median: float
    p90: float


class Funnel(msgspec.Struct, frozen=True):
    """How far the drafts that were created in a period have come until now."""

    created: int
    typed: int
    publishable: int
    published: int


class Figures(msgspec.Struct, frozen=True):
    """The figures of a day or a period. Null where there is nothing to take a mean or a median of."""

    created: int
    published: int
    published_at_once: int
    discarded: int
    expired: int
    edits: int
    edits_per_draft: float | None
    time_to_publish_seconds: TimeToPublish | None
    last_field_before_left: dict[str, int]
    funnel: Funnel


class DayFigures(Figures, frozen=True, kw_only=True):
    """The figures of one day, in UTC."""

    day: date


class Statistics(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """The figures of a period and of each of its days; `position` is how far the view has followed the log."""

    first: date
    last: date
    position: int
    total: Figures
    days: list[DayFigures]


async def read_statistics(pool: ReadingPool, first: date, last: date) -> Statistics:
    """The statistics of the days from `first` to `last`, both included, as one snapshot of the view."""
    period = {"first": first, "last": last}
    async with pool.long_connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await connection.execute(_LOCK)
        cursor = await connection.execute("SELECT position FROM followed_view WHERE name = 'statistics'")
        row = await cursor.fetchone()
        position = row[0] if row else 0
        counts = {row[0]: row[1:] for row in await (await connection.execute(_DAYS, period)).fetchall()}
        rows = await (await connection.execute(_TIMES, period)).fetchall()
        times = {day: TimeToPublish(*map(float, seconds)) for day, seconds in rows if seconds}
        left: dict[date, dict[str, int]] = {}
        for day, field, drafts in await (await connection.execute(_LEFT, period)).fetchall():
            left.setdefault(day, {})[field or NEVER_EDITED] = drafts
    nothing = (0,) * len(_COUNTS)
    sums = tuple(map(sum, zip(nothing, *counts.values(), strict=True)))
    days = [first + timedelta(number) for number in range((last - first).days + 1)]
    return Statistics(
        first,
        last,
        position,
        Figures(**_figures(sums, times.get(None), _summed(left))),
        [DayFigures(day=day, **_figures(counts.get(day, nothing), times.get(day), left.get(day, {}))) for day in days],
    )


def _figures(counts: tuple[int, ...], times: TimeToPublish | None, left: dict[str, int]) -> dict[str, Any]:
    named: dict[str, Any] = dict(zip(_COUNTS, counts, strict=True))
    created, edits = named["created"], named.pop("their_edits")
    return {
        "funnel": Funnel(created, named.pop("typed"), named.pop("publishable"), named.pop("became_open")),
        "edits_per_draft": round(edits / created, 3) if created else None,
        "time_to_publish_seconds": times,
        "last_field_before_left": left,
        **named,
    }


def _summed(left: dict[date, dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for fields in left.values():
        total.update(fields)
    return dict(total.most_common())
