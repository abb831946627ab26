"""The OpenAPI document."""

from service.call import Call, Reply
from service.context import Context
from service.openapi.document import encoded
from service.routes.pages import page_reply
from service.routing import route


@route("GET", "/openapi.json")
async def openapi(context: Context, call: Call) -> Reply:
    """The OpenAPI document of the service."""
    return page_reply(call, encoded(), "application/json")


ROUTES = [openapi]
