"""Whether the process lives, and whether it can record changes."""

from service.call import Call, Reply, json_reply
from service.context import Context
from service.lag import read_lags
from service.routing import route


@route("GET", "/health/live")
async def live(context: Context, call: Call) -> Reply:
    """The process answers."""
    return json_reply({"status": "live"})


@route("GET", "/health/ready")
async def ready(context: Context, call: Call) -> Reply:
    """The store can be written: 503 otherwise. `views` tells how far those that follow the log are behind."""
    await context.store.require_writable()
    return json_reply({"status": "ready", "views": await read_lags(context.pool)})


ROUTES = [live, ready]
