"""The HTTP routes, one file a resource. Each is a function from a call to a reply."""

from service.routes import audit, drafts, health, openapi, pages, problem_pages, tasks

ROUTES = [
    *drafts.ROUTES,
    *tasks.ROUTES,
    *audit.ROUTES,
    *health.ROUTES,
    *problem_pages.ROUTES,
    *pages.ROUTES,
    *openapi.ROUTES,
]
"""The handlers of the service."""
