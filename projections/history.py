"""The history of a task as readers see it: the envelope of contract section 6, and the replay of events."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from domain import chain
from domain.errors import HistoryCorrupt
from domain.events import (
    SCHEMA,
    AttachmentAdded,
    AttachmentRemoved,
    DraftCreated,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Event,
    Recorded,
    TranscriptChanged,
)
from domain.task import Task, evolve
from domain.text import Edit
from projections.current_task import Snapshot
from projections.times import rfc3339


class Envelope(msgspec.Struct, frozen=True):
    """One event, the same in a history, in the stream and in every export."""

    position: int
    task_id: UUID
    version: int
    type: str
    schema: int
    occurred_at: str
    actor: UUID | str
    request_id: str
    cause: str
    data: dict[str, Any]
    digest: str


def envelope(position: int, event: Recorded, digest: bytes) -> Envelope:
    """The envelope of a recorded event."""
    name = type(event.data).__name__
    return Envelope(
        position,
        event.originator_id,
        event.originator_version,
        name,
        SCHEMA[name],
        rfc3339(event.occurred_at),
        event.actor,
        event.request_id,
        event.cause,
        data_of(event.data),
        digest.hex(),
    )


def data_of(data: Event) -> dict[str, Any]:
    """An event's data with the names of the contract."""
    match data:
        case DraftFieldChanged(field, None, value):
            return {"field": field, "value": value}
        case DraftFieldChanged(field, Edit() as edit):
            return {"field": field, "edit": _edit(edit)}
        case TranscriptChanged(edit):
            return {"edit": _edit(edit)}
        case AttachmentAdded(reference) | AttachmentRemoved(reference):
            return {"reference": reference}
        case DraftCreated(ttl_seconds, None):
            return {"ttl_seconds": ttl_seconds}
        case DraftCreated(ttl_seconds, copied_from) if copied_from:
            source = {"task_id": copied_from.task_id, "version": copied_from.version}
            return {"ttl_seconds": ttl_seconds, "copied_from": source}
        case DraftRestored(ttl_seconds):
            return {"ttl_seconds": ttl_seconds}
        case DraftPublished(compute_budget):
            return {"compute_budget": compute_budget}
    return {}


def _edit(edit: Edit) -> dict[str, Any]:
    return {"at": edit.at, "cut": edit.cut, "insert": edit.insert}


def replay(head: Snapshot | None, events: Iterable[Recorded]) -> Task | None:
    """The state after `events`, from `head` on or from the beginning; the chain is not looked at."""
    task = head.task if head else None
    for event in events:
        task = evolve(task, event)
    return task


def check_link(previous: bytes, event: Recorded, topic: str, state: bytes, stored_digest: bytes) -> bytes:
    """The digest of the event that follows `previous`; raises `HistoryCorrupt` if another one is stored."""
    expected = chain.digest(previous, event.originator_id, event.originator_version, topic, state)
    if expected != stored_digest:
        raise HistoryCorrupt(event.originator_version, "digest-mismatch", "The digest of the event does not match.")
    return expected
