"""What every request passes before its route, from the outside in: measured, framed, admitted, dispatched.

Each ring is called with the request and the server's `send`, and calls the next one with both. What a ring adds to the
response it appends to `request.response_headers`.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any

from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import Response as LitestarResponse
from litestar.exceptions import HTTPException

from domain.task import MICROSECONDS
from service.api.context import Context
from service.api.openapi.operation import DRAFTS
from service.api.responses import Response, problem_response
from service.api.routes import drafts
from service.api.routing import Endpoint, answer, litestar_response
from service.http.auth import Verifier
from service.http.headers import SECURITY_HEADERS, Cors, Header
from service.http.problems import Problem
from service.http.rate_limit import ALL, AUTOSAVE, CREATING, RateLimit, key_of_address, key_of_user
from service.http.request import TASKS, Request
from service.metrics import Metrics

log = logging.getLogger(__name__)

Send = Callable[[Any], Awaitable[None]]
Ring = Callable[[Request, Send], Awaitable[None]]

_PREFIX = f"{TASKS}/"
_AUTOSAVE: Endpoint = drafts.autosave.opt["endpoint"]
_AUTOSAVE_PATH: str = drafts.autosave.opt["operation"].path

_SLUGS = {400: "malformed-parameter", 404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}
"""The problems that the framework's own errors become, by status."""


class Measured:
    """Counts and logs every response, and answers what fails in the inner rings with a problem."""

    def __init__(self, metrics: Metrics, inner: Ring) -> None:
        self._metrics = metrics
        self._inner = inner

    async def __call__(self, request: Request, send: Send) -> None:
        begun = perf_counter()
        started = False

        async def measured(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] += request.response_headers
                self._measure(request, message, perf_counter() - begun)
            await send(message)

        try:
            await self._inner(request, measured)
        except Exception as error:
            if started:
                raise
            log.error("request failed", exc_info=error, extra={"request_id": request.request_id})
            await send_response(measured, problem_response(Problem("internal"), request.request_id))

    def _measure(self, request: Request, message: Any, seconds: float) -> None:
        status = message["status"]
        route = _AUTOSAVE_PATH if request.is_autosave else request.scope.get("path_template", "none")
        self._metrics.request(request.method, route, status, seconds)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request", extra=_log_fields(request, status, message["headers"], seconds))
        if request.is_autosave and status < 400:  # the time of a refusal could reveal what exists
            message["headers"].append((b"server-timing", b"app;dur=%.1f" % (seconds * 1000)))


class Framed:
    """Adds the headers that every response has, and leaves out the body for HEAD."""

    def __init__(self, cors: Cors, inner: Ring) -> None:
        self._cors = cors
        self._inner = inner

    async def __call__(self, request: Request, send: Send) -> None:
        request.response_headers += SECURITY_HEADERS
        request.response_headers += self._cors.headers(request.headers)
        if request.method == "HEAD":
            send = _without_body(send)
        elif request.method == "OPTIONS":
            send = self._with_preflight(request, send)
        await self._inner(request, send)

    def _with_preflight(self, request: Request, send: Send) -> Send:
        async def sending(message: Any) -> None:
            allow = dict(message.get("headers", ())).get(b"allow")
            if allow:
                message["headers"] += self._cors.preflight(request.headers, allow)
            await send(message)

        return sending


class Admitted:
    """Below /api, lets in only requests with a valid token and within the rate limit; sets the request's user."""

    def __init__(self, verifier: Verifier, rate_limit: RateLimit | None, inner: Ring) -> None:
        self._verifier = verifier
        self._rate_limit = rate_limit
        self._inner = inner

    async def __call__(self, request: Request, send: Send) -> None:
        if request.path.startswith("/api/") and request.method != "OPTIONS":
            problem = self._problem(request)
            if problem:
                await send_response(send, problem_response(problem, request.request_id))
                return
        await self._inner(request, send)

    def _problem(self, request: Request) -> Problem | None:
        problem = None
        try:
            request.known_user = self._verifier.user(request.headers.get(b"authorization"))
        except Problem as unauthorized:
            problem = unauthorized
        if self._rate_limit:
            kind = AUTOSAVE if request.is_autosave else kind_of(request.method, request.path)
            allowance = self._rate_limit.take(_rate_limit_key(request), kind, request.now // MICROSECONDS)
            request.response_headers += allowance.headers
            if not allowance.allowed:
                problem = Problem("too-many-requests", headers={"retry-after": str(allowance.reset)})
        return problem


class Dispatch:
    """Calls the route: an autosave's directly, since it is the most frequent by far, all others through Litestar."""

    def __init__(self, context: Context, litestar: Litestar) -> None:
        self._context = context
        self._litestar = litestar

    async def __call__(self, request: Request, send: Send) -> None:
        path = request.path
        if request.is_autosave:
            response = await answer(_AUTOSAVE, self._context, request, {"task_id": path[len(_PREFIX) :]})
            assert isinstance(response, Response)
            await send_response(send, response)
        elif "//" in path or (path.endswith("/") and path != "/") or path.startswith(f"{DRAFTS}/"):
            # Litestar would normalize the path, or take "drafts" for the id of a task.
            await send_response(send, problem_response(_no_such_path(), request.request_id))
        else:
            request.scope["state"]["request"] = request
            await self._litestar(request.scope, request.receive, send)  # type: ignore[arg-type]


def kind_of(method: str, path: str) -> int:
    """Which of the rate limits a request that is not an autosave counts against."""
    creates = method == "POST" and (path in (TASKS, DRAFTS) or path.endswith("/duplicate"))
    return CREATING if creates else ALL


async def send_response(send: Send, response: Response) -> None:
    """Send a response as a whole."""
    headers = list(response.headers)
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def framework_problem(request: LitestarRequest[Any, Any, Any], error: Exception) -> LitestarResponse[bytes]:
    """The framework's own errors as problems; all others are left to the outermost ring."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        problem = _no_such_path()
    else:
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        problem = Problem(_SLUGS.get(error.status_code, "internal"), headers=headers)
    return litestar_response(problem_response(problem, request.scope["state"]["request"].request_id))


def _no_such_path() -> Problem:
    return Problem("not-found", "This path does not exist.")


def _without_body(send: Send) -> Send:
    async def sending(message: Any) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


def _rate_limit_key(request: Request) -> int:
    if request.known_user:
        return key_of_user(request.known_user.id)
    return key_of_address((request.scope["client"] or ("",))[0])


def _log_fields(request: Request, status: int, headers: Iterable[Header], seconds: float) -> dict[str, Any]:
    """What the log says of a request: no query, no header of the client, no text of a task."""
    etag = dict(headers).get(b"etag", b"").decode().strip('"')
    return {
        "request_id": request.request_id,
        "method": request.method,
        "path": request.path,
        "status": status,
        "seconds": round(seconds, 6),
        "actor": str(request.known_user.id) if request.known_user else None,
        "version": int(etag) if etag.isdigit() else None,
    }
