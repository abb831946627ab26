"""A task as its events made it, and how one more event changes it."""

from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.events import (
    AttachmentAdded,
    AttachmentRemoved,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Json,
    Recorded,
    TranscriptChanged,
)
from domain.text import apply_edit

Status = Literal["draft", "open", "discarded", "expired"]

MICROSECONDS = 1_000_000
"""In a second."""

FIELDS = (
    "title",
    "description",
    "category",
    "task_type",
    "requirements",
    "budget_usd",
    "experimentation",
    "brand_kit_id",
)
"""What a PATCH may change, in the order in which its events are recorded (docs/api.md, The task)."""

TEXT_FIELDS = frozenset({"title", "description"})
"""The fields that are recorded as edits."""

NEW: dict[str, Json] = {
    "title": "",
    "description": "",
    "category": "",
    "task_type": "",
    "requirements": {},
    "budget_usd": 0,
    "experimentation": 0.3,
    "brand_kit_id": None,
}
"""The fields of a new draft; what null in a PATCH goes back to."""

TITLE_LIMIT = 200
DESCRIPTION_LIMIT = 5_000
NAME_LIMIT = 100
TRANSCRIPT_LIMIT = 20_000
REFERENCE_LIMIT = 2_048
ATTACHMENTS_LIMIT = 20
BUDGET_RANGE = (3, 300)
EXPERIMENTATION_RANGE = (0, 1)
REQUIREMENTS_BYTES = 16 * 1024
REQUIREMENTS_LEVELS = 32


class Task(msgspec.Struct, frozen=True):
    """The state of a task at one version. Times are microseconds since 1970, UTC.

    `version` is the number of its events, `updated_at` the time of the last one. A transcript of `""` is none.
    """

    id: UUID
    user_id: UUID
    title: str
    description: str
    category: str
    task_type: str
    requirements: dict[str, Json]
    budget_usd: int | float
    compute_budget: int | float | None
    status: Status
    experimentation: int | float
    created_at: int
    expires_at: int
    attachments: tuple[str, ...]
    brand_kit_id: UUID | None
    prototype_tier: int | None
    transcript: str
    ttl_seconds: int
    version: int
    updated_at: int

    def status_at(self, now: int) -> Status:
        """The status at the time `now`: a draft past its `expires_at` is expired, recorded or not."""
        return "expired" if self.status == "draft" and now >= self.expires_at else self.status


def evolve(task: Task | None, event: Recorded) -> Task:
    """The state after one more event. History is never refused: what was recorded has happened."""
    data = event.data
    kind = type(data)
    at = event.occurred_at
    if isinstance(data, DraftFieldChanged):
        assert task is not None
        value = data.value
        if data.edit is not None:
            value = apply_edit(getattr(task, data.field), data.edit)
        elif data.field == "brand_kit_id" and value is not None:
            value = UUID(value)
        return _changed(task, at, **{data.field: value})
    if isinstance(data, DraftCreated):
        assert isinstance(event.actor, UUID)
        return Task(
            id=event.originator_id,
            user_id=event.actor,
            compute_budget=None,
            status="draft",
            created_at=at,
            expires_at=at + data.ttl_seconds * MICROSECONDS,
            attachments=(),
            prototype_tier=None,
            transcript="",
            ttl_seconds=data.ttl_seconds,
            version=1,
            updated_at=at,
            **NEW,
        )
    assert task is not None
    if isinstance(data, TranscriptChanged):
        return _changed(task, at, transcript=apply_edit(task.transcript, data.edit))
    if isinstance(data, AttachmentAdded):
        return _changed(task, at, attachments=(*task.attachments, data.reference))
    if isinstance(data, AttachmentRemoved):
        return _changed(task, at, attachments=tuple(a for a in task.attachments if a != data.reference))
    if isinstance(data, DraftRestored):
        revived = replace(task, status="draft", ttl_seconds=data.ttl_seconds)
        return _changed(revived, at)
    if isinstance(data, DraftPublished):
        return _ended(task, at, status="open", compute_budget=data.compute_budget)
    if isinstance(data, DraftDiscarded):
        return _ended(task, at, status="discarded")
    if isinstance(data, DraftExpired):
        return _ended(task, at, status="expired")
    raise TypeError(f"no rule for {kind.__name__}")


def _changed(task: Task, at: int, **values: Json) -> Task:
    """One version on, with a new life."""
    return replace(
        task,
        version=task.version + 1,
        updated_at=at,
        expires_at=at + task.ttl_seconds * MICROSECONDS,
        **values,
    )


def _ended(task: Task, at: int, **values: Json) -> Task:
    """One version on; the life is over and not renewed."""
    return replace(task, version=task.version + 1, updated_at=at, **values)
