"""What `analytics` may see of an event: that and where something was typed, never what (docs/api.md, Events).

Each event type has its rule here; one without a rule is refused, so that a new one cannot slip out.

`request_id` may be an Idempotency-Key, which a client is free to fill with text. A redacted envelope has it only
where it is a canonical uuid, and "" otherwise; the events of one request still stand together, by their task and
`occurred_at`.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from domain import json_values as json
from projections.history import Envelope

OPEN_FIELDS = frozenset({"category", "task_type", "budget_usd", "experimentation", "brand_kit_id"})
"""Fields whose values stay; of every other value only the size does."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class RedactedEnvelope(msgspec.Struct, frozen=True):
    """An envelope without text and without a digest, from which a short text could be guessed."""

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


def redacted(envelope: Envelope) -> RedactedEnvelope:
    """The envelope as `analytics` sees it. Raises LookupError for an event type without a rule."""
    return RedactedEnvelope(
        envelope.position,
        envelope.task_id,
        envelope.version,
        envelope.type,
        envelope.schema,
        envelope.occurred_at,
        envelope.actor,
        redacted_request_id(envelope.request_id),
        envelope.cause,
        redacted_data(envelope.type, envelope.data),
    )


def redacted_data(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """The data of an event of the type `name`. Raises LookupError for a type without a rule."""
    return _RULES[name](data)


def redacted_request_id(request_id: str) -> str:
    """The id where it is a uuid, else nothing."""
    return request_id if _UUID.match(request_id) else ""


def _field(data: dict[str, Any]) -> dict[str, Any]:
    if "edit" in data:
        return {"field": data["field"], "edit": _edit(data["edit"])}
    if data["field"] in OPEN_FIELDS:
        return data
    return {"field": data["field"], "value_bytes": json.size(data["value"])}


def _transcript(data: dict[str, Any]) -> dict[str, Any]:
    return {"edit": _edit(data["edit"])}


def _edit(edit: dict[str, Any]) -> dict[str, Any]:
    return {"at": edit["at"], "cut": edit["cut"], "insert_length": len(edit["insert"])}


def _reference(data: dict[str, Any]) -> dict[str, Any]:
    return {"reference_length": len(data["reference"])}


def _whole(data: dict[str, Any]) -> dict[str, Any]:
    return data


_RULES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "DraftCreated": _whole,
    "DraftFieldChanged": _field,
    "TranscriptChanged": _transcript,
    "AttachmentAdded": _reference,
    "AttachmentRemoved": _reference,
    "DraftPublished": _whole,
    "DraftDiscarded": _whole,
    "DraftExpired": _whole,
    "DraftRestored": _whole,
}
