"""The handlers of the service, all in one list."""

from service.api.routes import (
    audit,
    drafts,
    event_stream,
    events,
    health,
    openapi,
    pages,
    problem_pages,
    statistics,
    tasks,
)

HANDLERS = [
    *drafts.ROUTES,
    *tasks.ROUTES,
    *audit.ROUTES,
    *events.ROUTES,
    *event_stream.ROUTES,
    *statistics.ROUTES,
    *health.ROUTES,
    *problem_pages.ROUTES,
    *pages.ROUTES,
    *openapi.ROUTES,
]
