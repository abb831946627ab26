"""Responses that are sent in pieces, with constant memory, while their reader accepts them.

The server's `send` waits while the client's buffers are full, which is how a slow reader is noticed. After the client
has left it returns at once, so a disconnect is watched for separately.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from service.http.headers import Header
from service.http.request import Request

log = logging.getLogger(__name__)

SEND_TIMEOUT = 20.0
"""Seconds that a reader may take to accept the next piece; then it is disconnected, and may resume."""


class StreamedResponse(msgspec.Struct, frozen=True):
    """A response whose body comes in pieces.

    A body that ends with an exception is cut off, so that no client takes it for complete.
    """

    status: int
    headers: list[Header]
    pieces: AsyncGenerator[bytes, None]
    send_timeout: float = SEND_TIMEOUT


class ReaderTooSlow(Exception):
    """The reader did not accept the next piece in time."""


def sender_of(response: StreamedResponse, request: Request) -> ASGIApp:
    """The ASGI application that sends the response."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(_send_all(response, send))
        leaving = asyncio.create_task(_until_disconnected(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
            await response.pieces.aclose()
        if isinstance(results[0], ReaderTooSlow):
            log.warning("slow reader disconnected", extra={"path": request.path, "request_id": request.request_id})
        elif isinstance(results[0], Exception):
            log.error("streamed response cut off", exc_info=results[0], extra={"request_id": request.request_id})
            raise results[0]

    return respond


async def _send_all(response: StreamedResponse, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
    async for piece in response.pieces:
        try:
            async with asyncio.timeout(response.send_timeout):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise ReaderTooSlow from None
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
