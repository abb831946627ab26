"""Reading tasks: now, as of a version or a time, and in lists (docs/api.md, The task)."""

import base64
import re
import unicodedata
from uuid import UUID

import msgspec

from domain.task import Task
from projections.current_task import ListedTask, listed
from projections.times import moment_of
from service.api.context import Context
from service.api.openapi.operation import (
    ANY,
    NOT_MODIFIED,
    READING,
    TASK,
    VERSIONED,
    Answer,
    Operation,
    json_answer,
    task_answer,
)
from service.api.responses import Response, json_response, task_headers, task_response
from service.api.routing import route
from service.http.problems import Problem
from service.http.request import TASKS, Request, parse_uuid

MAX_SEARCH = 200
"""Characters of a search."""

MAX_WORDS = 10
"""Words of a search."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of Thai, Lao, Burmese, Khmer, Japanese and Chinese."""

STATUSES = ("draft", "open", "discarded", "expired")


class Page(msgspec.Struct, frozen=True):
    """A page of tasks, and where the next one begins."""

    items: list[ListedTask]
    next_cursor: str | None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last task of a page: its last change in microseconds since 1970, and its id."""

    updated_at: int
    id: UUID


@route(
    Operation(
        "GET",
        TASK,
        "Tasks",
        "Read a task, as it is or as it was",
        (
            task_answer(200, "The task.", "draft"),
            Answer(304, NOT_MODIFIED, VERSIONED),
        ),
        READING,
        ("task_id", "version", "at", "If-None-Match"),
    )
)
async def read_task(context: Context, request: Request, task_id: str) -> Response:
    """The task now, or as it stood at `version` or `at`."""
    task, now = await context.readable_as_of(request, parse_uuid(task_id, "task_id"))
    # A draft whose life ended has changed its status without a new version until the sweep records it.
    unrecorded = task.status_at(now) != task.status
    if not unrecorded and not request.matches_none(task.version):
        return Response(304, task_headers(task))
    return task_response(task, now)


@route(
    Operation(
        "GET",
        TASKS,
        "Tasks",
        "List tasks, newest change first",
        (json_answer("A page of tasks.", "TaskPage", "task page"),),
        (*ANY, "forbidden"),
        ("status", "category", "q", "limit", "cursor", "user_id"),
        description="A walk never shows a task twice; one that changes meanwhile moves ahead of it.",
    )
)
async def list_tasks(context: Context, request: Request) -> Response:
    """Own tasks, newest change first; with the scope `audit` those of `user_id`."""
    query = request.query()
    status = query.choice("status", STATUSES)
    statuses = (status,) if status else ("draft", "open")
    limit = query.whole("limit", 20, 1, 100)
    cursor = _cursor(query.text("cursor"))
    user_id = query.identifier("user_id")
    owner = request.user.id
    if user_id is not None and user_id != owner:
        request.require_scope("audit")
        context.log_audit_read(request, user_id=user_id)
        owner = user_id
    wanted = _word_beginnings(query.text("q") or "")
    tasks: list[Task] = []
    async for page in context.store.tasks(
        owner,
        statuses,
        query.text("category"),
        request.now,
        cursor.updated_at if cursor else None,
        cursor.id if cursor else None,
    ):
        tasks += [task for task in page if all(word.search(_searched(task)) for word in wanted)]
        if len(tasks) > limit:
            break
    shown = tasks[:limit]
    last = shown[-1] if len(tasks) > limit else None
    next_cursor = _cursor_text(Cursor(last.updated_at, last.id)) if last else None
    return json_response(Page([listed(task, request.now) for task in shown], next_cursor))


def _word_beginnings(text: str) -> list[re.Pattern[str]]:
    """Patterns for the words of a search. Scripts that are written without blanks are searched within a sentence."""
    words = _folded(text).split()
    if len(text) > MAX_SEARCH or len(words) > MAX_WORDS:
        message = f"q may have at most {MAX_WORDS} words and {MAX_SEARCH} characters."
        raise Problem("malformed-parameter", message)
    return [re.compile(("" if _UNSPACED.match(word) else r"(?<!\w)") + re.escape(word)) for word in words]


def _searched(task: Task) -> str:
    return _folded(f"{task.title}\n{task.description}")


def _folded(text: str) -> str:
    """Without regard to case, and in one normal form of Unicode."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii") + b"=="), type=Cursor)
        moment_of(cursor.updated_at)
    except (ValueError, OverflowError):
        raise Problem("malformed-parameter", "cursor must be the next_cursor of a page.") from None
    return cursor


def _cursor_text(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")
