"""The lag of the views that follow the log, for /health/ready and /metrics."""

from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from service.views.followed import VIEWS

# An event's time is the second element of its state; only the first event after a view's position is read.
_LAGS = """
SELECT v.name, v.position, head.position - v.position,
    coalesce(extract(epoch FROM now() - (
        SELECT timestamptz 'epoch'
            + (convert_from(state, 'UTF8')::jsonb ->> 1)::bigint * interval '1 microsecond'
        FROM draft_events WHERE notification_id > v.position ORDER BY notification_id LIMIT 1
    ))::double precision, 0),
    v.failure
FROM followed_view AS v,
    (SELECT coalesce(max(notification_id), 0) AS position FROM draft_events) AS head
WHERE v.name = ANY (%s)
ORDER BY v.name
"""


class Lag(msgspec.Struct, frozen=True):
    """The position of a view, the positions from there to the head, and the age in seconds of the next event.

    `failure` is the name of the error that stopped it, null while it follows.
    """

    view: str
    position: int
    events: int
    seconds: float
    failure: str | None


async def read_lags(pool: AsyncConnectionPool[AsyncConnection[Any]]) -> list[Lag]:
    """The lag of every view, by name."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_LAGS, ([view.name for view in VIEWS],))
        return [
            Lag(view, position, max(0, events), round(max(0.0, seconds), 3), failure)
            for view, position, events, seconds, failure in await cursor.fetchall()
        ]
