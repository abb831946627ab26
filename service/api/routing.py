"""The seam to Litestar: a route is an async function from the context, the call and path parameters to a reply."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from service.api.context import Context
from service.api.replies import Reply, problem_reply
from service.http.problems import Problem
from service.http.request import Call, Disconnected

Answer = Callable[..., Awaitable[Reply]]


def route(method: str, path: str) -> Callable[[Answer], HTTPRouteHandler]:
    """Make a function the Litestar handler of `method` on `path`; its path parameters are passed as text."""

    def decorate(answer: Answer) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            call: Call = request.scope["state"]["call"]
            reply = await answered(answer, request.app.state.context, call, request.path_params)
            return response_of(reply)

        handle.__name__ = answer.__name__
        handle.__doc__ = answer.__doc__
        return HTTPRouteHandler(path, http_method=HttpMethod(method), status_code=200)(handle)

    return decorate


async def answered(answer: Answer, context: Context, call: Call, parameters: dict[str, Any]) -> Reply:
    """The reply of a route, or of the problem that it ended with."""
    try:
        return await answer(context, call, **parameters)
    except Disconnected:
        return problem_reply(Problem("malformed-json", "The body is not whole."), call.request_id)
    except Exception as error:
        return problem_reply(await context.problem_of(error, call.request_id), call.request_id)


def response_of(reply: Reply) -> Response[bytes]:
    """The reply as Litestar sends it."""
    headers = {name.decode(): value.decode("latin-1") for name, value in reply.headers}
    return Response(reply.body, status_code=reply.status, headers=headers, media_type=headers.get("content-type"))


class RouteTable:
    """Which methods each path has, read from the handlers. It takes no path that Litestar stretches to fit, such as
    one with an empty segment; of a literal segment and a parameter in the same place, the literal one goes first."""

    def __init__(self, handlers: Sequence[HTTPRouteHandler]) -> None:
        methods: dict[str, set[str]] = {}
        for handler in handlers:
            for path in handler.paths:
                methods.setdefault(path, set()).update(str(method) for method in handler.http_methods)
        self.methods = {path: frozenset(found) for path, found in methods.items()}
        self._patterns = [(self._pattern(path), found) for path, found in self.methods.items() if "{" in path]

    def _pattern(self, path: str) -> re.Pattern[str]:
        segments = path.split("/")
        for place, segment in enumerate(segments):
            if segment.startswith("{"):
                before = path.split("/")[:place]
                others = [other.split("/") for other in self.methods]
                literal = {other[place] for other in others if other[:place] == before and len(other) > place}
                taken = "|".join(re.escape(name) for name in literal if not name.startswith("{"))
                segments[place] = f"(?!(?:{taken})(?:/|$))[^/]+" if taken else "[^/]+"
        return re.compile("/".join(segments))

    def methods_of(self, path: str) -> frozenset[str] | None:
        """The methods of the route that a request's path belongs to, None where there is none."""
        if path in self.methods and "{" not in path:
            return self.methods[path]
        return next((found for pattern, found in self._patterns if pattern.fullmatch(path)), None)


def allow_header(methods: frozenset[str]) -> str:
    """The value of `Allow`: HEAD goes with GET, and OPTIONS with every path."""
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
