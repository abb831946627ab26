"""What must hold of the log, whatever happened: looked up in the store itself, replayed link by link."""

from collections import Counter
from typing import Any
from uuid import UUID

import psycopg

from projections.current_task import COLUMNS, Snapshot, snapshot_of
from service.proof.check import apply_checked
from service.store.codec import LogRow, recorded
from tests.support.recorder import Recorder

PROMPT = 2.0
"""Seconds within which everything is answered, also while there is no store."""


def history(connection: psycopg.Connection[Any], task_id: str) -> list[LogRow]:
    """The rows of a task's stream as they are stored."""
    cursor = connection.execute(
        "SELECT notification_id, originator_id, originator_version, topic, state, digest FROM draft_events"
        " WHERE originator_id = %s ORDER BY originator_version",
        (task_id,),
    )
    return list(map(LogRow._make, cursor))


def view(connection: psycopg.Connection[Any], task_id: str) -> Snapshot:
    """The task's row of the current-task view."""
    row = connection.execute(f"SELECT {COLUMNS} FROM current_task WHERE id = %s", (task_id,)).fetchone()
    assert row is not None
    return snapshot_of(row)


def check(database_url: str, recorder: Recorder) -> dict[str, Any]:
    """Assert that nothing acknowledged was lost, doubled or changed; returns the figures."""
    assert recorder.wrong == []
    assert recorder.slowest <= PROMPT + 3 * recorder.hiccup, (recorder.slowest, recorder.hiccup)
    lost = 0
    doubled = 0
    with psycopg.connect(database_url) as connection:
        for task_id in {person.task_id for person in recorder.people}:
            rows = history(connection, task_id)
            # Versions without holes, every digest that of its bytes.
            assert apply_checked(None, UUID(task_id), rows) == view(connection, task_id)
            events = [recorded(row) for row in rows]
            times = [event.occurred_at for event in events]
            assert times == sorted(times)
            by_key = Counter(event.request_id for event in events)
            versions = {event.request_id: event.originator_version for event in events}
            for save in recorder.acknowledged:
                if save.task_id == task_id:
                    lost += by_key[save.key] == 0
                    assert f'"{versions.get(save.key)}"' == save.etag
            doubled += sum(count > 1 for count in by_key.values())
            strangers = by_key.keys() - recorder.attempted
            assert len(strangers) == 1  # the creation
    assert (lost, doubled) == (0, 0)
    return {
        "acknowledged": len(recorder.acknowledged),
        "lost": lost,
        "doubled": doubled,
        "answers": dict(recorder.answers),
        "unreachable": recorder.unreachable,
        "slowest": round(recorder.slowest, 2),
        "hiccup": round(recorder.hiccup, 2),
    }


def check_retries(recorder: Recorder, share: int = 20) -> None:
    """Assert that retries, also of long ago, are answered as the first time."""
    for person in recorder.people:
        with recorder.server.client(person.client.user_id) as client:
            person.client = client
            for save in person.saves[-share:]:
                recorder.repeat(person, save)
    assert recorder.wrong == []
