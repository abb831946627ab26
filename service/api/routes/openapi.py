"""The OpenAPI document."""

from service.api.context import Context
from service.api.openapi.document import encoded
from service.api.replies import Reply
from service.api.routes.pages import page_reply
from service.api.routing import route
from service.http.request import Call


@route("GET", "/openapi.json")
async def openapi(context: Context, call: Call) -> Reply:
    """The OpenAPI document of the service."""
    return page_reply(call, encoded(), "application/json")


ROUTES = [openapi]
