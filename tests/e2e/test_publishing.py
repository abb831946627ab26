"""Publishing replays the log and trusts neither the view nor a cache (docs/api.md, Publishing)."""

import psycopg
import pytest

from tests.e2e.test_drafts import READY, path, problem
from tests.support.harness import Client, Server


@pytest.fixture
def store(server: Server) -> psycopg.Connection[tuple[object, ...]]:
    """A connection to the store of the shared service, as somebody with all rights has it."""
    return psycopg.connect(server.environment["PALIMPSEST_DATABASE_URL"], autocommit=True)


def tamper(store: psycopg.Connection[tuple[object, ...]], statement: str, *values: object) -> None:
    with store, store.transaction():
        store.execute("ALTER TABLE draft_events DISABLE TRIGGER draft_events_append_only")
        assert store.execute(statement.encode(), values).rowcount == 1
        store.execute("ALTER TABLE draft_events ENABLE TRIGGER draft_events_append_only")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE current_task SET description = 'Nobody ever typed this long description' WHERE id = %s",
        "UPDATE current_task SET budget_usd = 299 WHERE id = %s",
        "UPDATE current_task SET digest = sha256('') WHERE id = %s",
        "UPDATE draft_events SET state = state || ' '::bytea WHERE originator_id = %s AND originator_version = 2",
        "UPDATE draft_events SET topic = 'DraftDiscarded' WHERE originator_id = %s AND originator_version = 3",
        "DELETE FROM draft_events WHERE originator_id = %s AND originator_version = 3",
        "DELETE FROM draft_events WHERE originator_id = %s AND originator_version = 5",
        "DELETE FROM draft_events WHERE originator_id = %s AND originator_version = 1",
    ],
)
def test_a_tampered_history_or_view_is_not_published(
    client: Client, server: Server, store: psycopg.Connection[tuple[object, ...]], statement: str
) -> None:
    task_id = client.new_draft(**READY)

    tamper(store, statement, task_id)

    refused = client.post(path(task_id, "/publish"))
    assert problem(refused) == (500, "history-corrupt")
    assert "errors" not in refused.json()
    assert "HistoryCorrupt" in server.log.read_text()
    assert client.get(path(task_id)).json()["status"] == "draft"


def test_the_log_refuses_to_be_rewritten(server: Server, store: psycopg.Connection[tuple[object, ...]]) -> None:
    with store:
        for statement in (
            b"UPDATE draft_events SET topic = 'x'",
            b"DELETE FROM draft_events",
            b"TRUNCATE draft_events",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                store.execute(statement)


def test_a_long_history_is_published(client: Client) -> None:
    task_id = client.new_draft(**READY)
    for number in range(1100):
        client.patch(path(task_id), json={"title": f"title {number}"})

    assert client.post(path(task_id, "/publish")).json()["title"] == "title 1099"
