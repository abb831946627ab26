"""HTTP/1.1 as uvicorn speaks it, with timeouts for requests and limits for heads and connections."""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import msgspec
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_TIMEOUT = 10
"""Seconds from the start of a connection, or of its next request, until the request is complete."""

KEEP_ALIVE = 20
"""Seconds that a connection is kept open between two requests."""

MAX_HEAD = 64 * 1024
"""Bytes of a request's head, roughly."""

MAX_REQUEST = 3 * 1024 * 1024
"""Bytes of a whole request, however they are framed: no body that is read is as large."""

SEND_TIMEOUT = 20
"""Seconds in which a client must take some of what waits to be sent, or the connection is closed."""

CLOSE_DELAY = 0.5
"""Seconds that an idle connection is kept open when the process ends: its client may just be sending."""

CONNECTIONS = 4096
"""Connections that a process serves at once; further ones are closed."""


def _refusal(status: HTTPStatus, detail: str) -> bytes:
    """A complete response, a problem without a type, after which the connection is closed."""
    body = msgspec.json.encode(
        {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    )
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"x-content-type-options: nosniff\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_UPGRADE = re.compile(rb"(?i)\r\nupgrade(?=[ \t]*:)")


def _without_upgrade(data: bytes) -> bytes:
    """The head that `data` begins with, with the header Upgrade renamed: it is ignored, as RFC 9110 allows.

    llhttp takes what follows an upgrade for another protocol, and so drops the request's body.
    """
    end = data.find(b"\r\n\r\n")
    end = len(data) if end < 0 else end
    return _UPGRADE.sub(b"\r\nx-grade", data[:end]) + data[end:]


class HttpProtocol(HttpToolsProtocol):
    """A connection that is closed when a request does not arrive, or not completely, in time.

    uvicorn's own timeout ends with the first byte, so that a client which sends a byte now and then would hold its
    connection forever. And uvicorn closes idle connections at once when it ends, also one whose next request is on its
    way.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_since: float | None = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._request_size = 0
        self._in_head = True
        self._leaving = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        self._check_timeout()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._timer, self._send_timer):
            if timer:
                timer.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        if self._expects_head() and (b"pgrade" in data or b"PGRADE" in data):
            data = _without_upgrade(data)
        super().data_received(data)
        if self._request_since is not None:
            self._request_size += len(data)
            if self._request_size > MAX_REQUEST and not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD and not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")

    @override
    def send_400_response(self, msg: str) -> None:
        if self._expects_head() and not self._idle():
            # The requests before it are answered first; after the last of them the connection is closed.
            (self.pipeline[0][0] if self.pipeline else self.cycle).keep_alive = False
            self.flow.pause_reading()
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP.")

    def _expects_head(self) -> bool:
        """Whether what comes next belongs to the head of a request."""
        return self._in_head or self._request_since is None

    @override
    def _should_upgrade(self) -> bool:
        return False

    @override
    def _unsupported_upgrade_warning(self) -> None:
        # The parser has dropped the body: the request must not be carried out.
        self.cycle.disconnected = True
        self._refuse(HTTPStatus.NOT_IMPLEMENTED, "The connection cannot be upgraded.")

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_TIMEOUT, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer:
            self._send_timer.cancel()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self.transport.write(_refusal(status, detail))
        self.transport.close()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._request_since is None:
            self._request_since = self.loop.time()
        self._in_head = True

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are dropped: they would count as headers
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_size = 0
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    @override
    def on_message_complete(self) -> None:
        self._request_since = None
        self._request_size = 0
        super().on_message_complete()

    def _check_timeout(self) -> None:
        """End a request that is too late, or check again when it could be: one timer for many requests."""
        waited = 0.0 if self._request_since is None else self.loop.time() - self._request_since
        if waited < REQUEST_TIMEOUT:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT - waited, self._check_timeout)
        elif self._in_head or self.pipeline or self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The body of the request did not arrive in time.")

    @override
    def shutdown(self) -> None:
        self._leaving = True
        if self._idle():
            self.loop.call_later(CLOSE_DELAY, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._idle() and not self.transport.is_closing():
            self.transport.close()
