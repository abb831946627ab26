"""The application: wiring, and the outermost layer that every request passes.

The autosave skips the framework: its path goes straight to the route's function. All else is Litestar's.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from service.call import Call, Reply, problem_reply, read_headers
from service.context import Clock, Context, system_clock
from service.problems import Problem, problem_of
from service.projector import Projector
from service.routes import drafts, event_stream, events, health, problem_pages, tasks
from service.routing import answered, response_of
from service.settings import Settings
from service.shutdown import on_termination
from service.sweep import Sweep

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_PREFIX = "/api/v1/tasks/"
_TASK_PATH = len(_PREFIX) + 36


class App:
    """The ASGI application."""

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        assert settings.database_url is not None
        self.context = Context(settings, clock)
        self._sweep = Sweep(self.context)
        self.projector = Projector(settings.database_url)
        self._litestar = Litestar(
            route_handlers=[
                *drafts.ROUTES,
                *tasks.ROUTES,
                *health.ROUTES,
                *events.ROUTES,
                *event_stream.ROUTES,
                *problem_pages.ROUTES,
            ],
            exception_handlers={Exception: _framework_problem},
            openapi_config=None,
            logging_config=None,
            on_startup=[self._start],
            on_shutdown=[self._stop],
            state=State({"context": self.context}),
            request_max_body_size=None,
        )

    async def _start(self) -> None:
        await self.context.start()
        on_termination(self.context.feed.close)
        self._sweep.start()
        self.projector.start()

    async def _stop(self) -> None:
        await self._sweep.stop()
        await asyncio.to_thread(self.projector.stop)
        await self.context.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._litestar(scope, receive, send)  # type: ignore[arg-type]
            return
        context = self.context
        path = scope["path"]
        call = Call(scope, receive, read_headers(scope["headers"]), context.clock())
        request_id = (b"x-request-id", call.request_id.encode())
        if path.startswith("/api/") and call.method != "OPTIONS":
            try:
                call.user = context.verifier.user(call.headers.get(b"authorization"))
            except Problem as problem:
                await _send(send, problem_reply(problem, call.request_id), request_id, call.method)
                return
            if call.method == "PATCH" and len(path) == _TASK_PATH and path.startswith(_PREFIX):
                reply = await answered(drafts.autosave, context, call, {"task_id": path[len(_PREFIX) :]})
                await _send(send, reply, request_id, "PATCH")
                return
        scope["state"]["call"] = call
        await self._litestar(_as_get(scope), receive, _sender(send, request_id, call.method))  # type: ignore[arg-type]


def create_app(settings: Settings, clock: Clock = system_clock) -> App:
    """The application for these settings; `clock` gives microseconds since 1970."""
    return App(settings, clock)


async def _send(send: Send, reply: Reply, request_id: tuple[bytes, bytes], method: str) -> None:
    headers = [*reply.headers, request_id]
    if reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})


def _as_get(scope: Scope) -> Scope:
    """HEAD is answered as GET is."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _sender(send: Send, request_id: tuple[bytes, bytes], method: str) -> Send:
    """`send` with the request's id on the way out, and without the body for HEAD."""

    async def send_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), request_id]}
        elif method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_on


def _framework_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The framework's own errors, as problems."""
    call: Call = request.scope["state"]["call"]
    problem = problem_of(error)
    if isinstance(error, HTTPException):
        slug = {404: "not-found", 405: "method-not-allowed", 400: "malformed-parameter", 413: "body-too-large"}.get(
            error.status_code, "internal"
        )
        problem = Problem(slug, headers={name.lower(): value for name, value in (error.headers or {}).items()})
    return response_of(problem_reply(problem, call.request_id))
