"""What the past of a task tells: the difference between two versions, who typed what, and whether it is whole."""

import asyncio

import msgspec

from projections.blame import Blame, BlamedSegment
from projections.diff import FieldDifference, diff
from service.call import Call, Reply, json_reply, parse_uuid
from service.context import Context
from service.history import recorded, tasks_at_versions
from service.problems import Problem
from service.routes.drafts import TASK
from service.routing import route


class Difference(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """What differs between two versions of a task."""

    before: int
    after: int
    fields: list[FieldDifference]


class BlamedText(msgspec.Struct, frozen=True):
    """Who typed what of today's description."""

    segments: list[BlamedSegment]


@route("GET", TASK + "/diff")
async def read_diff(context: Context, call: Call, task_id: str) -> Reply:
    """What differs between the versions `from` and `to`, whichever is the older."""
    query = call.query()
    query.required("from"), query.required("to")
    before, after = query.version("from") or 0, query.version("to") or 0
    head = await context.readable(call, parse_uuid(task_id, "task_id"))
    for version in (before, after):
        if not 1 <= version <= head.task.version:
            raise Problem("not-found", f"The task has no version {version}.")
    old, new = await tasks_at_versions(context.store, head.task.id, before, after)
    if old is None or new is None:
        raise Problem("history-corrupt")
    fields = await asyncio.to_thread(diff, old, new)
    return json_reply(Difference(before, after, fields))


@route("GET", TASK + "/blame")
async def read_blame(context: Context, call: Call, task_id: str) -> Reply:
    """Today's description in pieces, each with the event that brought it."""
    head = await context.readable(call, parse_uuid(task_id, "task_id"))
    view = Blame()
    async for page in context.store.events(head.task.id):
        for row in page:
            view.apply(recorded(row))
    return json_reply(BlamedText(view.segments()))


ROUTES = [read_diff, read_blame]
