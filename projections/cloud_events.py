"""Events as CloudEvents 1.0 in JSON, for consumers that read it (docs/api.md, Events)."""

from typing import Any
from uuid import UUID

import msgspec

from projections.history import Envelope
from projections.redaction import RedactedEnvelope


class CloudEvent(msgspec.Struct, frozen=True):
    """One event; `position` is an extension attribute, `data` the envelope's data."""

    specversion: str
    id: str
    source: str
    type: str
    subject: UUID
    time: str
    datacontenttype: str
    position: int
    data: dict[str, Any]


def cloud_event(envelope: Envelope | RedactedEnvelope) -> CloudEvent:
    """The CloudEvent of an envelope: `source` and `id` together name the event once and for all."""
    return CloudEvent(
        "1.0",
        f"{envelope.task_id}:{envelope.version}",
        f"/api/v1/tasks/{envelope.task_id}",
        f"palimpsest.{envelope.type}.v{envelope.schema}",
        envelope.task_id,
        envelope.occurred_at,
        "application/json",
        envelope.position,
        envelope.data,
    )
