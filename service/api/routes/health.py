"""Whether the process lives, whether it can record changes, and how it fares."""

from service.api.context import Context
from service.api.replies import NO_STORE, Reply, json_reply
from service.api.routing import route
from service.http.request import Call
from service.metrics import CONTENT_TYPE
from service.views.lag import read_lags


@route("GET", "/health/live")
async def live(context: Context, call: Call) -> Reply:
    """The process answers."""
    return json_reply({"status": "live"})


@route("GET", "/health/ready")
async def ready(context: Context, call: Call) -> Reply:
    """The store can be written: 503 otherwise. `views` tells how far those that follow the log are behind."""
    await context.store.require_writable()
    return json_reply({"status": "ready", "views": await read_lags(context.pool)})


@route("GET", "/metrics")
async def metrics(context: Context, call: Call) -> Reply:
    """What Prometheus reads, of all processes of the service together."""
    return Reply(200, [(b"content-type", CONTENT_TYPE.encode()), NO_STORE], await context.metrics.text())


ROUTES = [live, ready, metrics]
