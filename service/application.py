"""The application: wiring, and the outermost layer that every request passes.

The autosave skips the framework: its path goes straight to the route's function. All else is Litestar's.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from domain.task import MICROSECONDS
from service.api.context import Clock, Context, system_clock
from service.api.handlers import HANDLERS
from service.api.replies import Reply, problem_reply
from service.api.routes import drafts
from service.api.routing import RouteTable, allow_header, answered, response_of
from service.http.cors import Cors
from service.http.headers import SECURITY_HEADERS, Header
from service.http.problems import Problem, problem_of
from service.http.rate_limit import AUTOSAVE, RateLimit, key_of_address, key_of_user, kind_of
from service.http.request import Call, read_headers
from service.processes.worker import Seat, on_termination
from service.settings import Settings
from service.writing.expiry import Sweep

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_PREFIX = "/api/v1/tasks/"
_TASK_PATH = len(_PREFIX) + 36
_TASK = _PREFIX + "{task_id}"
_NO_ROUTE = "none"


class App:
    """The ASGI application."""

    def __init__(self, settings: Settings, clock: Clock = system_clock, seat: Seat | None = None) -> None:
        assert settings.database_url is not None
        self.context = Context(settings, clock, seat)
        self._rate_limit = _rate_limit(seat) if settings.rate_limit else None
        self._cors = Cors(settings.cors_origins)
        self._sweep = Sweep(self.context.store, self.context.writer, clock)
        self._table = RouteTable(HANDLERS)
        self._litestar = Litestar(
            route_handlers=HANDLERS,
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

    async def _stop(self) -> None:
        await self._sweep.stop()
        await self.context.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._litestar(scope, receive, send)  # type: ignore[arg-type]
            return
        begun = perf_counter()
        context = self.context
        path = scope["path"]
        call = Call(scope, receive, read_headers(scope["headers"]), context.clock())
        headers = [*SECURITY_HEADERS, (b"x-request-id", call.request_id.encode())]
        headers += self._cors.headers(call.headers)
        if path.startswith("/api/") and call.method != "OPTIONS":
            is_autosave = call.method == "PATCH" and len(path) == _TASK_PATH and path.startswith(_PREFIX)
            reply = self._refusal(call, scope, headers, AUTOSAVE if is_autosave else kind_of(call.method, path))
            if is_autosave and reply is None:
                reply = await answered(drafts.autosave, context, call, {"task_id": path[len(_PREFIX) :]})
            if reply is not None:
                seconds = self._count(call, _TASK if is_autosave else _NO_ROUTE, reply.status, reply.headers, begun)
                if reply.status < 400:  # a refusal's time is nobody's business: it could tell what is there
                    headers.append((b"server-timing", b"app;dur=%.1f" % (seconds * 1000)))
                await _send(send, reply, headers, call.method)
                return
        refusal = self._unrouted(call)
        if refusal is not None:
            self._count(call, _NO_ROUTE, refusal.status, refusal.headers, begun)
            await _send(send, refusal, headers, call.method)
            return
        scope["state"]["call"] = call
        inner = _as_get(scope)

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                route = inner.get("path_template") or _NO_ROUTE
                self._count(call, route, message["status"], message.get("headers", ()), begun)
            await send(message)

        await self._litestar(inner, receive, _sender(counted, headers, call.method))  # type: ignore[arg-type]

    def _count(self, call: Call, route: str, status: int, headers: Iterable[Header], begun: float) -> float:
        """Tell the metrics, and the log at debug, of an answer that begins; returns the seconds that it took."""
        seconds = perf_counter() - begun
        self.context.metrics.request(call.method, route, status, seconds)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request", extra=_noted(call, status, headers, seconds))
        return seconds

    def _unrouted(self, call: Call) -> Reply | None:
        """The reply to OPTIONS, to a path that does not exist, and to a method that the path does not have."""
        methods = self._table.methods_of(call.path)
        if methods is None:
            return problem_reply(Problem("not-found", "There is nothing at this path."), call.request_id)
        allow = allow_header(methods)
        if call.method == "OPTIONS":
            return Reply(204, [(b"allow", allow.encode()), *self._cors.preflight(call.headers, allow)])
        if ("GET" if call.method == "HEAD" else call.method) not in methods:
            return problem_reply(Problem("method-not-allowed", headers={"allow": allow}), call.request_id)
        return None

    def _refusal(self, call: Call, scope: Scope, more: list[Header], kind: int) -> Reply | None:
        """The answer to a request without a valid token, or to one too many; sets the call's user."""
        problem = None
        try:
            call.user = self.context.verifier.user(call.headers.get(b"authorization"))
        except Problem as unauthorized:
            problem = unauthorized
        if self._rate_limit:
            key = key_of_user(call.user.id) if call.user else key_of_address((scope["client"] or ("",))[0])
            allowance = self._rate_limit.take(key, kind, call.now // MICROSECONDS)
            more += allowance.headers
            if not allowance.allowed:
                problem = Problem("too-many-requests", headers={"retry-after": str(allowance.reset)})
        return problem_reply(problem, call.request_id) if problem else None


def _rate_limit(seat: Seat | None) -> RateLimit:
    return RateLimit(seat.directory / "rate-limits", seat.number, seat.seats) if seat else RateLimit()


def create_app(settings: Settings, clock: Clock = system_clock, seat: Seat | None = None) -> App:
    """The application for these settings; `clock` gives microseconds since 1970.

    `seat` is its place among the processes of one service; without one it counts for itself.
    """
    return App(settings, clock, seat)


def _noted(call: Call, status: int, headers: Iterable[Header], seconds: float) -> dict[str, Any]:
    """What the log says of a request: no query, no header of the client's, nothing that was typed."""
    etag = dict(headers).get(b"etag", b"").decode().strip('"')
    return {
        "request_id": call.request_id,
        "method": call.method,
        "path": call.path,
        "status": status,
        "seconds": round(seconds, 6),
        "actor": str(call.user.id) if call.user else None,
        "version": int(etag) if etag.isdigit() else None,
    }


async def _send(send: Send, reply: Reply, more: list[Header], method: str) -> None:
    headers = [*reply.headers, *more]
    if reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})


def _as_get(scope: Scope) -> Scope:
    """HEAD is answered as GET is."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _sender(send: Send, more: list[Header], method: str) -> Send:
    """`send` with more headers on the way out, and without the body for HEAD."""

    async def send_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        elif method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_on


def _framework_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The framework's own errors, as problems."""
    call: Call = request.scope["state"]["call"]
    problem = problem_of(error)
    if problem.slug == "internal" and not isinstance(error, HTTPException):
        log.error("request failed", exc_info=error, extra={"request_id": call.request_id})
    if isinstance(error, HTTPException):
        slug = {404: "not-found", 405: "method-not-allowed", 400: "malformed-parameter", 413: "body-too-large"}.get(
            error.status_code, "internal"
        )
        problem = Problem(slug, headers={name.lower(): value for name, value in (error.headers or {}).items()})
    return response_of(problem_reply(problem, call.request_id))
