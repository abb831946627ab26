"""The statistics of drafts, per day (docs/api.md, Events); the definitions are in docs/analytics.md."""

from datetime import date, timedelta

from projections.statistics import day_of
from service.api.context import Context
from service.api.openapi.operation import ANY, EVENT_SCOPES, Operation, json_answer
from service.api.responses import Response, json_response
from service.api.routing import route
from service.http.problems import Problem
from service.http.request import Query, Request
from service.views.statistics import read_statistics

DEFAULT_DAYS = 30
MAX_DAYS = 366


@route(
    Operation(
        "GET",
        "/api/v1/statistics",
        "Events",
        "Count drafts and edits by day",
        (json_answer("The figures of the days and of the whole period.", "Statistics", "statistics"),),
        (*ANY, "forbidden"),
        ("from_day", "to_day"),
        scopes=EVENT_SCOPES,
    )
)
async def statistics(context: Context, request: Request) -> Response:
    """The days from `from` to `to`, both included: the last thirty where nothing is said."""
    request.require_scope("audit", "analytics")
    query = request.query()
    last = _day(query, "to") or day_of(request.now)
    first = _day(query, "from") or last - min(timedelta(DEFAULT_DAYS - 1), last - date.min)
    if first > last:
        raise Problem("malformed-parameter", "from must not be later than to.")
    if (last - first).days >= MAX_DAYS:
        raise Problem("malformed-parameter", f"from and to may be {MAX_DAYS} days apart at most, both included.")
    return json_response(await read_statistics(context.pool, first, last))


def _day(query: Query, name: str) -> date | None:
    """A day, or the day (UTC) of a date-time."""
    text = query.text(name)
    if text is None:
        return None
    try:
        if len(text) == 10 and text.isascii():
            return date.fromisoformat(text)
        moment = query.moment(name)
    except (Problem, ValueError):
        moment = None
    if moment is None:
        raise Problem("malformed-parameter", f"{name} must be a date (UTC) or an RFC 3339 date-time with an offset.")
    return day_of(moment)
