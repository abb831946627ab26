"""Publishing: whether it is possible, publishing a draft, and creating a task that is published at once.

The rules are in docs/api.md, Publishing.
"""

from uuid import uuid4

import msgspec

from domain.commands import Content as NewContent
from domain.commands import CreateDraft, PublishDraft
from domain.errors import HistoryCorrupt, NotADraft, Violation
from domain.publishing import violations
from service.api.context import Context
from service.api.openapi.operation import (
    CHANGING_A_DRAFT,
    CREATING,
    JSON,
    ON_TASK,
    READING,
    RETRY,
    TASK,
    Content,
    Operation,
    json_answer,
    task_answer,
)
from service.api.responses import Response, json_response
from service.api.routing import route
from service.http import body as bodies
from service.http.request import TASKS, Request, parse_uuid
from service.proof.verify import proven_snapshot
from service.writing.requests import ProofOutdated


class PublishCheck(msgspec.Struct, frozen=True):
    """What publishing would say now."""

    publishable: bool
    errors: list[Violation]


@route(
    Operation(
        "GET",
        f"{TASK}/publish-check",
        "Tasks",
        "Ask what publishing would say",
        (json_answer("What is missing, if anything.", "PublishCheck", "publish check"),),
        (*READING, "not-a-draft"),
        ("task_id",),
    )
)
async def publish_check(context: Context, request: Request, task_id: str) -> Response:
    """What publishing would say now, without doing it."""
    snapshot = await context.readable(request, parse_uuid(task_id, "task_id"))
    status = snapshot.task.status_at(request.now)
    if status != "draft":
        raise NotADraft(status)
    found = violations(snapshot.task, context.settings.publish_rules)
    return json_response(PublishCheck(not found, found))


@route(
    Operation(
        "POST",
        f"{TASK}/publish",
        "Drafts",
        "Publish a draft",
        (task_answer(200, "The task, open.", "open task"),),
        (*CHANGING_A_DRAFT, "not-publishable"),
        ON_TASK,
        description=(
            "The events are replayed and checked against the digest chain, and the rules are applied to what they "
            "lead to. Every rule that is violated is listed."
        ),
    )
)
async def publish(context: Context, request: Request, task_id: str) -> Response:
    """Replay and check the history, then open the task to bidders."""
    task, _, key = await request.read_task_change(task_id, 200)
    snapshot = await context.owned(request, task)
    proven = None
    if snapshot.task.status_at(request.now) == "draft":
        proven = await proven_snapshot(context.store, task)
    command = PublishDraft(context.settings.publish_rules)
    while True:
        try:
            result = await context.writer.submit(request.write_request(task, command, key, proven=proven))
            return await context.written(request, result)
        except ProofOutdated:
            outdated, proven = proven, await proven_snapshot(context.store, task, proven)
            if proven == outdated:
                message = "The log ends before the version in the view."
                raise HistoryCorrupt(snapshot.task.version, "event-missing", message) from None


@route(
    Operation(
        "POST",
        TASKS,
        "Drafts",
        "Create and publish a task in one go",
        (task_answer(201, "The task, open.", "open task", "Location"),),
        (*CREATING, "not-publishable"),
        RETRY,
        (Content("NewTask", ("whole task",)),),
        description="All or nothing: where a publishing rule is violated, nothing is created.",
    )
)
async def create_task(context: Context, request: Request) -> Response:
    """A task that is published at once, or not created at all."""
    body, key = await request.read_change(201, JSON)
    values = bodies.read(body, bodies.NEW_TASK)
    content = NewContent(bodies.split_fields(values), values.get("transcript") or "")
    command = CreateDraft(context.settings.ttl_seconds, content, publish=context.settings.publish_rules)
    result = await context.writer.submit(request.write_request(uuid4(), command, key))
    return await context.written(request, result, 201)
