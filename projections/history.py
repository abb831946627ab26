"""The history of a task as readers see it: the envelope (docs/api.md, Events)."""

from typing import Any
from uuid import UUID

import msgspec

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
from domain.text import Edit
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
    """An event's data by its field names (docs/api.md, Events)."""
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


def one_line(encoded: bytes) -> bytes:
    """Encoded JSON without U+0085, U+2028 and U+2029 as they are."""
    for raw, escaped in _LINE_ENDS:
        if raw in encoded:
            encoded = encoded.replace(raw, escaped)
    return encoded


_LINE_ENDS = tuple((mark.encode(), f"\\u{ord(mark):04x}".encode()) for mark in "\u0085\u2028\u2029")
