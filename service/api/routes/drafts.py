"""The life of a draft: created, typed into, published, discarded, restored (contract sections 4.1 to 4.4)."""

from typing import Any
from uuid import UUID, uuid4

from domain.commands import (
    AddAttachment,
    ChangeFields,
    ChangeTranscript,
    Command,
    Content,
    CreateDraft,
    DiscardDraft,
    PublishDraft,
    RemoveAttachment,
    RestoreDraft,
    RevertDraft,
    content_of,
)
from domain.errors import HistoryCorrupt, VersionMismatch
from domain.events import CopiedFrom
from service.api.context import Context
from service.api.replies import Reply, task_headers, task_reply
from service.api.routing import route
from service.http import body as schemas
from service.http.problems import Problem
from service.http.request import Call, parse_uuid
from service.proof.verify import proven_snapshot
from service.store.history import task_at_version
from service.writing.requests import Committed, IdempotencyKey, ProofOutdated, Replayed

MERGE_PATCH = "application/merge-patch+json"
PLAIN = "application/json"

TASKS = "/api/v1/tasks"
TASK = "/api/v1/tasks/{task_id:str}"


async def autosave(context: Context, call: Call, task_id: str) -> Reply:
    """`PATCH /api/v1/tasks/{task_id}`: some new values, each that really changes one event."""
    task, body, key = await _read(call, task_id, 200, PLAIN, MERGE_PATCH)
    command = ChangeFields(schemas.read(body, schemas.TASK_CHANGES), call.media_type() == MERGE_PATCH)
    return await _carried_out(context, call, task, command, key)


autosave_handler = route("PATCH", TASK)(autosave)


@route("POST", "/api/v1/tasks/drafts")
async def create_draft(context: Context, call: Call) -> Reply:
    """A new draft, empty or with the fields that the body gives."""
    body = await call.json_body(PLAIN, optional=True)
    key = call.idempotency_key(body, 201)
    call.expected()
    values = schemas.read(body, schemas.NEW_DRAFT) if body else {}
    task_id = values.get("id") or uuid4()
    command = CreateDraft(context.settings.ttl_seconds, Content(schemas.split_fields(values)))
    return await _carried_out(context, call, task_id, command, key)


@route("POST", TASKS)
async def create_task(context: Context, call: Call) -> Reply:
    """A task that is published at once, or not created at all."""
    body = await call.json_body(PLAIN)
    key = call.idempotency_key(body, 201)
    call.expected()
    values = schemas.read(body, schemas.NEW_TASK)
    content = Content(schemas.split_fields(values), values.get("transcript") or "")
    command = CreateDraft(context.settings.ttl_seconds, content, publish=context.settings.publish_rules)
    return await _carried_out(context, call, uuid4(), command, key)


@route("POST", TASK + "/publish")
async def publish(context: Context, call: Call, task_id: str) -> Reply:
    """Replay and check the history, then open the task to bidders."""
    task, _, key = await _read(call, task_id, 200)
    snapshot = await context.owned(call, task)
    proven = None
    if snapshot.task.status_at(call.now) == "draft":
        proven = await proven_snapshot(context.store, task)
    command = PublishDraft(context.settings.publish_rules)
    while True:
        try:
            result = await context.submit(call, task, command, key, proven=proven)
            return await _reply(context, call, result, 200)
        except ProofOutdated:
            outdated, proven = proven, await proven_snapshot(context.store, task, proven)
            if proven == outdated:
                message = "The log ends before the version that the view holds."
                raise HistoryCorrupt(snapshot.task.version, "event-missing", message) from None


@route("DELETE", TASK)
async def discard(context: Context, call: Call, task_id: str) -> Reply:
    """Throw the draft away; it can be restored."""
    return await _simple(context, call, task_id, DiscardDraft(), 204)


@route("POST", TASK + "/restore")
async def restore(context: Context, call: Call, task_id: str) -> Reply:
    """Make a discarded or expired draft a draft again."""
    return await _simple(context, call, task_id, RestoreDraft(context.settings.ttl_seconds))


@route("POST", TASK + "/revert")
async def revert(context: Context, call: Call, task_id: str) -> Reply:
    """Bring all content back to what it was at a version."""
    task, body, key = await _read(call, task_id, 200, PLAIN)
    version = schemas.read(body, schemas.REVERT)["version"]
    await context.owned(call, task)
    before = await task_at_version(context.store, task, version)
    if before is None:
        raise Problem("not-found", f"The task has no version {version}.")
    return await _carried_out(context, call, task, RevertDraft(content_of(before)), key)


@route("POST", TASK + "/duplicate")
async def duplicate(context: Context, call: Call, task_id: str) -> Reply:
    """A new draft with the same content."""
    task, _, key = await _read(call, task_id, 201)
    expected = call.expected()
    source = (await context.owned(call, task)).task

    def still_expected() -> None:
        if expected and source.version not in expected:
            raise VersionMismatch(expected, source)

    command = CreateDraft(context.settings.ttl_seconds, content_of(source), CopiedFrom(source.id, source.version))
    return await _carried_out(context, call, uuid4(), command, key, precondition=still_expected)


@route("PUT", TASK + "/transcript")
async def change_transcript(context: Context, call: Call, task_id: str) -> Reply:
    """A new voice transcript."""
    task, body, key = await _read(call, task_id, 200, PLAIN)
    command = ChangeTranscript(schemas.read(body, schemas.TRANSCRIPT)["text"])
    return await _carried_out(context, call, task, command, key)


@route("DELETE", TASK + "/transcript")
async def remove_transcript(context: Context, call: Call, task_id: str) -> Reply:
    """Remove the voice transcript."""
    return await _simple(context, call, task_id, ChangeTranscript(""))


@route("POST", TASK + "/attachments")
async def add_attachment(context: Context, call: Call, task_id: str) -> Reply:
    """One more reference, at the end."""
    task, body, key = await _read(call, task_id, 200, PLAIN)
    command = AddAttachment(schemas.read(body, schemas.ATTACHMENT)["reference"])
    return await _carried_out(context, call, task, command, key)


@route("DELETE", TASK + "/attachments")
async def remove_attachment(context: Context, call: Call, task_id: str) -> Reply:
    """One reference less."""
    command = RemoveAttachment(schemas.reference_of(call.query().required("reference")))
    return await _simple(context, call, task_id, command)


async def _read(call: Call, task_id: str, status: int, *media_types: str) -> tuple[UUID, bytes, IdempotencyKey | None]:
    """The task, the body and the key of a request; refused in the order of contract section 4.2."""
    body = await (call.json_body(*media_types) if media_types else call.body())
    key = call.idempotency_key(body, status)
    call.expected()
    return parse_uuid(task_id, "task_id"), body, key


async def _simple(context: Context, call: Call, task_id: str, command: Command, status: int = 200) -> Reply:
    """Carry out a command that the body has no say in."""
    task, _, key = await _read(call, task_id, status)
    return await _carried_out(context, call, task, command, key, status)


async def _carried_out(
    context: Context,
    call: Call,
    task_id: UUID,
    command: Command,
    key: IdempotencyKey | None,
    status: int | None = None,
    **more: Any,
) -> Reply:
    result = await context.submit(call, task_id, command, key, **more)
    if status is None:
        status = 201 if isinstance(command, CreateDraft) else 200
    return await _reply(context, call, result, status)


async def _reply(context: Context, call: Call, result: Committed | Replayed, status: int) -> Reply:
    if isinstance(result, Replayed):
        task = await context.as_of(result)
        status, now = result.status, task.updated_at
    else:
        task, now = result.task, call.now
    if status == 204:
        return Reply(204, task_headers(task))
    location = [(b"location", b"/api/v1/tasks/" + str(task.id).encode())] if status == 201 else None
    return task_reply(task, now, status, location)


ROUTES = [
    autosave_handler,
    create_draft,
    create_task,
    publish,
    discard,
    restore,
    revert,
    duplicate,
    change_transcript,
    remove_transcript,
    add_attachment,
    remove_attachment,
]
