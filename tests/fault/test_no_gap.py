"""No gap, no duplicate, no disorder: readers of every kind tail while two processes write and connections die.

One process is slow inside its commits, so that its positions are taken long before they can be seen. The last test
takes out the lock that orders the log, and this very test must notice.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg

from tests.support.harness import DEADLINE, Server, wait_until
from tests.support.tailing import CloudEvents, Exported, FilteredPages, Followed, Lines, Live, Pages, Tail

SECONDS = float(os.environ.get("PALIMPSEST_TAIL_SECONDS", "2"))
EVENTS = 200
"""Events that the log must have at least."""
GROWTH = 20
"""Events that must have come before the next connection is ended."""
WRITERS = 6
"""In each process."""
SLOW = "options=-c%20palimpsest.slow%3Don"

_SLOW_COMMIT = """
CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('palimpsest.slow', true) = 'on' THEN PERFORM pg_sleep(0.03); END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER slow_commit AFTER INSERT ON draft_events FOR EACH STATEMENT EXECUTE FUNCTION slow_commit();
"""


def write(server: Server, enough: threading.Event, seed: int) -> None:
    """Type into drafts until it is enough; a save that fails is tried again with the next."""
    chance = random.Random(seed)
    drafts: list[str] = []
    with server.client() as client:
        while not enough.is_set():
            try:
                if not drafts or chance.random() < 0.1:
                    drafts.append(client.new_draft())
                else:
                    change = {"title": str(chance.random()), "category": chance.choice("abc")}
                    client.patch(f"/api/v1/tasks/{chance.choice(drafts)}", json=change)
            except (httpx.TransportError, AssertionError):
                time.sleep(0.02)


def kill_connections(database: str, enough: threading.Event) -> None:
    """End one of the service's connections after another, whatever it is doing, until there is enough of a log.

    The next one waits until the log has grown, so that a slow machine still comes to write something.
    """
    until = time.monotonic() + SECONDS
    length = 0
    with psycopg.connect(database, autocommit=True) as connection:
        while time.monotonic() < until or length < EVENTS:
            assert time.monotonic() < until + DEADLINE, f"only {length} events"
            time.sleep(0.2)
            row = connection.execute("SELECT count(*) FROM draft_events").fetchone()
            assert row is not None
            if row[0] >= length + GROWTH:
                length = row[0]
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'palimpsest' ORDER BY random() LIMIT 1"
                )
    enough.set()


@contextmanager
def tailing(tails: list[Tail]) -> Iterator[None]:
    for tail in tails:
        tail.start()
    try:
        yield
    finally:
        for tail in tails:
            tail.stop()


def log_of(database: str) -> list[tuple[int, str]]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT notification_id, topic FROM draft_events ORDER BY notification_id").fetchall()


def astray(
    database: str, start_server: Callable[..., Server], directory: Path, patience: float = DEADLINE
) -> dict[str, str]:
    """Write, read and kill; returns what each reader was given too little, too much or in the wrong order.

    Readers have `patience` seconds to come to the end after the last event.
    """
    with psycopg.connect(database) as connection:
        connection.execute(_SLOW_COMMIT)
    slow = start_server(PALIMPSEST_DATABASE_URL=f"{database}{'&' if '?' in database else '?'}{SLOW}")
    fast = start_server(PALIMPSEST_DATABASE_URL=database)
    tails = [
        Pages(fast),
        FilteredPages(slow),
        Lines(slow),
        CloudEvents(fast),
        Live(fast),
        Live(slow),
        Followed(database),
        Exported(database, directory),
    ]
    enough = threading.Event()
    workers = [
        threading.Thread(target=write, args=(server, enough, number))
        for number in range(WRITERS)
        for server in (slow, fast)
    ]
    with tailing(tails):
        for worker in workers:
            worker.start()
        try:
            kill_connections(database, enough)
        finally:
            enough.set()
            for worker in workers:
                worker.join()
        log = log_of(database)
        with suppress(AssertionError):
            wait_until(lambda: _at_the_end(tails, log, database), "all are at the end", patience)
    found = {}
    for tail in tails:
        expected = tail.expected(log)
        if tail.positions != expected:
            missing, extra = set(expected) - set(tail.positions), len(tail.positions) - len(set(tail.positions))
            found[tail.name] = (
                f"{len(missing)} missing, {extra} twice, in order: {tail.positions == sorted(tail.positions)}"
            )
    if not statistics_agree(database):
        found["Statistics"] = "the view differs from the log"
    return found


def _at_the_end(tails: list[Tail], log: list[tuple[int, str]], database: str) -> bool:
    return all(tail.last >= tail.expected(log)[-1] for tail in tails) and statistics_agree(database)


def statistics_agree(database: str) -> bool:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT (SELECT coalesce(sum(created), 0) FROM statistics.day)"
            " = (SELECT count(*) FROM draft_events WHERE topic = 'DraftCreated')"
            " AND (SELECT coalesce(sum(edits), 0) FROM statistics.day)"
            " = (SELECT count(*) FROM draft_events WHERE topic = 'DraftFieldChanged')"
        ).fetchone()
    return bool(row and row[0])


def test_every_reader_is_given_every_event_once_and_in_order(
    database: str, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    assert astray(database, start_server, tmp_path) == {}


def test_without_the_lock_that_orders_the_log_readers_miss_events(
    database: str, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT pg_get_functiondef('append_events'::regproc)").fetchone()
        assert row is not None
        assert "pg_advisory_xact_lock" in row[0]
        connection.execute(row[0].replace("PERFORM pg_advisory_xact_lock(7018115364);", ""))

    found = astray(database, start_server, tmp_path, patience=2)

    assert any(not told.startswith("0 missing") for told in found.values())
