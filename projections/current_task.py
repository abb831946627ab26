"""The current-task view: the row that seeds the next decision, and the body that responses carry.

The row is written in the transaction of its events (`append_events`). It is never the truth: publishing and
`verify` replay the events and compare.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.events import Json
from domain.json_values import canonical_number
from domain.task import Task
from projections.times import rfc3339


class Snapshot(msgspec.Struct, frozen=True):
    """A task at its last event, with the digest of that (32 bytes)."""

    task: Task
    digest: bytes


Row = dict[str, Any]
"""A row of `current_task` by its column names, as PostgreSQL reads it from JSON; that of a change holds what changed,
and always `ALWAYS`."""

NAMES = (*Task.__struct_fields__, "digest")

ALWAYS = ("id", "version", "updated_at", "expires_at", "compute_budget", "brand_kit_id", "prototype_tier")
"""The key, what belongs to every change, and what may change to null, which must differ from absent."""

_TIMES = ("created_at", "expires_at", "updated_at")

COLUMNS = ", ".join(f"to_microseconds({name}) AS {name}" if name in _TIMES else name for name in NAMES)
"""The columns to select for `snapshot_of`."""


def row_of(snapshot: Snapshot, base: Snapshot | None = None) -> Row:
    """The row that stands for a snapshot, as a change of the row of `base` where that is given."""
    task = snapshot.task
    values = msgspec.structs.astuple(task)
    if base is None:
        row: Row = dict(zip(NAMES, values, strict=False))
        row["created_at"] = rfc3339(task.created_at)
        row["sweep_at"] = rfc3339(task.expires_at) if task.status == "draft" else None
    else:
        # A value that no event touched is the very same object.
        olds = msgspec.structs.astuple(base.task)
        row = {name: value for name, value, old in zip(NAMES, values, olds, strict=False) if value is not old}
        for name in ALWAYS:
            row[name] = getattr(task, name)
    row["expires_at"] = rfc3339(task.expires_at)
    row["updated_at"] = rfc3339(task.updated_at)
    row["digest"] = "\\x" + snapshot.digest.hex()
    return row


def snapshot_of(columns: Sequence[Any]) -> Snapshot:
    """The snapshot that a row of `COLUMNS` stands for; `requirements` as a JSON value."""
    *values, digest = columns
    task = Task(*values)
    return Snapshot(
        msgspec.structs.replace(
            task,
            budget_usd=canonical_number(task.budget_usd),
            compute_budget=None if task.compute_budget is None else canonical_number(task.compute_budget),
            experimentation=canonical_number(task.experimentation),
            attachments=tuple(task.attachments),
        ),
        bytes(digest),
    )


class TaskView(msgspec.Struct, frozen=True):
    """The body of a task response: exactly these fields, in this order (docs/api.md, The task)."""

    id: UUID
    user_id: UUID
    title: str
    description: str
    category: str
    task_type: str
    requirements: dict[str, Json]
    budget_usd: int | float
    compute_budget: int | float | None
    status: str
    experimentation: int | float
    created_at: str
    expires_at: str
    attachments: tuple[str, ...]
    brand_kit_id: UUID | None
    prototype_tier: int | None


class ListedTask(TaskView, frozen=True):
    """A task in a list: its fields, its version (the ETag) and the time of its last event."""

    version: int
    updated_at: str


def view_of(task: Task, now: int) -> TaskView:
    """The view of `task` as it stands at the time `now` (microseconds since 1970)."""
    return TaskView(*_view_values(task, now))


def listed(task: Task, now: int) -> ListedTask:
    """The view of `task` as an item of a list."""
    return ListedTask(*_view_values(task, now), task.version, rfc3339(task.updated_at))  # type: ignore[call-arg]


def _view_values(task: Task, now: int) -> tuple[Any, ...]:
    return (
        task.id,
        task.user_id,
        task.title,
        task.description,
        task.category,
        task.task_type,
        task.requirements,
        task.budget_usd,
        task.compute_budget,
        task.status_at(now),
        task.experimentation,
        rfc3339(task.created_at),
        rfc3339(task.expires_at),
        task.attachments,
        task.brand_kit_id,
        task.prototype_tier,
    )
