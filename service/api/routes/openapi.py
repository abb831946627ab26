"""The OpenAPI document."""

from service.api.context import Context
from service.api.openapi.operation import CACHED, CONDITIONAL, NOT_MODIFIED, Answer, Content, Operation
from service.api.responses import Response
from service.api.routes.pages import page_response
from service.api.routing import route
from service.http.request import Request


@route(
    Operation(
        "GET",
        "/openapi.json",
        "Operations",
        "This document",
        (
            Answer(200, "The document.", CACHED, (Content("Object", ("openapi",)),)),
            Answer(304, NOT_MODIFIED, CACHED),
        ),
        parameters=CONDITIONAL,
        public=True,
    )
)
async def openapi(context: Context, request: Request) -> Response:
    """The OpenAPI document of the service."""
    return page_response(request, context.openapi, "application/json")
