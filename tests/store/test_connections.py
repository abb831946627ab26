"""Reads that have much to look through are answered, however soon a store that keeps silent is hung up on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from service.store.connections import LONG_READS, POOL_SIZE, READ_TIMEOUT
from tests.support.harness import Server

_SLOWLY = """
ALTER TABLE {schema}.{name} RENAME TO {name}_kept;
CREATE VIEW {schema}.{name} AS
WITH slowly AS MATERIALIZED (SELECT pg_sleep({seconds})) SELECT kept.* FROM slowly, {schema}.{name}_kept AS kept;
"""


def make_slow(database: str, *names: str) -> None:
    """Let every look at a table or view take longer than a store may keep silent."""
    with psycopg.connect(database) as connection:
        for name in names:
            schema, table = name.split(".")
            connection.execute(_SLOWLY.format(schema=schema, name=table, seconds=READ_TIMEOUT + 0.1).encode())


def test_long_reads_outlast_the_patience_with_a_silent_store(
    new_database: Callable[[], str], start_server: Callable[..., Server]
) -> None:
    database = new_database()
    server = start_server(PALIMPSEST_DATABASE_URL=database)
    with server.client() as client, server.client(scope="analytics audit") as reader:
        task_id = client.new_draft(title="Found after a while")
        make_slow(database, "public.event_stream", "public.draft_events", "statistics.draft")
        reader.timeout = 30

        with ThreadPoolExecutor(LONG_READS) as threads:
            page, of_task, figures, proof = threads.map(
                reader.get,
                [
                    "/api/v1/events?type=DraftCreated&since=2026-01-01T00:00:00Z",
                    f"/api/v1/events?task_id={task_id}",
                    "/api/v1/statistics",
                    f"/api/v1/tasks/{task_id}/verify",
                ],
            )

        assert [item["task_id"] for item in page.json()["items"]] == [task_id]
        assert [item["version"] for item in of_task.json()["items"]] == [1, 2]
        assert figures.status_code == 200, figures.text
        assert proof.json()["events"] == 2, proof.text
        assert min(each.elapsed.total_seconds() for each in (page, of_task, figures, proof)) > READ_TIMEOUT


def test_long_reads_leave_connections_for_the_others(
    new_database: Callable[[], str], start_server: Callable[..., Server]
) -> None:
    database = new_database()
    server = start_server(PALIMPSEST_DATABASE_URL=database)
    with server.client() as client, server.client(scope="analytics") as reader:
        task_id = client.new_draft(title="Read meanwhile")
        make_slow(database, "statistics.draft")
        reader.timeout = 60

        with ThreadPoolExecutor(2 * POOL_SIZE) as threads:
            asked = [threads.submit(reader.get, "/api/v1/statistics") for _ in range(2 * POOL_SIZE)]
            meanwhile = []
            while not all(each.done() for each in asked) and len(meanwhile) < 200:
                meanwhile.append(client.get(f"/api/v1/tasks/{task_id}"))

        assert {answer.status_code for answer in meanwhile} == {200}
        assert max(answer.elapsed.total_seconds() for answer in meanwhile) < READ_TIMEOUT / 2
        assert {each.result().status_code for each in asked} == {200}
