"""The composition root: makes the objects of one process and joins them to the ASGI application."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from projections.times import Clock, system_clock
from service.api.context import Context
from service.api.openapi.components import query_parameters
from service.api.openapi.document import encoded_document
from service.api.rings import Admitted, Dispatch, Framed, Measured, framework_problem
from service.api.routes import (
    attachments,
    drafts,
    event_stream,
    events,
    health,
    history,
    openapi,
    pages,
    problem_pages,
    publishing,
    statistics,
    tasks,
    transcript,
)
from service.api.routing import operations_of, options_of
from service.http.auth import verifier_of
from service.http.headers import Cors
from service.http.rate_limit import RateLimit
from service.http.request import Request
from service.metrics import Metrics
from service.processes.worker import WorkerSlot, on_termination
from service.settings import Settings
from service.store.connections import ReadingPool
from service.store.log import EventLog
from service.store.tasks import Store
from service.stream.feed import Feed
from service.writing.expiry import Sweep
from service.writing.writer import Writer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_ROUTES = (
    *(drafts, transcript, attachments, publishing, tasks, history, events, event_stream, statistics),
    *(health, openapi, pages, problem_pages),
)
HANDLERS = [handler for module in _ROUTES for handler in vars(module).values() if isinstance(handler, HTTPRouteHandler)]
"""Every route of the service."""

for _handler in HANDLERS:
    _handler.opt["parameters"] = query_parameters(_handler.opt["operation"])

OPERATIONS = operations_of(HANDLERS)
"""The operations of the service by their operationId."""


class App:
    """The ASGI application of one process."""

    def __init__(self, settings: Settings, clock: Clock = system_clock, slot: WorkerSlot | None = None) -> None:
        assert settings.database_url is not None
        pool = ReadingPool(settings.database_url)
        store = Store(pool)
        event_log = EventLog(pool)
        metrics = Metrics(pool, slot)
        self.context = context = Context(
            settings=settings,
            clock=clock,
            verifier=verifier_of(settings),
            metrics=metrics,
            pool=pool,
            store=store,
            event_log=event_log,
            feed=Feed(settings.database_url, event_log),
            writer=Writer(settings.database_url, observer=metrics),
            openapi=encoded_document(OPERATIONS),
        )
        self._sweep = Sweep(store, context.writer, clock)
        self._litestar = Litestar(
            route_handlers=[*options_of(HANDLERS), *HANDLERS],
            exception_handlers={Exception: framework_problem},
            openapi_config=None,
            logging_config=None,
            on_startup=[self._start],
            on_shutdown=[self._stop],
            state=State({"context": context}),
            request_max_body_size=None,
        )
        admitted = Admitted(context.verifier, _rate_limit(settings, slot), Dispatch(context, self._litestar))
        self._outermost = Measured(metrics, Framed(Cors(settings.cors_origins), admitted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._outermost(Request(scope, receive, self.context.clock), send)
        else:
            await self._litestar(scope, receive, send)  # type: ignore[arg-type]

    async def _start(self) -> None:
        """Open the connections; without a store, requests that need one are refused until there is."""
        context = self.context
        await context.pool.open()
        await context.writer.start()
        context.metrics.start(lambda: context.writer.waiting, lambda: context.feed.readers)
        on_termination(context.feed.close)
        self._sweep.start()

    async def _stop(self) -> None:
        """Finish the pending writes and close the connections."""
        context = self.context
        await self._sweep.stop()
        context.feed.close()
        await context.writer.stop()
        await context.metrics.stop()
        await context.pool.close()


def create_app(settings: Settings, clock: Clock = system_clock, slot: WorkerSlot | None = None) -> App:
    """The application for these settings; `clock` gives microseconds since 1970.

    `slot` is its place among the processes of one service; without one it counts for itself.
    """
    return App(settings, clock, slot)


def _rate_limit(settings: Settings, slot: WorkerSlot | None) -> RateLimit | None:
    if not settings.rate_limit:
        return None
    return RateLimit(slot.directory / "rate-limits", slot.number, slot.count) if slot else RateLimit()
