"""The history of a task: its events, the difference of two versions, who typed what, and its verification."""

import asyncio
from uuid import UUID

import msgspec

from domain.errors import TaskNotFound
from projections.blame import Blame, BlamedSegment
from projections.diff import FieldDifference, diff
from projections.history import Envelope, envelope
from service.api.context import Context
from service.api.openapi.operation import JSON, NDJSON, READING, TASK, Answer, Content, Operation, json_answer
from service.api.responses import NO_STORE, Response, json_response, lines, next_link
from service.api.routing import route
from service.http.problems import Problem
from service.http.request import MAX_VERSION, Request, parse_uuid
from service.proof.check import Finding
from service.proof.verify import verdict_of
from service.store.codec import logged, recorded
from service.store.history import tasks_at_versions
from service.store.scan import UNREADABLE_VALUE


class Difference(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """What differs between two versions of a task."""

    before: int
    after: int
    fields: list[FieldDifference]


class BlamedText(msgspec.Struct, frozen=True):
    """Who typed what of today's description."""

    segments: list[BlamedSegment]


class TaskVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a task is intact: the number of its events, the digest of the last one, and what is wrong."""

    ok: bool
    events: int
    head: str | None
    problem: Finding | None = None


class HistoryPage(msgspec.Struct, frozen=True):
    """Some events of a task, and the version of the last one, null where nothing follows now."""

    items: list[Envelope]
    next_after: int | None
    has_more: bool


@route(
    Operation(
        "GET",
        f"{TASK}/history",
        "History",
        "Read the events of a task",
        (
            Answer(
                200,
                "Events, oldest first; one a line for those who accept `application/x-ndjson`.",
                ("Cache-Control",),
                (Content("HistoryPage", ("history",)), Content("Text", ("history lines",), NDJSON)),
            ),
        ),
        READING,
        ("task_id", "after", "history_limit"),
    )
)
async def read_history(context: Context, request: Request, task_id: str) -> Response:
    """The events after version `after`, oldest first; one a line in NDJSON."""
    query = request.query()
    after = query.whole("after", 0, 0, MAX_VERSION)
    limit = query.whole("limit", 100, 1, 1000)
    task = parse_uuid(task_id, "task_id")
    await context.readable(request, task)
    envelopes: list[Envelope] = []
    async for page in context.store.events(task, after, limit + 1):
        envelopes += [envelope(*logged(row)) for row in page]
    items = envelopes[:limit]
    has_more = len(envelopes) > limit
    link = next_link(request, items[-1].version) if has_more else []
    if request.preferred(JSON, NDJSON) == NDJSON:
        return Response(200, [(b"content-type", NDJSON.encode()), NO_STORE, *link], lines(items))
    return json_response(HistoryPage(items, items[-1].version if has_more else None, has_more), more=link)


@route(
    Operation(
        "GET",
        f"{TASK}/diff",
        "History",
        "Compare two versions of a task",
        (json_answer("The fields that differ; of text also the pieces.", "Diff", "diff"),),
        READING,
        ("task_id", "from_version", "to_version"),
    )
)
async def read_diff(context: Context, request: Request, task_id: str) -> Response:
    """What differs between the versions `from` and `to`, whichever is the older."""
    query = request.query()
    query.required("from"), query.required("to")
    before, after = query.version("from") or 0, query.version("to") or 0
    snapshot = await context.readable(request, parse_uuid(task_id, "task_id"))
    for version in (before, after):
        if not 1 <= version <= snapshot.task.version:
            raise Problem("not-found", f"The task has no version {version}.")
    old, new = await tasks_at_versions(context.store, snapshot.task.id, before, after)
    if old is None or new is None:
        raise Problem("history-corrupt")
    fields = await asyncio.to_thread(diff, old, new)
    return json_response(Difference(before, after, fields))


@route(
    Operation(
        "GET",
        f"{TASK}/blame",
        "History",
        "See who typed what of today's description",
        (json_answer("The description in pieces, each with the event that brought it.", "BlamedText", "blame"),),
        READING,
        ("task_id",),
    )
)
async def read_blame(context: Context, request: Request, task_id: str) -> Response:
    """Today's description in pieces, each with the event that brought it."""
    snapshot = await context.readable(request, parse_uuid(task_id, "task_id"))
    view = Blame()
    async for page in context.store.events(snapshot.task.id):
        for row in page:
            view.apply(recorded(row))
    return json_response(BlamedText(view.segments()))


@route(
    Operation(
        "GET",
        f"{TASK}/verify",
        "History",
        "Check the digest chain of a task",
        (json_answer("Whether the chain, a replay and the view agree.", "Verdict", "verdict"),),
        READING,
        ("task_id",),
    )
)
async def verify(context: Context, request: Request, task_id: str) -> Response:
    """Whether the task's chain, its replay and the view agree."""
    task = parse_uuid(task_id, "task_id")
    await _require_known(context, request, task)
    found = await verdict_of(context.pool, task)
    return json_response(TaskVerdict(found.ok, found.events, found.head, found.problem))


async def _require_known(context: Context, request: Request, task_id: UUID) -> None:
    """As `Context.readable`, also for a task whose row is lost or damaged, by the first event of the log."""
    try:
        await context.readable(request, task_id)
    except (TaskNotFound, *UNREADABLE_VALUE):
        owner = await _recorded_owner(context, task_id)
        if owner is None or owner != request.user.id:
            if owner is None or "audit" not in request.user.scopes:
                raise TaskNotFound from None
            context.log_audit_read(request, task_id=task_id)


async def _recorded_owner(context: Context, task_id: UUID) -> UUID | None:
    async for page in context.store.events(task_id, limit=1):
        actor = recorded(page[0]).actor
        return actor if isinstance(actor, UUID) else None
    return None
