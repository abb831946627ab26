"""The replies to requests."""

from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec

from domain.task import MICROSECONDS, Task
from projections.current_task import view_of
from service.http.headers import Header
from service.http.problems import Problem, body_of

_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, frozen=True):
    """A response: status, headers and body; `x-request-id` is added on the way out."""

    status: int
    headers: list[Header]
    body: bytes = b""


JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")


def task_reply(task: Task, now: int, status: int = 200, more: list[Header] | None = None) -> Reply:
    """The view of a task, at its version, as it stands at the time `now`."""
    return Reply(status, [JSON, *task_headers(task), *(more or ())], _encode(view_of(task, now)))


def task_headers(task: Task) -> list[Header]:
    """The headers that every response about a task carries."""
    return [
        (b"etag", b'"%d"' % task.version),
        (b"last-modified", _http_date(task.updated_at // MICROSECONDS)),
        NO_STORE,
    ]


def json_reply(value: Any, status: int = 200, more: list[Header] | None = None) -> Reply:
    """Any value as JSON, not to be stored by caches."""
    return Reply(status, [JSON, NO_STORE, *(more or ())], _encode(value))


def problem_reply(problem: Problem, request_id: str) -> Reply:
    """A problem as `application/problem+json`."""
    more = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    headers = [(b"content-type", b"application/problem+json"), NO_STORE, *more]
    return Reply(problem.status, headers, body_of(problem, request_id))


@lru_cache(maxsize=64)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
