"""The event stream in pages, for the scopes `analytics` and `audit` (docs/api.md, Events)."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from domain.events import VOCABULARY
from projections.cloud_events import cloud_event
from projections.history import Envelope, envelope
from projections.redaction import RedactedEnvelope, redacted
from service.api.context import Context
from service.api.openapi.operation import (
    ANY,
    CLOUD_EVENTS,
    EVENT_SCOPES,
    EVENTS,
    JSON,
    NDJSON,
    Answer,
    Content,
    Operation,
)
from service.api.responses import NO_STORE, lines, next_link
from service.api.routing import route
from service.api.streaming import StreamedResponse
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Query, Request
from service.store.codec import LogRow, logged
from service.store.log import EventLog, Extent, Filters

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000

Shown = Callable[[LogRow], Envelope | RedactedEnvelope]
"""What a reader sees of a row."""

_encode = msgspec.json.Encoder().encode


def whole(row: LogRow) -> Envelope:
    """The envelope of a row, with its text and its digest."""
    return envelope(*logged(row))


def without_text(row: LogRow) -> RedactedEnvelope:
    """The envelope of a row as `analytics` may see it."""
    return redacted(whole(row))


def shown_to(context: Context, request: Request, filters: Filters | None = None) -> Shown:
    """What the user may see of the log: `audit` all of it, which is logged, `analytics` no text.

    Raises the problem `forbidden` without either scope.
    """
    request.require_scope("audit", "analytics")
    if "audit" not in request.user.scopes:
        return without_text
    named = {"task_id": filters.task_id} if filters and filters.task_id else {}
    context.log_audit_read(request, **named)
    return whole


@route(
    Operation(
        "GET",
        EVENTS,
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
                    Content("CloudEvents", ("cloud events",), CLOUD_EVENTS),
                ),
            ),
        ),
        (*ANY, "forbidden"),
        ("position", "since", "events_limit", "type", "of_task"),
        description="No event ever appears at or before a position that was read, so a reader keeps the last one only.",
        scopes=EVENT_SCOPES,
    )
)
async def read_events(context: Context, request: Request) -> StreamedResponse:
    """Events after a position, of some types or one task; JSON, NDJSON or a batch of CloudEvents."""
    request.require_scope("audit", "analytics")
    query = request.query()
    after = query.whole("after", 0, 0, MAX_VERSION)
    limit = query.whole("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    since = query.moment("since")
    filters = Filters(_types(query), query.identifier("task_id"))
    show = shown_to(context, request, filters)
    log = context.event_log
    if since is not None:
        after = max(after, await log.before(since))
    extent = await log.extent(after, limit, filters)
    has_more = extent.upto < extent.head
    media_type = request.preferred(JSON, NDJSON, CLOUD_EVENTS)
    if media_type == NDJSON:
        pieces = _lines(log, after, extent, filters, show)
    elif media_type == CLOUD_EVENTS:
        pieces = _array(log, after, extent, filters, lambda row: cloud_event(show(row)), b"[", b"]")
    else:
        end = b'],"next_after":%d,"head":%d,"has_more":%s}' % (extent.upto, extent.head, _encode(has_more))
        pieces = _array(log, after, extent, filters, show, b'{"items":[', end)
    headers = [
        (b"content-type", media_type.encode()),
        NO_STORE,
        (b"x-next-after", b"%d" % extent.upto),
        (b"x-head", b"%d" % extent.head),
        *(next_link(request, extent.upto, "since") if has_more else ()),
    ]
    return StreamedResponse(200, headers, pieces)


def _types(query: Query) -> tuple[str, ...] | None:
    text = query.text("type")
    if text is None:
        return None
    types = tuple(text.split(","))
    if not VOCABULARY.keys() >= set(types):
        raise Problem("malformed-parameter", f"type must be a list, separated by commas, of {', '.join(VOCABULARY)}.")
    return types


async def _lines(
    log: EventLog, after: int, extent: Extent, filters: Filters, show: Shown
) -> AsyncGenerator[bytes, None]:
    async for chunk in log.rows(after, extent.upto, filters):
        yield lines(show(row) for row in chunk)


async def _array(
    log: EventLog,
    after: int,
    extent: Extent,
    filters: Filters,
    item_of: Callable[[LogRow], Any],
    begin: bytes,
    end: bytes,
) -> AsyncGenerator[bytes, None]:
    separator = begin
    empty = True
    async for chunk in log.rows(after, extent.upto, filters):
        yield separator + b",".join(_encode(item_of(row)) for row in chunk)
        separator, empty = b",", False
    yield begin + end if empty else end
