"""A clock that runs backwards: nothing is refused, and no time of a task is before the one before it."""

from uuid import uuid4

import psycopg

from domain.commands import ChangeFields, DiscardDraft
from tests.support.recording import new_draft, record


def test_a_change_at_an_earlier_time_is_recorded_at_the_time_of_the_last(database: str) -> None:
    task_id = uuid4()
    record(database, (uuid4(), new_draft()), (task_id, new_draft(title="T")))

    record(database, (task_id, ChangeFields({"description": "earlier"})), (task_id, DiscardDraft()))

    with psycopg.connect(database) as connection:
        times = connection.execute(
            "SELECT occurred_at FROM event_stream WHERE task_id = %s ORDER BY version", (task_id,)
        ).fetchall()
        row = connection.execute("SELECT status, updated_at FROM current_task WHERE id = %s", (task_id,)).fetchone()
    assert len(times) == 4
    assert times == sorted(times)
    assert row == ("discarded", times[-1][0])
