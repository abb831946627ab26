"""The HTTP routes, one file a resource. Each is a function from a call to a reply."""

from service.routes import audit, drafts, event_stream, events, health, openapi, pages, problem_pages, statistics, tasks

ROUTES = [
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
"""The handlers of the service."""
