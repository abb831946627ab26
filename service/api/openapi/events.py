"""The operations of `service.routes.events`, `event_stream` and `statistics`."""

from service.api.openapi.operation import ANY, NDJSON, Answer, Content, Operation, json_answer

SCOPES = ("analytics", "audit")

OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/events",
        "read_events",
        "Events",
        "Read the events of all tasks",
        (
            Answer(
                200,
                "Events in the order of their positions, in the format that `Accept` asks for.",
                ("Cache-Control", "X-Next-After", "X-Head"),
                (
                    Content("EventPage", ("event page",)),
                    Content("Text", ("history lines",), NDJSON),
                    Content("CloudEvents", ("cloud events",), "application/cloudevents-batch+json"),
                ),
            ),
        ),
        (*ANY, "forbidden"),
        ("position", "since", "events_limit", "type", "of_task"),
        description="No event ever appears behind a position that was read: the last one is all that a reader keeps.",
        scopes=SCOPES,
    ),
    Operation(
        "GET",
        "/api/v1/events/stream",
        "follow_events",
        "Events",
        "Follow the events as they are committed",
        (
            Answer(
                200,
                "Server-sent events; a comment at least every 15 seconds.",
                ("Cache-Control",),
                (Content("Text", ("stream",), "text/event-stream"),),
            ),
        ),
        (*ANY, "forbidden", "overloaded"),
        ("position", "Last-Event-ID"),
        scopes=SCOPES,
    ),
    Operation(
        "GET",
        "/api/v1/statistics",
        "statistics",
        "Events",
        "Count drafts and edits by day",
        (json_answer("The figures of the days and of the whole period.", "Statistics", "statistics"),),
        (*ANY, "forbidden"),
        ("from_day", "to_day"),
        scopes=SCOPES,
    ),
)
