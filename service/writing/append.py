"""The call of `append_events`: what a batch decided becomes durable, all of it in one transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from service.writing.batch import TaskWrites
from service.writing.connection import WriterConnection

_encode = msgspec.json.Encoder().encode


async def append(connection: WriterConnection, writes: Sequence[TaskWrites]) -> set[UUID]:
    """Record what was decided; returns the tasks that were not at their expected version any more.

    Raises psycopg.Error; where the connection is closed afterwards, what was recorded is unknown.
    """
    result = await connection.call(b"append_events", parameters(writes))
    losers = result.get_value(0, 0)
    if losers is None or losers == b"{}":
        return set()
    return {UUID(text) for text in losers[1:-1].decode().split(",")}


def parameters(writes: Sequence[TaskWrites]) -> list[bytes | None]:
    """The parameters of `append_events`, in libpq's text format."""
    rows = [(one.base is None, row) for one in writes if (row := one.view_row())]
    return [
        ("{" + ",".join([one.task_id.hex for one in writes]) + "}").encode(),
        ("{" + ",".join([str(one.expected) for one in writes]) + "}").encode(),
        _json([event for one in writes for event in one.events]),
        _json([row for is_new, row in rows if is_new]),
        _json([row for is_new, row in rows if not is_new]),
        _json([key for one in writes for key in one.keys]),
    ]


def _json(rows: list[Any]) -> bytes | None:
    return _encode(rows) if rows else None
