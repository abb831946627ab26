"""Event sourcing as the `eventsourcing` library's documentation shows it: get the aggregate, command it, save it.

An aggregate with decorated events, an application with command methods, snapshots at an interval, PostgreSQL from the
environment. Two requests for one draft can meet; the loser's IntegrityError is retried with the library's decorator.
The library is synchronous, so Litestar runs the handler in its thread pool.
"""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from eventsourcing.utils import retry
from litestar import Litestar, patch
from litestar.datastructures import State
from psycopg.conninfo import conninfo_to_dict

from benchmarks.schemas import DEFAULTS, LIFE_OF_A_DRAFT, Task, TaskPatch

# Chosen by measuring on two cores; see "How the peers were tuned" in README.md.
POOL_SIZE = os.environ.get("BENCH_POOL_SIZE", "8")
SNAPSHOT_EVERY = int(os.environ.get("BENCH_SNAPSHOT_EVERY", "20"))
CACHED_AGGREGATES = os.environ.get("BENCH_CACHED_AGGREGATES", "")


class Draft(Aggregate):
    @event("Created")
    def __init__(self, draft_id: UUID, user_id: UUID) -> None:
        self.user_id = user_id
        self.fields = dict(DEFAULTS)

    @staticmethod
    def create_id(draft_id: UUID) -> UUID:
        return draft_id

    @event("FieldChanged")
    def change_field(self, name: str, value: Any) -> None:
        self.fields[name] = value

    def as_task(self) -> Task:
        return Task(
            id=self.id,
            user_id=self.user_id,
            compute_budget=None,
            status="draft",
            created_at=self.created_on,
            expires_at=self.modified_on + LIFE_OF_A_DRAFT,
            attachments=[],
            prototype_tier=None,
            **self.fields,
        )


class Drafts(Application[UUID]):
    snapshotting_intervals: ClassVar = {Draft: SNAPSHOT_EVERY}

    @retry(IntegrityError, max_attempts=1_000, wait=0.005)
    def change(self, draft_id: UUID, changes: dict[str, Any]) -> Draft:
        draft: Draft = self.repository.get(draft_id)
        for name, value in changes.items():
            draft.change_field(name, value)
        self.save(draft)
        return draft


def environment(url: str) -> dict[str, str]:
    """The library's settings for the database at `url`."""
    address = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(address["dbname"]),
        "POSTGRES_HOST": str(address["host"]),
        "POSTGRES_PORT": str(address.get("port") or 5432),
        "POSTGRES_USER": str(address["user"]),
        "POSTGRES_PASSWORD": str(address.get("password") or "unused"),
        "POSTGRES_POOL_SIZE": POOL_SIZE,
        "POSTGRES_MAX_OVERFLOW": "0",
        "AGGREGATE_CACHE_MAXSIZE": CACHED_AGGREGATES,
    }


@patch("/api/v1/tasks/{task_id:uuid}", sync_to_thread=True)
def update_task(task_id: UUID, data: TaskPatch, state: State) -> Task:
    draft: Draft = state.drafts.change(task_id, data.changes())
    return draft.as_task()


@asynccontextmanager
async def drafts(app: Litestar) -> AsyncIterator[None]:
    app.state.drafts = Drafts(environment(os.environ["BENCH_DATABASE_URL"]))
    yield
    app.state.drafts.close()


def seed(url: str, texts: Iterable[tuple[UUID, str]], user: UUID, events: int = 200) -> None:
    """Record `events` events for each draft, the last of which makes its text the one given."""
    application = Drafts(environment(url))
    for draft_id, text in texts:
        draft = Draft(draft_id=draft_id, user_id=user)
        for number in range(events - 2):
            draft.change_field("description", f"{text}{number}"[:5_000])
        draft.change_field("description", text)
        application.save(draft)
    application.close()


app = Litestar([update_task], lifespan=[drafts], openapi_config=None, logging_config=None)
