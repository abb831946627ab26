"""The event stream live, as server-sent events (contract section 6)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.api.context import Context
from service.api.replies import NO_STORE
from service.api.routes.events import shown_to, without_text
from service.api.streaming import StreamedReply, streaming_route
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Call

MAX_READERS = 1000
"""Readers of one process; further ones are asked to come later."""


@streaming_route("GET", "/api/v1/events/stream")
async def follow_events(context: Context, call: Call) -> StreamedReply:
    """Every event behind `Last-Event-ID`, or `after`, or the beginning, as it is committed."""
    call.require_scope("audit", "analytics")
    after = _last_event_id(call)
    if after is None:
        after = call.query().whole("after", 0, 0, MAX_VERSION)
    if context.feed.readers >= MAX_READERS:
        raise Problem("overloaded", "Too many readers follow the stream.", headers={"retry-after": "5"})
    redact = shown_to(context, call) is without_text
    headers = [(b"content-type", b"text/event-stream"), NO_STORE, (b"x-accel-buffering", b"no")]
    return StreamedReply(200, headers, _while_valid(context, call, after, redact))


def _last_event_id(call: Call) -> int | None:
    text = call.header(b"last-event-id")
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > MAX_VERSION:
        raise Problem("malformed-parameter", "Last-Event-ID must be a position, a whole number.")
    return int(text)


async def _while_valid(context: Context, call: Call, after: int, redact: bool) -> AsyncGenerator[bytes, None]:
    """The frames of the feed, as long as the token is valid."""
    authorization = call.headers.get(b"authorization")
    async with aclosing(context.feed.read(after, redact)) as pieces:
        async for piece in pieces:
            try:
                context.verifier.user(authorization)
            except Problem:
                return
            yield piece


ROUTES = [follow_events]
