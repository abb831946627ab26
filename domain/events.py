"""The vocabulary: what can have happened to a task. An event struct never loses a field.

Stored names are the class names (docs/api.md, Events); `SCHEMA` gives the version that each is written in.
A payload of an older version is brought forward by `UPCASTS` before it is decoded.
"""

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain.text import Edit

Json = Any
"""A JSON value as msgspec decodes it: None, bool, int, float, str, list, dict."""

Actor = UUID | Literal["system"]
Cause = Literal[
    "autosave",
    "create",
    "duplicate",
    "revert",
    "publish",
    "restore",
    "discard",
    "expire",
    "transcript",
    "attachment",
]


class Event(msgspec.Struct, frozen=True, array_like=True):
    """The data of one event, stored as an array in the order of its fields."""


class CopiedFrom(msgspec.Struct, frozen=True, array_like=True):
    """The task and the version that a duplicate was made from."""

    task_id: UUID
    version: int


class DraftCreated(Event, frozen=True):
    """A draft came into being; its owner is the event's actor. `ttl_seconds` is its life after each change."""

    ttl_seconds: int
    copied_from: CopiedFrom | None = None


class DraftFieldChanged(Event, frozen=True):
    """One field changed: a text by `edit` (`title`, `description`), any other to `value`."""

    field: str
    edit: Edit | None = None
    value: Json = None


class TranscriptChanged(Event, frozen=True):
    """The voice transcript changed; an empty one is none."""

    edit: Edit


class AttachmentAdded(Event, frozen=True):
    """A reference was added after the others."""

    reference: str


class AttachmentRemoved(Event, frozen=True):
    """A reference was taken away."""

    reference: str


class DraftPublished(Event, frozen=True):
    """The draft is open to bidders; `compute_budget` in USD was set aside for it, or nothing."""

    compute_budget: int | float | None = None


class DraftDiscarded(Event, frozen=True):
    """The owner threw the draft away."""


class DraftExpired(Event, frozen=True):
    """The draft passed its `expires_at` without a change."""


class DraftRestored(Event, frozen=True):
    """A discarded or expired draft is a draft again, with a new life of `ttl_seconds` after each change."""

    ttl_seconds: int


class Recorded(msgspec.Struct, frozen=True):
    """One event of a task with its metadata.

    `occurred_at` is in microseconds since 1970, UTC. The names of the ids are those of the
    `eventsourcing` library, whose mapper and recorder take these objects.
    """

    originator_id: UUID
    originator_version: int
    occurred_at: int
    actor: Actor
    request_id: str
    cause: Cause
    data: Event


VOCABULARY: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        DraftCreated,
        DraftFieldChanged,
        TranscriptChanged,
        AttachmentAdded,
        AttachmentRemoved,
        DraftPublished,
        DraftDiscarded,
        DraftExpired,
        DraftRestored,
    )
}
"""Stored name to event. Stored names never change."""

Upcast = Callable[[list[Json]], list[Json]]

SCHEMA: dict[str, int] = dict.fromkeys(VOCABULARY, 1)
"""The version in which each event is written today."""

UPCASTS: dict[tuple[str, int], Upcast] = {}
"""From (stored name, version) to the function that turns its payload into the next version's."""
