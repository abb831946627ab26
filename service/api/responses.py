"""Responses: status, headers and body, and how each kind is built."""

from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import msgspec

from domain.task import MICROSECONDS, Task
from projections.current_task import view_of
from projections.history import one_line
from service.http.headers import Header
from service.http.problems import Problem, body_of
from service.http.request import Request

_encode = msgspec.json.Encoder().encode


class Response(msgspec.Struct, frozen=True):
    """A response, without the headers that the rings add to every one."""

    status: int
    headers: list[Header]
    body: bytes = b""


JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store, no-transform")
"""Kept by no cache, and changed by no proxy: one that compresses renames the ETag."""


def task_response(task: Task, now: int, status: int = 200, more: list[Header] | None = None) -> Response:
    """The view of a task, at its version, as it stands at the time `now`."""
    return Response(status, [JSON, *task_headers(task), *(more or ())], _encode(view_of(task, now)))


def task_headers(task: Task) -> list[Header]:
    """The headers that every response about a task carries."""
    return [
        (b"etag", b'"%d"' % task.version),
        (b"x-task-version", b"%d" % task.version),
        (b"last-modified", _http_date(task.updated_at // MICROSECONDS)),
        NO_STORE,
    ]


def json_response(value: Any, status: int = 200, more: list[Header] | None = None) -> Response:
    """Any value as JSON, not to be stored by caches."""
    return Response(status, [JSON, NO_STORE, *(more or ())], _encode(value))


def problem_response(problem: Problem, request_id: str) -> Response:
    """A problem as `application/problem+json`."""
    more = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    headers = [(b"content-type", b"application/problem+json"), NO_STORE, *more]
    return Response(problem.status, headers, body_of(problem, request_id))


@lru_cache(maxsize=64)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def lines(items: Iterable[Any]) -> bytes:
    """The items as NDJSON. Line ends of Unicode are escaped: readers in common languages break lines there."""
    return one_line(b"".join([_encode(item) + b"\n" for item in items]))


def next_link(request: Request, after: int, *without: str) -> list[Header]:
    """The Link header (RFC 8288) to the page after `after`, with the other parameters of the query but those named."""
    query = [(name, value) for name, value in request.query().pairs() if name not in ("after", *without)]
    target = f"{request.path}?{urlencode([*query, ('after', str(after))])}"
    return [(b"link", f'<{target}>; rel="next"'.encode())]
