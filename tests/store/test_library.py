"""The log as the `eventsourcing` library's own tools read it, and the schema that it stands in."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import NotSupportedError
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from domain.events import DraftCreated, DraftFieldChanged
from domain.text import Edit
from service.store import locks
from service.store.connections import connect
from service.store.library import Draft, library_environment
from service.store.migrate import migrate, migrations
from tests.support.harness import Server, with_database


@pytest.fixture(scope="module")
def written(new_database: Callable[[], str]) -> str:
    """The URL of the database whose log the tests read."""
    return new_database()


@pytest.fixture(scope="module")
def log(written: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Draft, list[dict[str, object]]]]:
    """The library's application on a log that the service wrote, and the events as the service tells them."""
    events: list[dict[str, object]] = []
    server = Server(tmp_path_factory.mktemp("log"), PALIMPSEST_DATABASE_URL=written)
    with server, server.client() as client:
        tasks = [client.new_draft(title=f"Number {number}") for number in range(3)]
        for task_id in tasks:
            client.patch(f"/api/v1/tasks/{task_id}", json={"title": "Renamed", "requirements": {"size": "A4"}})
            client.delete(f"/api/v1/tasks/{task_id}")
            events += client.history(task_id)
    application = Draft(env=library_environment(written))
    yield application, sorted(events, key=lambda event: event["position"])  # type: ignore[arg-type,return-value]
    application.close()


def test_the_notification_log_is_the_log_in_the_order_of_commits(log: tuple[Draft, list[dict[str, object]]]) -> None:
    application, events = log
    found = []
    start: int | None = None
    while page := application.notification_log.select(start, limit=4, inclusive_of_start=False):
        found += page
        start = page[-1].id

    assert [(one.id, str(one.originator_id), one.originator_version, one.topic) for one in found] == [
        (event["position"], event["task_id"], event["version"], event["type"]) for event in events
    ]
    assert application.recorder.max_notification_id() == events[-1]["position"]


def test_the_mapper_reads_what_the_recorder_selects(log: tuple[Draft, list[dict[str, object]]]) -> None:
    application, events = log
    task_id = UUID(str(events[0]["task_id"]))

    stream = [application.mapper.to_domain_event(stored) for stored in application.recorder.select_events(task_id)]

    assert [event.originator_version for event in stream] == [1, 2, 3, 4, 5]
    assert isinstance(stream[0].data, DraftCreated)
    assert stream[1].data == DraftFieldChanged("title", Edit(0, 0, "Number 0"))
    assert stream[3].data == DraftFieldChanged("requirements", None, {"size": "A4"})
    assert [str(event.actor) for event in stream] == [event["actor"] for event in events if event["version"] == 1][
        :1
    ] * 5


def test_the_log_is_not_written_past_the_chain(log: tuple[Draft, list[dict[str, object]]]) -> None:
    application, _ = log
    stored = application.recorder.select_events(UUID(str(log[1][0]["task_id"])))

    with pytest.raises(NotSupportedError, match="append_events"):
        application.recorder.insert_events(stored)


def test_the_library_s_plain_recorder_reads_the_same(log: tuple[Draft, list[dict[str, object]]], written: str) -> None:
    application, events = log
    where = {name.removeprefix("POSTGRES_").lower(): value for name, value in library_environment(written).items()}
    with PostgresDatastore(**where) as datastore:  # type: ignore[arg-type]
        recorder = PostgresApplicationRecorder(datastore, events_table_name="draft_events")

        assert recorder.select_notifications(None, 100) == application.recorder.select_notifications(None, 100)
        assert recorder.max_notification_id() == events[-1]["position"]
        task_id = UUID(str(events[0]["task_id"]))
        assert list(recorder.select_events(task_id)) == list(application.recorder.select_events(task_id))


@pytest.fixture
def empty_database(postgres: str) -> str:
    """The URL of a database without a schema."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return with_database(postgres, name)


def test_each_migration_is_applied_once_however_many_begin(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(lambda _: migrate(empty_database), range(4)))

    names = [name for _, name, _ in migrations()]
    assert [names_of_one for names_of_one in applied if names_of_one] == [names]
    assert migrate(empty_database) == []
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute("SELECT number, name FROM schema_migration ORDER BY number").fetchall()
    assert rows == [(number, name) for number, name, _ in migrations()]


def test_a_migration_with_a_lower_number_than_the_last_is_applied_too(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store made before work with a lower number was merged."""
    every = migrations()
    late = next(migration for migration in every if migration[1] == "contention")
    assert late != every[-1]
    with monkeypatch.context() as patched:
        patched.setattr("service.store.migrate.migrations", lambda: [one for one in every if one != late])
        assert "contention" not in migrate(empty_database)

    assert migrate(empty_database) == ["contention"]

    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT acquire_contention()").fetchone() == (True,)


def test_a_schema_of_a_newer_release_refuses_to_start(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO schema_migration (number, name) VALUES (9999, 'of_the_future')")

    ended = Server(tmp_path, PALIMPSEST_DATABASE_URL=database).run("serve", check=False)

    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "migration 9999" in ended.stderr
    assert "Upgrade palimpsest" in ended.stderr


def test_a_sequence_that_lags_is_put_right_at_the_start(database: str) -> None:
    row = "(gen_random_uuid(), 1, 500, 'DraftDiscarded', '', '')"
    with psycopg.connect(database, autocommit=True) as connection:
        columns = "originator_id, originator_version, notification_id, topic, state, digest"
        connection.execute(f"INSERT INTO draft_events ({columns}) VALUES {row}")

        assert migrate(database) == []

        assert connection.execute("SELECT nextval('draft_events_position')").fetchone() == (501,)


def test_the_defaults_of_the_role_do_not_reach_the_service(database: str) -> None:
    name = database.partition("?")[0].rpartition("/")[2]
    defaults = {
        "search_path": "nowhere",
        "default_transaction_isolation": "serializable",
        "default_transaction_read_only": "on",
        "datestyle": "German",
        "timezone": "Asia/Tokyo",
        "statement_timeout": "1ms",
    }
    with psycopg.connect(database, autocommit=True) as connection:
        for setting, value in defaults.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")

    with connect(database) as connection:
        found = {setting: connection.execute(f"SHOW {setting}").fetchone() for setting in defaults}

    assert found == {
        "search_path": ("public",),
        "default_transaction_isolation": ("read committed",),
        "default_transaction_read_only": ("off",),
        "datestyle": ("ISO, MDY",),
        "timezone": ("UTC",),
        "statement_timeout": ("0",),
    }


def test_the_functions_of_the_schema_take_the_locks_that_are_listed() -> None:
    named = {int(number) for _, _, sql in migrations() for number in re.findall(r"pg_advisory\w*lock\((\d+)", sql)}

    assert named == {locks.APPEND, locks.CONTENTION}
