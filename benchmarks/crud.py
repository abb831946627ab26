"""What a team would build without a history: Litestar, a psycopg pool, one `UPDATE … RETURNING` a request.

Connections are in autocommit, so the statement is its own transaction and its own commit: one round trip.
psycopg prepares a statement that it sees for the fifth time on a connection; the text depends only on which fields
a body names, so nearly every request runs a prepared one.
"""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from litestar import Litestar, patch
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from psycopg.rows import class_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from benchmarks.schemas import LIFE_OF_A_DRAFT, Task, TaskPatch

# Chosen by measuring on two cores; see "How the peers were tuned" in README.md.
POOL_SIZE = int(os.environ.get("BENCH_POOL_SIZE", "12"))

TABLE = """
CREATE TABLE task (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    title text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    category text NOT NULL DEFAULT '',
    task_type text NOT NULL DEFAULT '',
    requirements jsonb NOT NULL DEFAULT '{}',
    budget_usd double precision NOT NULL DEFAULT 0,
    compute_budget double precision,
    status text NOT NULL DEFAULT 'draft',
    experimentation double precision NOT NULL DEFAULT 0.3,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '30 days',
    attachments text[] NOT NULL DEFAULT '{}',
    brand_kit_id uuid,
    prototype_tier integer
) WITH (fillfactor = 50);
CREATE INDEX task_by_user ON task (user_id);
"""
COLUMNS = ", ".join(Task.__struct_fields__)

set_json_dumps(msgspec.json.encode)
set_json_loads(msgspec.json.decode)


@lru_cache(maxsize=256)
def update_statement(fields: tuple[str, ...]) -> str:
    """The statement for a set of fields; the names come from `TaskPatch`, never from a body."""
    assignments = ", ".join(f"{field} = %({field})s" for field in fields)
    return f"""
        UPDATE task SET {assignments}, expires_at = now() + %(life)s
        WHERE id = %(id)s AND status = 'draft'
        RETURNING {COLUMNS}
    """


@patch("/api/v1/tasks/{task_id:uuid}")
async def update_task(task_id: UUID, data: TaskPatch, state: State) -> Task:
    changes = data.changes()
    parameters: dict[str, Any] = {**changes, "id": task_id, "life": LIFE_OF_A_DRAFT}
    if "requirements" in changes:
        parameters["requirements"] = Jsonb(changes["requirements"])
    async with state.pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Task))
        await cursor.execute(update_statement(tuple(changes)), parameters)
        task: Task | None = await cursor.fetchone()
    if task is None:
        raise NotFoundException
    return task


@asynccontextmanager
async def pool(app: Litestar) -> AsyncIterator[None]:
    async with AsyncConnectionPool(
        os.environ["BENCH_DATABASE_URL"],
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        kwargs={"autocommit": True},
    ) as app.state.pool:
        yield


def seed(url: str, drafts: Iterable[tuple[UUID, str]], user: UUID) -> None:
    """Make the table, and a row for each draft with the text it starts with."""
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
        connection.cursor().executemany(
            "INSERT INTO task (id, user_id, description) VALUES (%s, %s, %s)",
            [(draft, user, text) for draft, text in drafts],
        )


app = Litestar([update_task], lifespan=[pool], openapi_config=None, logging_config=None)
