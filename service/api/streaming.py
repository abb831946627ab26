"""Replies that are sent in pieces: with flat memory, no longer than their reader listens and takes them in.

The server's `send` waits while the client's buffers are full, which is how a slow reader is noticed; after the
client has left it returns at once, so that leaving is watched for besides.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from service.api.context import Context
from service.api.replies import Reply, problem_reply
from service.api.routing import response_of
from service.http.headers import Header
from service.http.request import Call

log = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds that a reader may take before it accepts the next piece; then it is dropped, and may come again."""


class StreamedReply(msgspec.Struct, frozen=True):
    """A response whose body comes in pieces; `x-request-id` is added on the way out.

    A body that ends with an exception is cut off, so that no client takes it for whole.
    """

    status: int
    headers: list[Header]
    pieces: AsyncGenerator[bytes, None]
    patience: float = PATIENCE


StreamedAnswer = Callable[[Context, Call], Awaitable[Reply | StreamedReply]]


class ReaderTooSlow(Exception):
    """The reader did not take the next piece in time."""


def streaming_route(method: str, path: str) -> Callable[[StreamedAnswer], HTTPRouteHandler]:
    """Make a function the Litestar handler of `method` on `path`, whose reply may be sent in pieces."""

    def decorate(answer: StreamedAnswer) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
            context: Context = request.app.state.context
            call: Call = request.scope["state"]["call"]
            try:
                reply = await answer(context, call)
            except Exception as error:
                reply = problem_reply(await context.problem_of(error, call.request_id), call.request_id)
            if isinstance(reply, Reply):
                return response_of(reply).to_asgi_response(app=None, request=request)
            if call.method == "HEAD":
                await reply.pieces.aclose()
            return _sender_of(reply, call)

        handle.__name__ = answer.__name__
        handle.__doc__ = answer.__doc__
        return HTTPRouteHandler(path, http_method=HttpMethod(method), status_code=200)(handle)

    return decorate


def _sender_of(reply: StreamedReply, call: Call) -> ASGIApp:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(_send_all(reply, send))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
            await reply.pieces.aclose()
        if isinstance(results[0], ReaderTooSlow):
            log.warning("a slow reader was dropped", extra={"path": call.path, "request_id": call.request_id})
        elif isinstance(results[0], Exception):
            log.error("a streamed reply was cut off", exc_info=results[0], extra={"request_id": call.request_id})
            raise results[0]

    return respond


async def _send_all(reply: StreamedReply, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    async for piece in reply.pieces:
        try:
            async with asyncio.timeout(reply.patience):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise ReaderTooSlow from None
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
