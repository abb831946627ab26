"""Responses: status, headers and body, and how each kind is built."""

from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec

from domain.task import MICROSECONDS, Task
from projections.current_task import view_of
from service.http.headers import Header
from service.http.problems import Problem, body_of

_encode = msgspec.json.Encoder().encode


class Response(msgspec.Struct, frozen=True):
    """A response, without the headers that the rings add to every one."""

    status: int
    headers: list[Header]
    body: bytes = b""


JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")


def task_response(task: Task, now: int, status: int = 200, more: list[Header] | None = None) -> Response:
    """The view of a task, at its version, as it stands at the time `now`."""
    return Response(status, [JSON, *task_headers(task), *(more or ())], _encode(view_of(task, now)))


def task_headers(task: Task) -> list[Header]:
    """The headers that every response about a task carries."""
    return [
        (b"etag", b'"%d"' % task.version),
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
