"""The operations of `service.routes.events`, `event_stream` and `statistics`, with what only they have."""

from typing import Any

import msgspec

from domain.events import VOCABULARY
from projections.cloud_events import CloudEvent
from service.call import MAX_VERSION
from service.lag import Lag
from service.openapi.operation import ANY, NDJSON, Answer, Content, Operation, json_answer
from service.routes.events import CLOUD_EVENTS, DEFAULT_LIMIT, MAX_LIMIT
from service.routes.statistics import MAX_DAYS
from service.statistics import Statistics

Schema = dict[str, Any]

STRUCTS = (CloudEvent, Statistics, Lag)
"""The structs that the bodies are made of."""

OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/events",
        "read_events",
        "Analytics",
        "Page through all events",
        (
            Answer(
                200,
                "Events behind a position, in order. `next_after` is the last position looked at: go on there.",
                ("Cache-Control", "X-Next-After", "X-Head"),
                (
                    Content("EventPage", ("events", "redacted events")),
                    Content("Text", ("event lines",), NDJSON),
                    Content("CloudEvents", ("cloud events",), CLOUD_EVENTS),
                ),
            ),
        ),
        (*ANY, "forbidden", "history-corrupt"),
        ("after_position", "since", "events_limit", "type", "of_task"),
        description="Needs the scope `analytics`, which sees no text and no digests, or `audit`, which sees all.",
    ),
    Operation(
        "GET",
        "/api/v1/events/stream",
        "follow_events",
        "Analytics",
        "Follow all events live",
        (
            Answer(
                200,
                "Server-sent events: `id` is the position, `event` the type, `data` the envelope; comments in between.",
                ("Cache-Control",),
                (Content("Text", ("live events",), "text/event-stream"),),
            ),
        ),
        (*ANY, "forbidden", "overloaded"),
        ("after_position", "Last-Event-ID"),
        description="Needs the scope `analytics` or `audit`. Ends with the token; resume with the last `id`.",
    ),
    Operation(
        "GET",
        "/api/v1/statistics",
        "statistics",
        "Analytics",
        "Read the statistics of a period, day by day",
        (json_answer("The figures of the period and of each of its days (UTC).", "Statistics", "statistics"),),
        (*ANY, "forbidden"),
        ("from", "to"),
        description="Needs the scope `analytics` or `audit`.",
    ),
)


def schemas() -> dict[str, Schema]:
    """The schemas of bodies that no struct stands for."""
    position = {"type": "integer", "minimum": 0}
    either = [{"$ref": "#/components/schemas/Envelope"}, {"$ref": "#/components/schemas/RedactedEnvelope"}]
    return {
        "EventPage": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"anyOf": either}},
                "next_after": position,
                "head": {**position, "description": "The last position of the log."},
            },
            "required": ["items", "next_after", "head"],
            "additionalProperties": False,
        },
        "CloudEvents": {"type": "array", "items": {"$ref": "#/components/schemas/CloudEvent"}},
    }


def parameters() -> dict[str, Schema]:
    """The parameters that only these operations have."""
    moment = {"type": "string", "format": "date-time"}
    day = {"type": "string", "format": "date"}
    position = {"type": "integer", "minimum": 0, "maximum": MAX_VERSION}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    kinds = {"type": "array", "items": {"enum": list(VOCABULARY)}, "minItems": 1}
    span = f"At most {MAX_DAYS} days, both ends included."
    return {
        "after_position": _query("after", position, "Events behind this position."),
        "since": _query("since", moment, "Begin at the first event that occurred then or later."),
        "events_limit": _query("limit", limit, "Events of a page."),
        "type": {**_query("type", kinds, "Only these types, joined by commas."), "style": "form", "explode": False},
        "of_task": _query("task_id", {"type": "string", "format": "uuid"}, "Only this task."),
        "from": _query("from", day, f"The first day, or a date-time in it; unset: 30 days with the last. {span}"),
        "to": _query("to", day, "The last day, or a date-time in it; unset: today."),
        "Last-Event-ID": {
            **_query("Last-Event-ID", position, "The position after which to go on; counts before `after`."),
            "in": "header",
        },
    }


def headers() -> dict[str, Schema]:
    """The headers that only these operations have."""
    whole = {"type": "integer", "minimum": 0}
    return {
        "X-Next-After": {"required": True, "description": "The last position that was looked at.", "schema": whole},
        "X-Head": {"required": True, "description": "The last position of the log.", "schema": whole},
    }


def examples(event: dict[str, Any]) -> dict[str, Any]:
    """The examples of bodies, made from one event."""
    redacted = {**event, "data": {"field": "description", "edit": {"at": 11, "cut": 0, "insert_length": 1}}}
    del redacted["digest"]
    cloud = {
        "specversion": "1.0",
        "id": f"{event['task_id']}:{event['version']}",
        "source": f"/api/v1/tasks/{event['task_id']}",
        "type": f"palimpsest.{event['type']}.v1",
        "subject": event["task_id"],
        "time": event["occurred_at"],
        "datacontenttype": "application/json",
        "position": event["position"],
        "data": redacted["data"],
    }
    line = msgspec.json.encode(redacted).decode()
    figures = {
        "created": 3,
        "published": 2,
        "published_at_once": 0,
        "discarded": 1,
        "expired": 0,
        "edits": 812,
        "edits_per_draft": 270.667,
        "time_to_publish_seconds": {"median": 912.4, "p90": 4021.0},
        "last_field_before_left": {"budget_usd": 1},
        "funnel": {"created": 3, "typed": 3, "publishable": 2, "published": 2},
    }
    day = event["occurred_at"][:10]
    return {
        "events": {"items": [event], "next_after": event["position"], "head": 2077},
        "redacted events": {"items": [redacted], "next_after": event["position"], "head": 2077},
        "event lines": line + "\n",
        "live events": f"id: {event['position']}\nevent: {event['type']}\ndata: {line}\n\n",
        "cloud events": [cloud],
        "statistics": {"from": day, "to": day, "position": 2077, "total": figures, "days": [{**figures, "day": day}]},
    }


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
