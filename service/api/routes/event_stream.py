"""The event stream live, as server-sent events (docs/api.md, Events)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.api.context import Context
from service.api.openapi.operation import ANY, EVENT_SCOPES, EVENT_STREAM, EVENTS, Answer, Content, Operation
from service.api.responses import NO_STORE
from service.api.routes.events import shown_to, without_text
from service.api.routing import route
from service.api.streaming import StreamedResponse
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Request

MAX_READERS = 1000
"""Readers of one process; further ones get 503."""


@route(
    Operation(
        "GET",
        f"{EVENTS}/stream",
        "Events",
        "Follow the events as they are committed",
        (
            Answer(
                200,
                "Server-sent events; a comment at least every 15 seconds.",
                ("Cache-Control",),
                (Content("Text", ("stream",), EVENT_STREAM),),
            ),
        ),
        (*ANY, "forbidden", "overloaded"),
        ("position", "Last-Event-ID"),
        scopes=EVENT_SCOPES,
    )
)
async def follow_events(context: Context, request: Request) -> StreamedResponse:
    """Every event after `Last-Event-ID`, or `after`, or from the beginning, as it is committed."""
    request.require_scope("audit", "analytics")
    after = _last_event_id(request)
    if after is None:
        after = request.query().whole("after", 0, 0, MAX_VERSION)
    if context.feed.readers >= MAX_READERS:
        raise Problem("overloaded", "Too many readers follow the stream.", headers={"retry-after": "5"})
    redact = shown_to(context, request) is without_text
    headers = [(b"content-type", EVENT_STREAM.encode()), NO_STORE, (b"x-accel-buffering", b"no")]
    return StreamedResponse(200, headers, _while_valid(context, request, after, redact))


def _last_event_id(request: Request) -> int | None:
    text = request.header(b"last-event-id")
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > MAX_VERSION:
        raise Problem("malformed-parameter", "Last-Event-ID must be a position, a whole number.")
    return int(text)


async def _while_valid(context: Context, request: Request, after: int, redact: bool) -> AsyncGenerator[bytes, None]:
    """The frames of the feed, as long as the token is valid."""
    authorization = request.headers.get(b"authorization")
    async with aclosing(context.feed.read(after, redact)) as pieces:
        async for piece in pieces:
            try:
                context.verifier.user(authorization)
            except Problem:
                return
            yield piece
