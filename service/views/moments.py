"""The view `moment`: from a time to a position."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from typing_extensions import override

from projections.times import moment_of
from service.store.log import MOMENT_BLOCK
from service.views.view import FollowingView, Positioned


class Moments(FollowingView):
    """The latest `occurred_at` up to the end of each block of positions."""

    name = schema = "moment"
    tables = ("block",)

    @override
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
