"""What the past of a task tells: the difference between two versions, who typed what, and whether it is whole."""

import asyncio
from uuid import UUID

import msgspec

from domain.errors import TaskNotFound
from projections.blame import Blame, BlamedSegment
from projections.diff import FieldDifference, diff
from service.api.context import Context
from service.api.replies import Reply, json_reply
from service.api.routes.drafts import TASK
from service.api.routing import route
from service.http.problems import Problem
from service.http.request import Call, parse_uuid
from service.proof.check import Finding
from service.proof.verify import verdict_of
from service.store.codec import recorded
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
    """Whether a task is whole: how many events the log has of it, the digest of the last one, what is wrong."""

    ok: bool
    events: int
    head: str | None
    problem: Finding | None = None


@route("GET", TASK + "/diff")
async def read_diff(context: Context, call: Call, task_id: str) -> Reply:
    """What differs between the versions `from` and `to`, whichever is the older."""
    query = call.query()
    query.required("from"), query.required("to")
    before, after = query.version("from") or 0, query.version("to") or 0
    snapshot = await context.readable(call, parse_uuid(task_id, "task_id"))
    for version in (before, after):
        if not 1 <= version <= snapshot.task.version:
            raise Problem("not-found", f"The task has no version {version}.")
    old, new = await tasks_at_versions(context.store, snapshot.task.id, before, after)
    if old is None or new is None:
        raise Problem("history-corrupt")
    fields = await asyncio.to_thread(diff, old, new)
    return json_reply(Difference(before, after, fields))


@route("GET", TASK + "/blame")
async def read_blame(context: Context, call: Call, task_id: str) -> Reply:
    """Today's description in pieces, each with the event that brought it."""
    snapshot = await context.readable(call, parse_uuid(task_id, "task_id"))
    view = Blame()
    async for page in context.store.events(snapshot.task.id):
        for row in page:
            view.apply(recorded(row))
    return json_reply(BlamedText(view.segments()))


@route("GET", TASK + "/verify")
async def verify(context: Context, call: Call, task_id: str) -> Reply:
    """Whether the task's chain, its replay and the view agree."""
    task = parse_uuid(task_id, "task_id")
    await _require_known(context, call, task)
    found = await verdict_of(context.pool, task)
    return json_reply(TaskVerdict(found.ok, found.events, found.head, found.problem))


async def _require_known(context: Context, call: Call, task_id: UUID) -> None:
    """As `readable`, and also for a task whose row is lost or spoilt, by the first event of the log."""
    try:
        await context.readable(call, task_id)
    except (TaskNotFound, *UNREADABLE_VALUE):
        owner = await _recorded_owner(context, task_id)
        if owner is None or owner != call.asker.id:
            if owner is None or "audit" not in call.asker.scopes:
                raise TaskNotFound from None
            context.log_audit_read(call, task_id=task_id)


async def _recorded_owner(context: Context, task_id: UUID) -> UUID | None:
    async for page in context.store.events(task_id, limit=1):
        actor = recorded(page[0]).actor
        return actor if isinstance(actor, UUID) else None
    return None


ROUTES = [read_diff, read_blame, verify]
