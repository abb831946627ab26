"""Reading tasks: now, as of a version or a time, in lists, with their transcript and their history."""

import base64
import re
from uuid import UUID

import msgspec

from domain.errors import NotADraft, Violation
from domain.publishing import violations
from domain.task import Task
from projections.current_task import ListedTask, listed
from projections.history import Envelope, envelope
from service.api.context import Context
from service.api.replies import NO_STORE, Reply, json_reply, task_headers, task_reply
from service.api.routes.drafts import TASK, TASKS
from service.api.routing import route
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Call, parse_uuid
from service.store.codec import logged
from service.store.history import task_at_time, task_at_version

NDJSON = "application/x-ndjson"
STATUSES = ("draft", "open", "discarded", "expired")


class Page(msgspec.Struct, frozen=True):
    """A page of tasks, and where the next one begins."""

    items: list[ListedTask]
    next_cursor: str | None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last task of a page: its last change in microseconds since 1970, and its id."""

    updated_at: int
    id: UUID


class PublishCheck(msgspec.Struct, frozen=True):
    """What publishing would say now."""

    publishable: bool
    errors: list[Violation]


class HistoryPage(msgspec.Struct, frozen=True):
    """Some events of a task, and the version to go on behind, null where nothing follows now."""

    items: list[Envelope]
    next_after: int | None


@route("GET", TASK)
async def read_task(context: Context, call: Call, task_id: str) -> Reply:
    """The task now, or as it stood at `version` or `at`."""
    query = call.query()
    version, moment = query.version("version"), query.moment("at")
    if version is not None and moment is not None:
        raise Problem("malformed-parameter", "Give version or at, not both.")
    snapshot = await context.readable(call, parse_uuid(task_id, "task_id"))
    task, now = snapshot.task, call.now
    if version is not None:
        task = await _at_version(context, snapshot.task, version)
        now = task.updated_at
    elif moment is not None:
        found = await task_at_time(context.store, task.id, moment)
        if found is None:
            raise Problem("not-found", "The task did not exist at that time.")
        task, now = found, moment
    # A draft whose life ended has changed its status without a new version until the sweep records it.
    unrecorded = task.status_at(now) != task.status
    if not unrecorded and not call.matches_none(task.version):
        return Reply(304, task_headers(task))
    return task_reply(task, now)


async def _at_version(context: Context, current: Task, version: int) -> Task:
    if version == current.version:
        return current
    task = await task_at_version(context.store, current.id, version) if version < current.version else None
    if task is None:
        raise Problem("not-found", f"The task has no version {version}.")
    return task


@route("GET", TASKS)
async def list_tasks(context: Context, call: Call) -> Reply:
    """Own tasks, newest change first; with the scope `audit` those of `user_id`."""
    query = call.query()
    status = query.choice("status", STATUSES)
    statuses = (status,) if status else ("draft", "open")
    limit = query.whole("limit", 20, 1, 100)
    cursor = _cursor(query.text("cursor"))
    user_id = query.identifier("user_id")
    owner = call.asker.id
    if user_id is not None and user_id != owner:
        call.require_scope("audit")
        context.log_audit_read(call, user_id=user_id)
        owner = user_id
    wanted = _word_beginnings(query.text("q") or "")
    tasks: list[Task] = []
    async for page in context.store.tasks(
        owner,
        statuses,
        query.text("category"),
        call.now,
        cursor.updated_at if cursor else None,
        cursor.id if cursor else None,
    ):
        tasks += [task for task in page if all(word.search(_searched(task)) for word in wanted)]
        if len(tasks) > limit:
            break
    shown = tasks[:limit]
    last = shown[-1] if len(tasks) > limit else None
    next_cursor = _cursor_text(Cursor(last.updated_at, last.id)) if last else None
    return json_reply(Page([listed(task, call.now) for task in shown], next_cursor))


def _word_beginnings(text: str) -> list[re.Pattern[str]]:
    return [re.compile(r"(?<!\w)" + re.escape(word)) for word in text.casefold().split()]


def _searched(task: Task) -> str:
    return f"{task.title}\n{task.description}".casefold()


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii") + b"=="), type=Cursor)
    except ValueError:
        raise Problem("malformed-parameter", "cursor is none that a page gave.") from None


def _cursor_text(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


@route("GET", TASK + "/transcript")
async def read_transcript(context: Context, call: Call, task_id: str) -> Reply:
    """The voice transcript, where there is one."""
    snapshot = await context.readable(call, parse_uuid(task_id, "task_id"))
    if not snapshot.task.transcript:
        raise Problem("not-found", "The task has no transcript.")
    return json_reply({"text": snapshot.task.transcript}, more=task_headers(snapshot.task)[:2])


@route("GET", TASK + "/publish-check")
async def publish_check(context: Context, call: Call, task_id: str) -> Reply:
    """What publishing would say now, without doing it."""
    snapshot = await context.readable(call, parse_uuid(task_id, "task_id"))
    status = snapshot.task.status_at(call.now)
    if status != "draft":
        raise NotADraft(status)
    found = violations(snapshot.task, context.settings.publish_rules)
    return json_reply(PublishCheck(not found, found))


@route("GET", TASK + "/history")
async def read_history(context: Context, call: Call, task_id: str) -> Reply:
    """The events behind version `after`, oldest first; one a line for those who accept NDJSON."""
    query = call.query()
    after = query.whole("after", 0, 0, MAX_VERSION)
    limit = query.whole("limit", 100, 1, 1000)
    task = parse_uuid(task_id, "task_id")
    await context.readable(call, task)
    envelopes: list[Envelope] = []
    async for page in context.store.events(task, after, limit + 1):
        envelopes += [envelope(*logged(row)) for row in page]
    items = envelopes[:limit]
    if NDJSON in (call.header(b"accept") or ""):
        lines = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
        return Reply(200, [(b"content-type", NDJSON.encode()), NO_STORE], lines)
    return json_reply(HistoryPage(items, items[-1].version if len(envelopes) > limit else None))


ROUTES = [read_task, list_tasks, read_transcript, publish_check, read_history]
