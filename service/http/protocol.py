"""HTTP/1.1 as uvicorn speaks it, with an end to waiting for a request."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

PATIENCE = 10
"""Seconds from a connection's beginning, or its request's, until the request is whole."""

IDLE = 20
"""Seconds that a connection is kept between two requests."""

MAX_HEAD = 64 * 1024
"""Bytes of a request's head, roughly."""

LINGER = 0.5
"""Seconds for which an idle connection is kept when the process ends: its client may just be sending."""

_FRAMING = frozenset((b"transfer-encoding", b"connection"))

CONNECTIONS = 4096
"""Connections that a process serves at once; further ones are closed."""


def _refusal(status: HTTPStatus, detail: str) -> bytes:
    """A whole response, after which the connection is closed: a problem of no type of ours."""
    body = msgspec.json.encode(
        {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    )
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"x-content-type-options: nosniff\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class PatientProtocol(HttpToolsProtocol):
    """A connection that is closed when a request does not come, or does not end.

    uvicorn's own timer ends with the first byte: those who send one now and then would take up connections for ever.
    It closes idle connections at once when it ends, also those whose next request is on its way.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owed_since: float | None = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._in_head = True
        self._leaving = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        self._look()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer:
            self._timer.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD and not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too large.")

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "This is no HTTP request that can be read.")

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self.transport.write(_refusal(status, detail))
        self.transport.close()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._owed_since is None:
            self._owed_since = self.loop.time()
        self._in_head = True

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_size = 0
        super().on_headers_complete()
        self.cycle.__class__ = Cycle  # it has not begun, and uvicorn has no setting for it
        if self._leaving:
            self.cycle.keep_alive = False

    @override
    def on_message_complete(self) -> None:
        self._owed_since = None
        super().on_message_complete()

    def _look(self) -> None:
        """End the waiting for a request that is late, or look again when it could be: one timer for many requests."""
        waited = 0.0 if self._owed_since is None else self.loop.time() - self._owed_since
        if waited < PATIENCE:
            self._timer = self.loop.call_later(PATIENCE - waited, self._look)
        elif not (isinstance(self.cycle, Cycle) and not self._in_head and self.cycle.give_up()):
            self.transport.close()

    @override
    def shutdown(self) -> None:
        self._leaving = True
        if self._idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._idle() and not self.transport.is_closing():
            self.transport.close()


class Cycle(RequestResponseCycle):
    """A request and its response, whose head is checked as a whole and sent together with the body.

    uvicorn looks at each header with two regular expressions and writes twice: an eighth of an autosave's time.
    """

    _head = b""
    _given_up = False

    def give_up(self) -> bool:
        """Let the application know that the rest of the body does not come; False where it has answered already."""
        if self.response_started:
            return False
        self._given_up = True
        self.keep_alive = False
        self.message_event.set()
        return True

    @override
    async def send_500_response(self) -> None:
        detail = "The service failed; nothing was acknowledged."
        self.transport.write(_refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail))
        self.transport.close()

    @override
    async def receive(self) -> Any:
        message = await super().receive()
        return {"type": "http.disconnect"} if self._given_up else message

    @override
    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if self._begin(message["status"], [*self.default_headers, *message["headers"]]):
                return
        elif self._head:
            head, self._head = self._head, b""
            if self.scope["method"] == "HEAD":
                self.transport.write(head)
            else:
                self.expected_content_length += len(head)
                message = {**message, "body": head + message.get("body", b"")}
        await super().send(message)

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> bool:
        """Keep the head of a response whose length is told; False where that is left to uvicorn."""
        length = None
        parts = [STATUS_LINE[status]]
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name in _FRAMING:
                return False
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        head = b"".join(parts)
        lines = len(headers) + (2 if self.keep_alive else 3)
        # A line break within a value would be another header: uvicorn says what is wrong with it.
        sound = head.count(b"\n") == head.count(b"\r") == lines and b"\0" not in head
        if length is None or self.response_started or self.disconnected or not sound:
            return False
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.expected_content_length = length
        self._head = head
        return True
