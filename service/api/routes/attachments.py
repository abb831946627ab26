"""The attachments of a draft: references to files (docs/api.md, Lifecycle)."""

from domain.commands import AddAttachment, RemoveAttachment
from service.api.context import Context
from service.api.openapi.operation import (
    ATTACHMENTS,
    CHANGING_A_DRAFT,
    JSON,
    ON_TASK,
    WITH_BODY,
    Content,
    Operation,
    task_answer,
)
from service.api.responses import Response
from service.api.routing import route
from service.http import body as bodies
from service.http.request import Request


@route(
    Operation(
        "POST",
        ATTACHMENTS,
        "Drafts",
        "Attach a reference",
        (task_answer(200, "The task.", "draft"),),
        (*CHANGING_A_DRAFT, *WITH_BODY),
        ON_TASK,
        (Content("Attachment", ("attachment",)),),
        description="Added at the end; one that is there already changes nothing. The 21st is refused.",
    )
)
async def add_attachment(context: Context, request: Request, task_id: str) -> Response:
    """One more reference, at the end."""
    task, body, key = await request.read_task_change(task_id, 200, JSON)
    command = AddAttachment(bodies.read(body, bodies.ATTACHMENT)["reference"])
    result = await context.writer.submit(request.write_request(task, command, key))
    return await context.written(request, result)


@route(
    Operation(
        "DELETE",
        ATTACHMENTS,
        "Drafts",
        "Remove a reference",
        (task_answer(200, "The task.", "draft"),),
        (*CHANGING_A_DRAFT, "validation"),
        (*ON_TASK, "reference"),
    )
)
async def remove_attachment(context: Context, request: Request, task_id: str) -> Response:
    """One reference less."""
    command = RemoveAttachment(bodies.reference_of(request.query().required("reference")))
    task, _, key = await request.read_task_change(task_id, 200)
    result = await context.writer.submit(request.write_request(task, command, key))
    return await context.written(request, result)
