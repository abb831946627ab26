"""The life of a draft: created, changed, reverted, copied, discarded and restored (docs/api.md, Lifecycle)."""

from uuid import uuid4

from domain.commands import ChangeFields, CreateDraft, DiscardDraft, RestoreDraft, RevertDraft, content_of
from domain.commands import Content as NewContent
from domain.errors import VersionMismatch
from domain.events import CopiedFrom
from service.api.context import Context
from service.api.openapi.operation import (
    CHANGING,
    CHANGING_A_DRAFT,
    CREATING,
    DRAFTS,
    JSON,
    MERGE_PATCH,
    ON_TASK,
    RETRY,
    TASK,
    VERSIONED,
    WITH_BODY,
    Answer,
    Content,
    Operation,
    task_answer,
)
from service.api.responses import Response
from service.api.routing import route
from service.http import body as bodies
from service.http.problems import Problem
from service.http.request import Request
from service.store.history import task_at_version


@route(
    Operation(
        "PATCH",
        TASK,
        "Drafts",
        "Autosave: change some fields of a draft",
        (task_answer(200, "The task at the version that this request produced.", "draft"),),
        (*CHANGING_A_DRAFT, *WITH_BODY),
        ON_TASK,
        (
            Content("TaskChanges", ("all fields", "keystroke", "reset")),
            Content("TaskChanges", ("merged requirements",), MERGE_PATCH),
        ),
        description=(
            'Absent is untouched, `null` goes back to the value of a new draft, `""` is a value like any other. '
            "Each field whose value really changes becomes one event; a request that changes nothing records "
            "nothing and keeps the ETag. As `application/merge-patch+json`, `requirements` is merged (RFC 7396); "
            "as `application/json` it is replaced. The answer is sent when the events are durable."
        ),
    )
)
async def autosave(context: Context, request: Request, task_id: str) -> Response:
    """Some new values, each that really changes one event."""
    task, body, key = await request.read_task_change(task_id, 200, JSON, MERGE_PATCH)
    merge = request.media_type() == MERGE_PATCH
    command = ChangeFields(bodies.read(body, bodies.TASK_PATCH if merge else bodies.TASK_CHANGES), merge)
    result = await context.writer.submit(request.write_request(task, command, key))
    return await context.written(request, result)


@route(
    Operation(
        "POST",
        DRAFTS,
        "Drafts",
        "Create a draft",
        (task_answer(201, "The new draft.", "new draft", "Location"),),
        (*CREATING, "already-exists"),
        RETRY,
        (Content("NewDraft", ("first words", "own id")),),
        body_required=False,
        description="Empty, or with the fields that the body gives. A client that chooses the id can begin offline.",
    )
)
async def create_draft(context: Context, request: Request) -> Response:
    """A new draft, empty or with the fields that the body gives."""
    body, key = await request.read_change(201, JSON, optional=True)
    values = bodies.read(body, bodies.NEW_DRAFT) if body else {}
    command = CreateDraft(context.settings.ttl_seconds, NewContent(bodies.split_fields(values)))
    result = await context.writer.submit(request.write_request(values.get("id") or uuid4(), command, key))
    return await context.written(request, result, 201)


@route(
    Operation(
        "DELETE",
        TASK,
        "Drafts",
        "Discard a draft",
        (Answer(204, "The draft is discarded.", VERSIONED),),
        CHANGING_A_DRAFT,
        ON_TASK,
    )
)
async def discard(context: Context, request: Request, task_id: str) -> Response:
    """Discard the draft; it can be restored."""
    task, _, key = await request.read_task_change(task_id, 204)
    result = await context.writer.submit(request.write_request(task, DiscardDraft(), key))
    return await context.written(request, result, 204)


@route(
    Operation(
        "POST",
        f"{TASK}/restore",
        "Drafts",
        "Restore a discarded or expired draft",
        (task_answer(200, "The task, a draft again.", "draft"),),
        (*CHANGING, "not-restorable"),
        ON_TASK,
    )
)
async def restore(context: Context, request: Request, task_id: str) -> Response:
    """Make a discarded or expired draft a draft again."""
    task, _, key = await request.read_task_change(task_id, 200)
    command = RestoreDraft(context.settings.ttl_seconds)
    result = await context.writer.submit(request.write_request(task, command, key))
    return await context.written(request, result)


@route(
    Operation(
        "POST",
        f"{TASK}/revert",
        "Drafts",
        "Bring back the content of an earlier version",
        (task_answer(200, "The task with that content, at a new version.", "draft"),),
        (*CHANGING_A_DRAFT, *WITH_BODY),
        ON_TASK,
        (Content("Revert", ("revert",)),),
        description="Recorded as new events: nothing is erased.",
    )
)
async def revert(context: Context, request: Request, task_id: str) -> Response:
    """Restore all content as it was at a version."""
    task, body, key = await request.read_task_change(task_id, 200, JSON)
    version = bodies.read(body, bodies.REVERT)["version"]
    await context.owned(request, task)
    before = await task_at_version(context.store, task, version)
    if before is None:
        raise Problem("not-found", f"The task has no version {version}.")
    result = await context.writer.submit(request.write_request(task, RevertDraft(content_of(before)), key))
    return await context.written(request, result)


@route(
    Operation(
        "POST",
        f"{TASK}/duplicate",
        "Drafts",
        "Copy a task into a new draft",
        (task_answer(201, "The new draft.", "copy", "Location"),),
        CHANGING,
        ON_TASK,
    )
)
async def duplicate(context: Context, request: Request, task_id: str) -> Response:
    """A new draft with the same content."""
    task, _, key = await request.read_task_change(task_id, 201)
    expected = request.expected()
    source = (await context.owned(request, task)).task

    def still_expected() -> None:
        if expected and source.version not in expected:
            raise VersionMismatch(expected, source)

    command = CreateDraft(context.settings.ttl_seconds, content_of(source), CopiedFrom(source.id, source.version))
    write = request.write_request(uuid4(), command, key, precondition=still_expected)
    return await context.written(request, await context.writer.submit(write), 201)
