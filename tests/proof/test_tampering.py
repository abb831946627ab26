"""What a database administrator may do to the store behind the service's back, and how it is found."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain import chain
from service.proof.checkpoint import Checkpoint, damages, take_checkpoint
from service.proof.verify import verdicts
from service.store.connections import connect
from service.store.scan import settled_position, tasks_of_log_and_view
from tests.support.recording import record_drafts

A = UUID("a0000000-0000-4000-8000-00000000000a")
B = UUID("b0000000-0000-4000-8000-00000000000b")
C = UUID("c0000000-0000-4000-8000-00000000000c")

Tamper = Callable[[Connection[Any]], object]


TABLES = ("draft_events", "current_task")


@pytest.fixture(scope="module")
def recorded(new_database: Callable[[], str]) -> str:
    """A database with three drafts of seven versions each, its seat belt off, and copies of its tables."""
    url = new_database()
    record_drafts(url, {A: "seven!", B: "events", C: "each 😀"})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE draft_events DISABLE TRIGGER ALL")
        for table in TABLES:
            connection.execute(f"CREATE TABLE saved_{table} AS SELECT * FROM {table}".encode())
    return url


@pytest.fixture
def store(recorded: str) -> Iterator[Connection[Any]]:
    """The store of `recorded`, as it was at first."""
    with connect(recorded, connect_timeout=10) as connection:
        yield connection
        for table in TABLES:
            connection.execute(f"TRUNCATE {table}".encode())
            connection.execute(f"INSERT INTO {table} SELECT * FROM saved_{table}".encode())


def nothing(steps: int) -> None:
    pass


def found(store: Connection[Any]) -> list[tuple[UUID, int, str]]:
    return [
        (verdict.task_id, verdict.problem.version, verdict.problem.code)
        for verdict in verdicts(tasks_of_log_and_view(store), nothing)
        if verdict.problem
    ]


def checkpoint_of(store: Connection[Any]) -> Checkpoint:
    return take_checkpoint(store, settled_position(store), 0, nothing)


def event(task: UUID, version: int) -> str:
    return f"originator_id = '{task}' AND originator_version = {version}"


def sql(*statements: str) -> Tamper:
    def run(store: Connection[Any]) -> None:
        for statement in statements:
            store.execute(statement.encode())

    return run


def rewrite_chain(task: UUID) -> Tamper:
    """Put another text into one event, and make every digest behind it, and the view's row, fit."""

    def run(store: Connection[Any]) -> None:
        sql(
            "UPDATE draft_events SET state = convert_to(replace(convert_from(state, 'UTF8'), '[2,0,\"e', '[2,0,\"Z'),"
            f" 'UTF8') WHERE {event(task, 4)}",
            f"UPDATE current_task SET description = overlay(description placing 'Z' from 3 for 1) WHERE id = '{task}'",
        )(store)
        fit_chain(store, task)

    return run


def fit_chain(store: Connection[Any], task: UUID) -> None:
    """Compute every digest of a task anew, and put the last one into the view's row."""
    digest = chain.GENESIS
    rows = store.execute(
        "SELECT originator_version, topic, state FROM draft_events WHERE originator_id = %s ORDER BY 1", (task,)
    )
    for version, topic, state in rows.fetchall():
        digest = chain.digest(digest, task, version, topic, state)
        store.execute(
            "UPDATE draft_events SET digest = %s WHERE originator_id = %s AND originator_version = %s",
            (digest, task, version),
        )
    store.execute("UPDATE current_task SET digest = %s WHERE id = %s", (digest, task))


def drop_last_event_and_adjust_the_row(store: Connection[Any]) -> None:
    sql(
        f"DELETE FROM draft_events WHERE {event(B, 7)}",
        "UPDATE current_task SET version = 6, description = left(description, -1),"
        " updated_at = updated_at - interval '1 s' * 3, expires_at = expires_at - interval '1 s' * 3,"
        f" digest = (SELECT digest FROM draft_events WHERE {event(B, 6)}) WHERE id = '{B}'",
    )(store)


def swap(column: str, task: UUID = B) -> Tamper:
    """Exchange a column of versions 3 and 4; the state always differs, and goes with its digest if that is named."""
    columns = column.split(", ")
    changes = ", ".join(f"{name} = other.{name}" for name in columns)
    return sql(
        f"UPDATE draft_events AS e SET {changes} FROM draft_events AS other"
        f" WHERE e.originator_id = '{task}' AND other.originator_id = '{task}'"
        " AND (e.originator_version, other.originator_version) IN ((3, 4), (4, 3))"
    )


SWAP_POSITIONS = sql(
    *(f"UPDATE draft_events SET notification_id = notification_id + {by} WHERE {event(B, version)}"
      for version, by in ((3, 1000), (4, -3), (3, -997)))
)  # fmt: skip

COPY = "INSERT INTO draft_events (originator_id, originator_version, topic, state, digest) SELECT"

TAMPERINGS: dict[str, tuple[Tamper, list[tuple[UUID, int, str]]]] = {
    "nothing": (sql(), []),
    "a flipped byte in a state": (
        sql(f"UPDATE draft_events SET state = set_byte(state, 9, get_byte(state, 9) # 1) WHERE {event(B, 3)}"),
        [(B, 3, "digest-mismatch")],
    ),
    "a flipped byte in the first state": (
        sql(f"UPDATE draft_events SET state = set_byte(state, 9, get_byte(state, 9) # 1) WHERE {event(B, 1)}"),
        [(B, 1, "digest-mismatch")],
    ),
    "a flipped byte in the last state": (
        sql(f"UPDATE draft_events SET state = set_byte(state, 9, get_byte(state, 9) # 1) WHERE {event(B, 7)}"),
        [(B, 7, "digest-mismatch")],
    ),
    "a flipped byte in a digest": (
        sql(f"UPDATE draft_events SET digest = set_byte(digest, 0, get_byte(digest, 0) # 1) WHERE {event(B, 3)}"),
        [(B, 3, "digest-mismatch")],
    ),
    "a state cut to nothing": (
        sql(f"UPDATE draft_events SET state = '' WHERE {event(B, 3)}"),
        [(B, 3, "digest-mismatch")],
    ),
    "a changed type": (
        sql(f"UPDATE draft_events SET topic = 'TranscriptChanged' WHERE {event(B, 3)}"),
        [(B, 3, "digest-mismatch")],
    ),
    "a type that there is not": (
        sql(f"UPDATE draft_events SET topic = 'DraftBurnt' WHERE {event(B, 3)}"),
        [(B, 3, "digest-mismatch")],
    ),
    "a type that is too long for a digest": (
        sql(f"UPDATE draft_events SET topic = repeat('x', 70000) WHERE {event(B, 3)}"),
        [(B, 3, "event-unreadable")],
    ),
    "a state that is null": (
        sql(
            "ALTER TABLE draft_events ALTER COLUMN state DROP NOT NULL",
            f"UPDATE draft_events SET state = NULL WHERE {event(B, 3)}",
        ),
        [(B, 3, "event-unreadable")],
    ),
    "a version that is there twice": (
        sql(
            "ALTER TABLE draft_events DROP CONSTRAINT draft_events_pkey",
            f"{COPY} originator_id, originator_version, topic, state, digest FROM draft_events WHERE {event(B, 3)}",
        ),
        [(B, 3, "event-unexpected")],
    ),
    "a changed version": (
        sql(f"UPDATE draft_events SET originator_version = 70 WHERE {event(B, 3)}"),
        [(B, 3, "event-missing")],
    ),
    "a version below the first": (
        sql(f"UPDATE draft_events SET originator_version = -5 WHERE {event(B, 3)}"),
        [(B, -5, "event-unexpected")],
    ),
    "an event removed at the beginning": (
        sql(f"DELETE FROM draft_events WHERE {event(B, 1)}"),
        [(B, 1, "event-missing")],
    ),
    "an event removed in the middle": (
        sql(f"DELETE FROM draft_events WHERE {event(B, 4)}"),
        [(B, 4, "event-missing")],
    ),
    "an event removed in the middle, the others moved up": (
        sql(
            f"DELETE FROM draft_events WHERE {event(B, 4)}",
            *(f"UPDATE draft_events SET originator_version = {n - 1} WHERE {event(B, n)}" for n in (5, 6, 7)),
        ),
        [(B, 4, "digest-mismatch")],
    ),
    "an event removed at the end": (
        sql(f"DELETE FROM draft_events WHERE {event(B, 7)}"),
        [(B, 7, "log-behind-view")],
    ),
    "all events of a task removed": (
        sql(f"DELETE FROM draft_events WHERE originator_id = '{B}'"),
        [(B, 1, "log-behind-view")],
    ),
    "two states swapped": (swap("state"), [(B, 3, "digest-mismatch")]),
    "two events swapped with their digests": (swap("topic, state, digest"), [(B, 3, "digest-mismatch")]),
    "two positions swapped": (SWAP_POSITIONS, [(B, 4, "position-order")]),
    "an event inserted at the end": (
        sql(f"{COPY} originator_id, 8, topic, state, digest FROM draft_events WHERE {event(B, 7)}"),
        [(B, 8, "digest-mismatch")],
    ),
    "an event inserted in the middle": (
        sql(
            *(f"UPDATE draft_events SET originator_version = {n + 1} WHERE {event(B, n)}" for n in (7, 6, 5)),
            f"{COPY} originator_id, 5, topic, state, digest FROM draft_events WHERE {event(B, 4)}",
        ),
        [(B, 5, "digest-mismatch")],
    ),
    "an event moved to another task": (
        sql(f"UPDATE draft_events SET originator_id = '{C}', originator_version = 8 WHERE {event(B, 4)}"),
        [(B, 4, "event-missing"), (C, 8, "digest-mismatch")],
    ),
    "the last event moved to another task": (
        sql(f"UPDATE draft_events SET originator_id = '{C}', originator_version = 8 WHERE {event(B, 7)}"),
        [(B, 7, "log-behind-view"), (C, 8, "digest-mismatch")],
    ),
    "a whole history moved to a new task": (
        sql(f"UPDATE draft_events SET originator_id = 'd{str(B)[1:]}' WHERE originator_id = '{B}'"),
        [(B, 1, "log-behind-view"), (UUID("d" + str(B)[1:]), 1, "digest-mismatch")],
    ),
    "a row's text edited": (
        sql(f"UPDATE current_task SET description = 'other' WHERE id = '{B}'"),
        [(B, 7, "view-mismatch")],
    ),
    "a row's owner edited": (
        sql(f"UPDATE current_task SET user_id = '{A}' WHERE id = '{B}'"),
        [(B, 7, "view-mismatch")],
    ),
    "a row's life prolonged": (
        sql(f"UPDATE current_task SET expires_at = expires_at + interval '1 microsecond' WHERE id = '{B}'"),
        [(B, 7, "view-mismatch")],
    ),
    "a row's requirements edited": (
        sql(f"UPDATE current_task SET requirements = '{{\"a\": 1}}' WHERE id = '{B}'"),
        [(B, 7, "view-mismatch")],
    ),
    "a row's version lowered": (
        sql(f"UPDATE current_task SET version = 5 WHERE id = '{B}'"),
        [(B, 5, "head-mismatch")],
    ),
    "a row set back with its digest": (
        sql(
            "UPDATE current_task SET version = 5, digest ="
            f" (SELECT digest FROM draft_events WHERE {event(B, 5)}) WHERE id = '{B}'"
        ),
        [(B, 6, "log-ahead-of-view")],
    ),
    "a row's version raised": (
        sql(f"UPDATE current_task SET version = 9 WHERE id = '{B}'"),
        [(B, 8, "log-behind-view")],
    ),
    "a row's digest edited": (
        sql(f"UPDATE current_task SET digest = sha256('') WHERE id = '{B}'"),
        [(B, 7, "head-mismatch")],
    ),
    "a row with a time that is none": (
        sql(f"UPDATE current_task SET expires_at = 'infinity' WHERE id = '{B}'"),
        [(B, 7, "view-unreadable")],
    ),
    "a row with a number that is none": (
        sql(f"UPDATE current_task SET budget_usd = 'NaN' WHERE id = '{B}'"),
        [(B, 7, "view-mismatch")],
    ),
    "a row with JSON that nobody can have sent": (
        sql(f"UPDATE current_task SET requirements = '{{\"a\": \"\\ud800\"}}' WHERE id = '{B}'"),
        [(B, 7, "view-unreadable")],
    ),
    "a row removed": (sql(f"DELETE FROM current_task WHERE id = '{B}'"), [(B, 7, "view-missing")]),
    "a row invented": (
        sql(
            "CREATE TEMP TABLE copied AS SELECT * FROM current_task WHERE id = '" + str(B) + "'",
            "UPDATE copied SET id = 'd" + str(B)[1:] + "'",
            "INSERT INTO current_task SELECT * FROM copied",
        ),
        [(UUID("d" + str(B)[1:]), 1, "log-behind-view")],
    ),
    "two tasks": (
        sql(
            f"UPDATE draft_events SET state = 'x' WHERE {event(A, 2)}",
            f"DELETE FROM current_task WHERE id = '{C}'",
        ),
        [(A, 2, "digest-mismatch"), (C, 7, "view-missing")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_is_found_with_its_task_and_version(store: Connection[Any], what: str) -> None:
    tamper, expected = TAMPERINGS[what]

    tamper(store)

    assert sorted(found(store)) == expected


FITTING: dict[str, tuple[str, str]] = {
    "bytes that are no JSON": ("'x'", "event-unreadable"),
    "JSON that is no event": ("'{}'", "event-unreadable"),
    "JSON that is too deep to read": (
        "convert_to('[1,0,\"system\",\"\",\"autosave\",' || repeat('[', 100000) || repeat(']', 100000) || ']', 'UTF8')",
        "event-unreadable",
    ),
    "a time before the last event's": ("regexp_replace(text, '^.1,[0-9]+', '[1,5')", "event-impossible"),
    "an edit behind the end of the text": ("replace(text, '[2,0,', '[3,0,')", "event-impossible"),
    "an edit that cuts more than there is": ("replace(text, '[2,0,', '[2,1,')", "event-impossible"),
    "an edit before the beginning of the text": ("replace(text, '[2,0,', '[-1,0,')", "event-impossible"),
    "a field that there is not": ("replace(text, 'description', 'status')", "event-impossible"),
}


@pytest.mark.parametrize("what", FITTING)
def test_a_state_that_cannot_be_is_found_though_its_chain_fits(store: Connection[Any], what: str) -> None:
    state, code = FITTING[what]
    changed = f"convert_to({state}, 'UTF8')" if "text" in state else state
    changed = changed.replace("text,", "convert_from(state, 'UTF8'),")

    store.execute(f"UPDATE draft_events SET state = {changed} WHERE {event(B, 4)}".encode())
    fit_chain(store, B)

    assert found(store) == [(B, 4, code)]


FOR_THE_CHECKPOINT: dict[str, Tamper] = {
    "a chain rewritten consistently, its view with it": rewrite_chain(B),
    "a task removed with its row": sql(
        f"DELETE FROM draft_events WHERE originator_id = '{B}'", f"DELETE FROM current_task WHERE id = '{B}'"
    ),
    "the last event removed and the row adjusted": drop_last_event_and_adjust_the_row,
    "positions exchanged between tasks": sql(
        *(f"UPDATE draft_events SET notification_id = notification_id + {by} WHERE {event(task, 3)}"
          for task, by in ((A, 1000), (B, -1), (A, -999)))
    ),
    "the first event moved before the first position": sql(
        f"UPDATE draft_events SET notification_id = 0 WHERE {event(A, 1)}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FOR_THE_CHECKPOINT)
def test_what_fits_together_again_only_the_checkpoint_finds(store: Connection[Any], what: str) -> None:
    checkpoint = checkpoint_of(store)
    assert list(damages(store, checkpoint, nothing)) == []

    FOR_THE_CHECKPOINT[what](store)

    assert found(store) == []
    (damage,) = damages(store, checkpoint, nothing)
    assert damage.first <= 8
    assert damage.last == checkpoint.position


def test_the_seat_belt_holds(database: str) -> None:
    record_drafts(database, {A: "x"})
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in ("UPDATE draft_events SET topic = ''", "DELETE FROM draft_events", "TRUNCATE draft_events"):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                connection.execute(statement.encode())
