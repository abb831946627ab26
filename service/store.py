"""The store: the log through the `eventsourcing` library's own types, and the queries that requests make.

Writing goes through `append_events` alone (writer.py); nothing here changes a row.
"""

import base64
import re
from binascii import a2b_base64
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, NotSupportedError, StoredEvent, Transcoder
from eventsourcing.postgres import PostgresApplicationRecorder
from eventsourcing.utils import register_topic
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads
from typing_extensions import override

from domain.events import SCHEMA, UPCASTS, VOCABULARY, Actor, Cause, Json, Recorded, Upcast
from domain.task import Task
from projections.current_task import COLUMNS, Head, head_of, moment_of
from service.orders import StoreUnavailable

if TYPE_CHECKING:
    from service.pool import ReadingPool

PAGE = 1000
"""Events fetched at a time where a whole stream is read."""


LIST_PAGE = 101
"""Tasks fetched at a time for a list: a page of the largest size, and one more to know whether it is the last."""

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

_TASKS = f"""
SELECT {COLUMNS} FROM current_task
WHERE user_id = %(user_id)s
  AND CASE WHEN status = 'draft' AND expires_at <= %(now)s THEN 'expired' ELSE status END = ANY(%(statuses)s)
  AND (%(category)s::text IS NULL OR category = %(category)s)
  AND (%(before)s::timestamptz IS NULL OR (updated_at, id) < (%(before)s, %(before_id)s::uuid))
ORDER BY current_task.updated_at DESC, id DESC
LIMIT %(limit)s
"""


class State(msgspec.Struct, frozen=True, array_like=True):
    """What `draft_events.state` holds, as compact JSON.

    `occurred_at` in microseconds since 1970; ids as `pack` makes them; `payload` the event's fields in order,
    those at the end that are null left out.
    """

    schema: int
    occurred_at: int
    actor: str
    request_id: str
    cause: Cause
    payload: list[Json]


def pack_uuid(value: UUID) -> str:
    """The 16 bytes in base64url without padding, 22 characters instead of 36."""
    return _pack(value.bytes)


def _pack(sixteen: bytes) -> str:
    return base64.urlsafe_b64encode(sixteen)[:22].decode()


@lru_cache(maxsize=4096)
def unpack_uuid(text: str) -> UUID:
    """The uuid that `pack_uuid` made the text from."""
    return UUID(hex=_unpack(text))


def _unpack(text: str) -> str:
    """32 hexadecimal digits."""
    return a2b_base64(text.replace("-", "+").replace("_", "/") + "==").hex()


def pack_request_id(request_id: str) -> str:
    """A request id in canonical uuid form as a blank and 22 characters; any other as it is.

    An Idempotency-Key has no blanks, so that the two cannot be confused.
    """
    if _CANONICAL_UUID.match(request_id):
        return " " + _pack(bytes.fromhex(request_id.replace("-", "")))
    return request_id


def unpack_request_id(text: str) -> str:
    """The request id that `pack_request_id` made the text from."""
    if not text.startswith(" "):
        return text
    digits = _unpack(text[1:])
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class EventMapper(Mapper[UUID]):
    """Turns recorded events into the library's stored events and back, older versions brought forward."""

    def __init__(
        self,
        transcoder: Transcoder | None = None,
        compressor: None = None,
        cipher: None = None,
        *,
        schema: dict[str, int] = SCHEMA,
        upcasts: dict[tuple[str, int], Upcast] = UPCASTS,
    ) -> None:
        self._schema = schema
        self._upcasts = upcasts
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(State)

    @override
    def to_stored_event(self, domain_event: Recorded) -> StoredEvent:  # type: ignore[override]
        """The stored form. The topic is the event's stored name, never a Python path."""
        name = type(domain_event.data).__name__
        payload = list(msgspec.structs.astuple(domain_event.data))
        while payload and payload[-1] is None:
            payload.pop()
        actor = domain_event.actor
        state = (
            self._schema[name],
            domain_event.occurred_at,
            actor if isinstance(actor, str) else pack_uuid(actor),
            pack_request_id(domain_event.request_id),
            domain_event.cause,
            payload,
        )
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, name, self._encoder.encode(state)
        )

    @override
    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        """The recorded event. Raises msgspec.DecodeError, ValueError or LookupError for what no mapper wrote."""
        name = stored_event.topic
        state = self._decoder.decode(stored_event.state)
        payload = state.payload
        for version in range(state.schema, self._schema[name]):
            payload = self._upcasts[name, version](payload)
        actor: Actor = "system" if state.actor == "system" else unpack_uuid(state.actor)
        assert isinstance(stored_event.originator_id, UUID)
        return Recorded(
            stored_event.originator_id,
            stored_event.originator_version,
            state.occurred_at,
            actor,
            unpack_request_id(state.request_id),
            state.cause,
            msgspec.convert(payload, VOCABULARY[name]),
        )


class EventRecorder(PostgresApplicationRecorder):
    """The library's recorder over `draft_events`: it reads; writing is the writer's, which keeps chain and view."""

    @override
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> NoReturn:
        raise NotSupportedError("draft_events is written by append_events alone, which keeps the chain and the view")


class Draft(Application[UUID]):
    """The log as an application of the `eventsourcing` library; its name gives the table, `draft_events`."""

    env = {  # noqa: RUF012 (the library's own way)
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": "service.store:EventMapper",
        "APPLICATION_RECORDER_TOPIC": "service.store:EventRecorder",
        "CREATE_TABLE": "no",
    }


for _name, _event in VOCABULARY.items():
    register_topic(_name, _event)


def library_environment(database_url: str) -> dict[str, str]:
    """The environment with which `Draft` and the library's own tools find the store."""
    parts = conninfo_to_dict(database_url)
    return {
        "POSTGRES_DBNAME": str(parts.get("dbname", "")),
        "POSTGRES_HOST": str(parts.get("host", "")),
        "POSTGRES_PORT": str(parts.get("port", "5432")),
        "POSTGRES_USER": str(parts.get("user", "")),
        "POSTGRES_PASSWORD": str(parts.get("password", "")),
    }


class StoredRow(NamedTuple):
    """One row of the log."""

    position: int
    stored: StoredEvent
    digest: bytes


async def configure(connection: AsyncConnection[Any]) -> None:
    """What every connection of the service has in common."""
    set_json_loads(msgspec.json.decode, connection)
    await connection.execute("SET lock_timeout = '1500ms'")
    await connection.execute("SET TimeZone = 'UTC'")
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    if connection.info.server_version >= 170000:
        await connection.execute("SET transaction_timeout = '30s'")


CONNECTION = {"autocommit": True, "connect_timeout": 2, "tcp_user_timeout": 2000, "application_name": "palimpsest"}
"""How every connection of the service is made."""


async def open_writing_connection(database_url: str) -> AsyncConnection[Any]:
    """A connection of its own, outside the pool, on which `append_events` is called.

    Its statements find their rows by index and are planned once: the planner, which cannot know how small a
    batch is, would read the whole view each time (measured: 0.42 ms a call instead of 0.80 ms).
    """
    connection = await AsyncConnection.connect(database_url, **CONNECTION)  # type: ignore[arg-type]
    await configure(connection)
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        await connection.execute(f"SET {setting} = off")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    return connection


async def backend_of(connection: AsyncConnection[Any]) -> tuple[int, datetime]:
    """The server process behind a connection: its id and when it began."""
    cursor = await connection.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


async def read_head(connection: AsyncConnection[Any], task_id: UUID) -> Head | None:
    """The head of a task's stream as the current-task view has it."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(f"SELECT {COLUMNS} FROM current_task WHERE id = %s", (task_id,), prepare=True)
    row = await cursor.fetchone()
    return head_of(row) if row else None


class Store:
    """The queries of requests. One pool, opened and closed by the application."""

    def __init__(self, pool: "ReadingPool") -> None:
        self._pool = pool

    async def head(self, task_id: UUID) -> Head | None:
        """The head of a task's stream from the current-task view, None where there is none."""
        async with self._pool.connection() as connection:
            return await read_head(connection, task_id)

    async def events(self, task_id: UUID, after: int = 0, limit: int | None = None) -> AsyncIterator[list[StoredRow]]:
        """The rows of a task's stream behind version `after`, at most `limit`, in pages of at most `PAGE`."""
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(
                    "SELECT notification_id, originator_version, topic, state, digest FROM draft_events"
                    " WHERE originator_id = %s AND originator_version > %s"
                    " ORDER BY originator_version LIMIT %s",
                    (task_id, after, size),
                    prepare=True,
                )
                rows = await cursor.fetchall()
            page = [
                StoredRow(position, StoredEvent(task_id, version, topic, state), digest)
                for position, version, topic, state, digest in rows
            ]
            if page:
                yield page
                after = page[-1].stored.originator_version
            if len(page) < size:
                return
            if left is not None:
                left -= len(page)

    async def tasks(
        self,
        user_id: UUID,
        statuses: Sequence[str],
        category: str | None,
        now: int,
        before: int | None,
        before_id: UUID | None,
    ) -> AsyncIterator[list[Task]]:
        """A user's tasks behind a place in the order of their last change, newest first, in pages.

        `now` and `before` are in microseconds since 1970; a draft past its life counts as expired.
        """
        while True:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(
                    _TASKS,
                    {
                        "user_id": user_id,
                        "statuses": list(statuses),
                        "category": category,
                        "now": moment_of(now),
                        "before": None if before is None else moment_of(before),
                        "before_id": before_id,
                        "limit": LIST_PAGE,
                    },
                    prepare=True,
                )
                rows = await cursor.fetchall()
            page = [head_of(row).task for row in rows]
            if page:
                yield page
                before, before_id = page[-1].updated_at, page[-1].id
            if len(page) < LIST_PAGE:
                return

    async def require_writable(self) -> None:
        """Raise `StoreUnavailable` unless the store can record changes."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"
            )
            row = await cursor.fetchone()
        if row is None or row[0]:
            raise StoreUnavailable("The store is read-only.")

    async def claim_job(self, name: str, seconds: float) -> bool:
        """Whether this process may do a job that was last begun at least `seconds` ago."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "INSERT INTO job AS known (name, begun_at) VALUES (%s, now()) ON CONFLICT (name)"
                " DO UPDATE SET begun_at = now() WHERE known.begun_at <= now() - %s * interval '1 second'"
                " RETURNING name",
                (name, seconds),
            )
            return await cursor.fetchone() is not None

    async def overdue(self, now: int, limit: int = 500) -> list[UUID]:
        """Drafts whose life is over at the time `now` and not recorded as expired; empty when there are no more."""
        async with self._pool.connection(silence=None) as connection:
            # Most that come up have been changed since: they are looked at again when their new life ends.
            await connection.execute(
                "UPDATE current_task SET sweep_at = expires_at WHERE sweep_at <= %s AND expires_at > %s",
                (moment_of(now), moment_of(now)),
            )
            cursor = await connection.execute(
                "SELECT id FROM current_task WHERE sweep_at <= %s AND status = 'draft' LIMIT %s",
                (moment_of(now), limit),
            )
            return [row[0] for row in await cursor.fetchall()]

    async def forget_keys(self, hours: int) -> None:
        """Remove idempotency keys that are older than `hours`."""
        async with self._pool.connection(silence=None) as connection:
            await connection.execute(
                "DELETE FROM idempotency_key WHERE created_at < now() - %s * interval '1 hour'", (hours,)
            )
