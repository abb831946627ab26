"""Health and metrics of the service (docs/api.md, Pages and operations)."""

from service.api.context import Context
from service.api.openapi.operation import METRICS, Answer, Content, Operation, json_answer
from service.api.responses import NO_STORE, Response, json_response
from service.api.routing import route
from service.http.request import Request
from service.metrics import CONTENT_TYPE
from service.views.lag import read_lags


@route(
    Operation(
        "GET",
        "/health/live",
        "Operations",
        "Whether the process answers",
        (json_answer("The process responds.", "Health", "live"),),
        public=True,
    )
)
async def live(context: Context, request: Request) -> Response:
    """The process answers."""
    return json_response({"status": "live"})


@route(
    Operation(
        "GET",
        "/health/ready",
        "Operations",
        "Whether changes can be recorded",
        (json_answer("Changes can be recorded.", "Health", "ready"),),
        ("store-unavailable",),
        public=True,
    )
)
async def ready(context: Context, request: Request) -> Response:
    """The store can be written: 503 otherwise. `views` has the lag of those that follow the log."""
    await context.store.require_writable()
    return json_response({"status": "ready", "views": await read_lags(context.pool)})


@route(
    Operation(
        "GET",
        "/metrics",
        "Operations",
        "Read the metrics, for Prometheus",
        (Answer(200, "Counters of all its processes.", ("Cache-Control",), (Content("Text", ("metrics",), METRICS),)),),
        public=True,
    )
)
async def metrics(context: Context, request: Request) -> Response:
    """What Prometheus reads, of all processes of the service together."""
    return Response(200, [(b"content-type", CONTENT_TYPE.encode()), NO_STORE], await context.metrics.text())
