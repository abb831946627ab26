"""The event stream in pages, for analysts and auditors (contract section 6)."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from domain.events import VOCABULARY
from projections.cloud_events import cloud_event
from projections.history import Envelope, envelope
from projections.redaction import RedactedEnvelope, redacted
from service.api.context import Context
from service.api.replies import NO_STORE
from service.api.streaming import StreamedReply, streaming_route
from service.http.headers import Header
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Call, Query
from service.store.codec import LogRow, logged
from service.store.log import EventLog, Extent, Filters

NDJSON = "application/x-ndjson"
CLOUD_EVENTS = "application/cloudevents-batch+json"
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


def shown_to(context: Context, call: Call, filters: Filters | None = None) -> Shown:
    """What the asker may see of the log. `audit` sees all of it, which is logged; others 403 or without text."""
    call.require_scope("audit", "analytics")
    if "audit" not in call.asker.scopes:
        return without_text
    named = {"task_id": filters.task_id} if filters and filters.task_id else {}
    context.log_audit_read(call, **named)
    return whole


@streaming_route("GET", "/api/v1/events")
async def read_events(context: Context, call: Call) -> StreamedReply:
    """Events behind a position, of some types or one task; JSON, NDJSON or a batch of CloudEvents."""
    call.require_scope("audit", "analytics")
    query = call.query()
    after = query.whole("after", 0, 0, MAX_VERSION)
    limit = query.whole("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    since = query.moment("since")
    filters = Filters(_types(query), query.identifier("task_id"))
    show = shown_to(context, call, filters)
    log = context.event_log
    if since is not None:
        after = max(after, await log.before(since))
    extent = await log.extent(after, limit, filters)
    accept = call.header(b"accept") or ""
    if NDJSON in accept:
        pieces = _lines(log, after, extent, filters, show)
        return StreamedReply(200, _headers(NDJSON, extent), pieces)
    if CLOUD_EVENTS in accept:
        batch = _array(log, after, extent, filters, lambda row: cloud_event(show(row)), b"[", b"]")
        return StreamedReply(200, _headers(CLOUD_EVENTS, extent), batch)
    end = b'],"next_after":%d,"head":%d}' % (extent.upto, extent.head)
    page = _array(log, after, extent, filters, show, b'{"items":[', end)
    return StreamedReply(200, _headers("application/json", extent), page)


def _types(query: Query) -> tuple[str, ...] | None:
    text = query.text("type")
    if text is None:
        return None
    types = tuple(text.split(","))
    if not VOCABULARY.keys() >= set(types):
        raise Problem("malformed-parameter", f"type must be some of {', '.join(VOCABULARY)}, joined by commas.")
    return types


def _headers(media_type: str, extent: Extent) -> list[Header]:
    """The extent stands in the headers too, for the formats whose body has no place for it."""
    return [
        (b"content-type", media_type.encode()),
        NO_STORE,
        (b"x-next-after", b"%d" % extent.upto),
        (b"x-head", b"%d" % extent.head),
    ]


async def _lines(
    log: EventLog, after: int, extent: Extent, filters: Filters, show: Shown
) -> AsyncGenerator[bytes, None]:
    async for chunk in log.rows(after, extent.upto, filters):
        yield b"\n".join([*(_encode(show(row)) for row in chunk), b""])


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


ROUTES = [read_events]
