"""The seam to Litestar: `@route` registers a function, from a context, a request and path parameters to a response,
together with the operation that describes it. A response may be sent in pieces.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from litestar import Request as LitestarRequest
from litestar import Response as LitestarResponse
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from service.api.context import Context
from service.api.openapi.operation import Operation
from service.api.responses import Response, problem_response
from service.api.streaming import StreamedResponse, sender_of
from service.http.problems import Problem
from service.http.request import Disconnected, Request

Endpoint = Callable[..., Awaitable[Response | StreamedResponse]]

_PARAMETER = re.compile(r"{(\w+)}")


def route(operation: Operation) -> Callable[[Endpoint], HTTPRouteHandler]:
    """Make a function the handler of an operation; its name is the operationId, path parameters are passed as text."""

    def decorate(endpoint: Endpoint) -> HTTPRouteHandler:
        async def handle(request: LitestarRequest[Any, Any, Any]) -> ASGIApp:
            ours: Request = request.scope["state"]["request"]
            ours.parameters = request.route_handler.opt["parameters"]
            response = await answer(endpoint, request.app.state.context, ours, request.path_params)
            if isinstance(response, StreamedResponse):
                if ours.method == "HEAD":
                    await response.pieces.aclose()
                return sender_of(response, ours)
            return litestar_response(response).to_asgi_response(app=None, request=request)

        handle.__name__ = endpoint.__name__
        handle.__doc__ = endpoint.__doc__
        methods = [HttpMethod.GET, HttpMethod.HEAD] if operation.method == "GET" else [HttpMethod(operation.method)]
        path = _PARAMETER.sub(r"{\1:str}", operation.path)
        opt = {"operation": operation, "endpoint": endpoint}
        return HTTPRouteHandler(path, http_method=methods, status_code=200, opt=opt)(handle)

    return decorate


def operations_of(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Operation]:
    """The operations of handlers by their operationId."""
    return {handler.opt["endpoint"].__name__: handler.opt["operation"] for handler in handlers}


def options_of(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """A handler for OPTIONS on each path. Litestar's own lists only the methods of the path's first handler."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(str(method) for method in handler.http_methods)
    return [_options(path, ", ".join(sorted(found))) for path, found in methods.items()]


def _options(path: str, allow: str) -> HTTPRouteHandler:
    async def options(request: LitestarRequest[Any, Any, Any]) -> ASGIApp:
        response = Response(204, [(b"allow", allow.encode())])
        return litestar_response(response).to_asgi_response(app=None, request=request)

    return HTTPRouteHandler(path, http_method=HttpMethod.OPTIONS, status_code=200)(options)


async def answer(
    endpoint: Endpoint, context: Context, request: Request, parameters: dict[str, Any]
) -> Response | StreamedResponse:
    """The response of a route, or the problem that it ended with."""
    try:
        if request.method in ("GET", "HEAD"):
            request.query()  # of a change it is checked after the body: the order is that of docs/api.md, Errors
        return await endpoint(context, request, **parameters)
    except Disconnected:
        return problem_response(Problem("malformed-json", "The body is incomplete."), request.request_id)
    except Exception as error:
        return problem_response(await context.problem_of(error, request.request_id), request.request_id)


def litestar_response(response: Response) -> LitestarResponse[bytes]:
    """The response as Litestar sends it."""
    headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
    media_type = headers.get("content-type")
    return LitestarResponse(response.body, status_code=response.status, headers=headers, media_type=media_type)
