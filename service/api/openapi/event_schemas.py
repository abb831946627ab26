"""The schemas of events: the envelope with its data by type, whole and redacted, and as CloudEvents."""

from typing import Any, get_args

from domain.events import SCHEMA, VOCABULARY, Cause
from projections.cloud_events import CloudEvent
from projections.history import Envelope
from projections.redaction import RedactedEnvelope

Schema = dict[str, Any]

MOMENT: Schema = {"format": "date-time", "description": "UTC, with microseconds."}
TYPES_PATTERN = f"^({'|'.join(VOCABULARY)})(,({'|'.join(VOCABULARY)}))*$"

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_VERSION: Schema = {"type": "integer", "minimum": 1}
_UUID: Schema = {"type": "string", "format": "uuid"}
_ACTOR: Schema = {"type": "string", "description": "A user's uuid, or `system`."}


def event_schemas() -> dict[str, Schema]:
    """The schemas by name."""
    envelope = _envelope()
    whole = {**envelope, "data": _data(), "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
    redacted = {**envelope, "data": _redacted_data()}
    cloud = {
        "specversion": {"const": "1.0"},
        "id": _TEXT,
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"enum": [f"palimpsest.{name}.v{number}" for name, number in SCHEMA.items()]},
        "subject": _UUID,
        "time": {"type": "string", **MOMENT},
        "datacontenttype": {"const": "application/json"},
        "position": _VERSION,
        "data": {"anyOf": [_data(), _redacted_data()]},
    }
    assert tuple(whole) == Envelope.__struct_fields__
    assert tuple(redacted) == RedactedEnvelope.__struct_fields__
    assert tuple(cloud) == CloudEvent.__struct_fields__
    any_event = {"anyOf": [_reference("Envelope"), _reference("RedactedEnvelope")]}
    return {
        "Envelope": {**_object(**whole), "description": "One event."},
        "RedactedEnvelope": {**_object(**redacted), "description": "One event, without text and digest."},
        "HistoryPage": _object(
            items=_array(_reference("Envelope")),
            next_after={"type": ["integer", "null"], "description": "null where nothing follows now."},
            has_more={"type": "boolean"},
        ),
        "EventPage": _object(
            items=_array(any_event),
            next_after={**_WHOLE, "description": "The last position that was looked at, also under filters."},
            has_more={"type": "boolean", "description": "Whether positions follow now."},
            head={**_WHOLE, "description": "The last position there is."},
        ),
        "CloudEvents": _array(_object(**cloud)),
        "BlamedText": _object(
            segments=_array(
                _object(text=_TEXT, version=_VERSION, actor=_ACTOR, occurred_at={"type": "string", **MOMENT})
            )
        ),
    }


def _envelope() -> dict[str, Schema]:
    """The fields of every envelope, without data and digest."""
    return {
        "position": _VERSION,
        "task_id": _UUID,
        "version": _VERSION,
        "type": {"enum": list(VOCABULARY)},
        "schema": _VERSION,
        "occurred_at": {"type": "string", **MOMENT},
        "actor": _ACTOR,
        "request_id": _TEXT,
        "cause": {"enum": list(get_args(Cause))},
    }


def _data() -> Schema:
    edit = _object(at=_WHOLE, cut=_WHOLE, insert=_TEXT)
    return {
        "description": "What happened, by type. Text is one edit that turns the old text into the new.",
        "anyOf": [
            *_never_text(),
            _object(field=_TEXT, edit=edit),
            _object(field=_TEXT, value={}),
            _object(edit=edit),
            _object(reference=_TEXT),
        ],
    }


def _redacted_data() -> Schema:
    edit = _object(at=_WHOLE, cut=_WHOLE, insert_length=_WHOLE)
    return {
        "description": "What happened, by type: of text only how long it is.",
        "anyOf": [
            *_never_text(),
            _object(field=_TEXT, edit=edit),
            _object(field=_TEXT, value={}),
            _object(field=_TEXT, value_bytes=_WHOLE),
            _object(edit=edit),
            _object(reference_length=_WHOLE),
        ],
    }


def _never_text() -> list[Schema]:
    """The data of the events that hold no text."""
    created = _object(ttl_seconds=_WHOLE)
    created["properties"]["copied_from"] = _object(task_id=_UUID, version=_VERSION)
    return [created, _object(compute_budget={"type": ["number", "null"]}), {"type": "object", "maxProperties": 0}]


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
