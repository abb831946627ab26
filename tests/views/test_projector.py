"""Views that follow the log: consistent with it at every crash point, stopped loudly by a failure, rebuilt in use."""

import dataclasses
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from msgspec.structs import astuple
from psycopg import Connection, Cursor

from benchmarks.synthetic_log import SyntheticLog, write_log
from projections.statistics import Day, fold
from projections.times import moment_of
from service.store.connections import connect
from service.store.log import MOMENT_BLOCK
from service.views import rebuild
from service.views.followed import VIEWS
from service.views.moments import Moments
from service.views.projector import Projector
from service.views.rebuild import RebuildRunning
from service.views.statistics import StatisticsView
from service.views.view import Positioned
from tests.support.harness import Server, wait_until

STEP = int(os.environ.get("CRASH_STEP", "3"))
"""From one crash point to the next; `make fault` tries each."""

EVENTS = list(SyntheticLog(7, 50, drafts=6))
BATCH = 30
Dump = dict[str, list[Any]]


@dataclasses.dataclass
class Crash:
    """Ends the connection on the server before the statement that is `left` statements away."""

    left: int
    happened: bool = False

    def step(self, connection: Connection[Any]) -> None:
        if self.left == 0 and not self.happened:
            self.happened = True
            with psycopg.connect(connection.info.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        self.left -= 1


def connector(crash: Crash) -> Callable[..., Connection[Any]]:
    """Makes connections that crash: before any statement, BEGIN and COMMIT included."""

    class CrashingCursor(Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            crash.step(self.connection)
            return super().execute(*args, **kwargs)

    class CrashingConnection(Connection[Any]):
        def _exec_command(self, *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            crash.step(self)
            return (yield from super()._exec_command(*args, **kwargs))

    def make(url: str, **_options: int) -> Connection[Any]:
        return CrashingConnection.connect(url, autocommit=True, cursor_factory=CrashingCursor)

    return make


def dump(connection: Connection[Any]) -> Dump:
    """Everything that the views hold; counts of nothing are nothing."""
    queries = {
        "block": "SELECT * FROM moment.block ORDER BY block",
        "draft": "SELECT task_id, created_at, published_at, edits, last_edit_at, last_field, description_length,"
        " transcript_length, has_category, has_task_type, has_budget, typed, publishable"
        " FROM statistics.draft ORDER BY task_id",
        "day": "SELECT * FROM statistics.day WHERE created + published + published_at_once + discarded + expired"
        " + edits + their_edits + typed + publishable + became_open > 0 ORDER BY day",
        "left_at": "SELECT * FROM statistics.left_at WHERE drafts <> 0 ORDER BY day, field",
    }
    return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def positions(connection: Connection[Any]) -> dict[str, int]:
    return dict(connection.execute("SELECT name, position FROM followed_view").fetchall())


def folded(moments: int, statistics: int) -> Dump:
    """What the views must hold at these positions: the log folded at one go."""
    latest = None
    blocks: dict[int, Any] = {}
    for position, event in enumerate(EVENTS[:moments], 1):
        latest = max(latest or event.occurred_at, event.occurred_at)
        blocks[position // MOMENT_BLOCK] = moment_of(latest)
    changes = fold({}, EVENTS[:statistics])

    def at(moment: int | None) -> Any:
        return None if moment is None else moment_of(moment)

    return {
        "block": sorted(blocks.items()),
        "draft": [
            (d.task_id, at(d.created_at), at(d.published_at), d.edits, at(d.last_edit_at), *astuple(d)[5:])
            for _, d in sorted(changes.drafts.items())
        ],
        "day": [
            (day, *(getattr(counts, name) for name in Day.__struct_fields__))
            for day, counts in sorted(changes.days.items())
            if counts != Day()
        ],
        "left_at": sorted((*key, count) for key, count in changes.left.items()),
    }


def assert_in_step(connection: Connection[Any]) -> None:
    """Each view is the fold of the log up to its tracked position."""
    at = positions(connection)
    assert dump(connection) == folded(at["moment"], at["statistics"])


def start_over(connection: Connection[Any]) -> None:
    for table in ("moment.block", "statistics.draft", "statistics.day", "statistics.left_at"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE followed_view SET position = 0, failure = NULL")


@pytest.fixture
def log(database: str) -> str:
    """A database whose log holds `EVENTS`."""
    write_log(database, EVENTS)
    return database


def test_views_are_the_fold_of_the_log_at_every_crash_point(log: str) -> None:
    with connect(log) as connection:
        connection.execute("SET synchronous_commit = off")
        point = 0
        while True:
            start_over(connection)
            crash = Crash(point)
            try:
                with connector(crash)(log) as crashing:
                    Projector(log, batch=BATCH).catch_up(crashing)
            except psycopg.OperationalError:
                assert crash.happened
            assert_in_step(connection)
            Projector(log, batch=BATCH).catch_up(connection)
            assert_in_step(connection)
            assert set(positions(connection).values()) == {len(EVENTS)}
            if not crash.happened:
                break
            point += STEP
    assert point > 30


def test_a_rebuild_leaves_the_view_in_step_at_every_crash_point(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(log) as connection:
        Projector(log, batch=BATCH).catch_up(connection)
        point = 0
        while True:
            crash = Crash(point)
            with monkeypatch.context() as patch:
                patch.setattr(rebuild, "connect", connector(crash))
                try:
                    rebuild.rebuild(log, StatisticsView(), batch=BATCH)
                except psycopg.OperationalError:
                    assert crash.happened
            assert_in_step(connection)
            if not crash.happened:
                break
            point += STEP
        assert point > 30
        assert rebuild.rebuild(log, StatisticsView()).position == len(EVENTS)
        assert_in_step(connection)
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'statistics%'").fetchall()
        assert schemas == [("statistics",)]
        assert positions(connection).keys() == {"moment", "statistics"}


def test_a_rebuild_mends_a_view_and_keeps_its_shape(log: str) -> None:
    shape = (
        "SELECT c.relname, c.reloptions, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),"
        " (SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod) || attnotnull ORDER BY attnum)"
        "  FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)"
        " FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'statistics'::regnamespace ORDER BY 1"
    )
    with connect(log) as connection:
        Projector(log).catch_up(connection)
        before = connection.execute(shape).fetchall()
        connection.execute("DELETE FROM statistics.draft")
        connection.execute("UPDATE statistics.day SET created = 1000")
        steps: list[int] = []

        rebuild.rebuild(log, StatisticsView(), steps.append, batch=BATCH)

        assert_in_step(connection)
        assert connection.execute(shape).fetchall() == before
    assert steps == [BATCH, len(EVENTS) - BATCH]


def test_the_view_is_read_and_followed_while_it_is_rebuilt(log: str) -> None:
    class Watched(StatisticsView):
        def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
            super().apply(connection, events)
            with psycopg.connect(log) as reader:
                during.append(reader.execute("SELECT sum(created) FROM statistics.day").fetchone())

    during: list[Any] = []
    with connect(log) as connection:
        Projector(log).catch_up(connection)
        created = connection.execute("SELECT sum(created) FROM statistics.day").fetchone()
        rebuild.rebuild(log, Watched(), batch=BATCH)
        assert during == [created] * 2
        write_log(log, SyntheticLog(8, 50, drafts=3))
        assert Projector(log).catch_up(connection) == 100


def test_two_rebuilds_at_once_are_refused(log: str) -> None:
    class Meanwhile(Moments):
        def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
            with pytest.raises(RebuildRunning):
                rebuild.rebuild(log, Moments())
            super().apply(connection, events)

    rebuild.rebuild(log, Meanwhile())


class Failing(StatisticsView):
    """A view that cannot take in one event, until it is mended."""

    broken = True

    def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
        super().apply(connection, events)
        if self.broken and any(position == 40 for position, _ in events):
            raise ValueError("cannot take in event 40")


@contextmanager
def running(*projectors: Projector) -> Iterator[None]:
    for one in projectors:
        one.start()
    try:
        yield
    finally:
        for one in projectors:
            one.stop()


def failures(connection: Connection[Any]) -> dict[str, str | None]:
    return dict(connection.execute("SELECT name, failure FROM followed_view").fetchall())


def test_a_view_that_fails_stops_loudly_while_others_go_on_and_resumes_when_mended(
    log: str, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing()
    with connect(log) as connection:
        with running(Projector(log, [failing, Moments()], batch=BATCH)):
            wait_until(lambda: failures(connection)["statistics"], "the view stops")
            wait_until(lambda: positions(connection)["moment"] == len(EVENTS), "the other goes on")
            assert positions(connection)["statistics"] == BATCH
            assert failures(connection) == {"moment": None, "statistics": "ValueError"}
            assert "the view statistics stopped" in caplog.text
            assert_in_step(connection)
        failing.broken = False
        with running(Projector(log, [failing, Moments()], batch=BATCH)):
            wait_until(lambda: positions(connection)["statistics"] == len(EVENTS), "it resumes")
        assert failures(connection)["statistics"] is None
        assert_in_step(connection)


def test_one_of_several_projectors_leads_and_another_takes_over(log: str) -> None:
    first, second = Projector(log), Projector(log)
    with connect(log) as connection:
        with running(first, second):
            wait_until(lambda: first.leading or second.leading, "one leads")
            leader, other = (first, second) if first.leading else (second, first)
            wait_until(lambda: set(positions(connection).values()) == {len(EVENTS)}, "the views are there")
            assert not other.leading
            leader.stop()
            wait_until(lambda: other.leading, "the other takes over")
        assert_in_step(connection)


def test_a_projector_goes_on_after_its_connection_was_killed(log: str) -> None:
    follower = Projector(log)
    with connect(log) as connection, running(follower):
        wait_until(lambda: set(positions(connection).values()) == {len(EVENTS)}, "the views are there")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        write_log(log, SyntheticLog(9, 40, drafts=3))
        wait_until(lambda: set(positions(connection).values()) == {len(EVENTS) + 40}, "it goes on")


def test_serve_follows_the_log_and_health_shows_the_lag_of_the_views(server: Server) -> None:
    with server.client() as client:
        client.new_draft(title="x")

        def views() -> Any:
            return client.get("/health/ready").json()["views"]

        wait_until(lambda: all(view["events"] == 0 for view in views()), "the views catch up")
        assert [(view["view"], view["failure"], view["seconds"]) for view in views()] == [
            ("moment", None, 0),
            ("statistics", None, 0),
        ]


def test_every_view_has_a_tracked_position(database: str) -> None:
    with connect(database) as connection:
        assert positions(connection) == {view.name: 0 for view in VIEWS}


def test_an_unreadable_event_stops_the_views_before_it(log: str) -> None:
    with psycopg.connect(log) as connection:
        connection.execute(
            "INSERT INTO draft_events (originator_id, originator_version, topic, state, digest)"
            " VALUES (gen_random_uuid(), 1, 'DraftCreated', 'nonsense', '')"
        )
    with connect(log) as connection:
        Projector(log, batch=BATCH).catch_up(connection)
        assert positions(connection) == {"moment": BATCH, "statistics": BATCH}
        assert failures(connection) == {"moment": "HistoryCorrupt", "statistics": "HistoryCorrupt"}
