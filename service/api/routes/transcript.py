"""The voice transcript of a task (docs/api.md, Lifecycle)."""

from domain.commands import ChangeTranscript
from service.api.context import Context
from service.api.openapi.operation import (
    CHANGING_A_DRAFT,
    JSON,
    ON_TASK,
    READING,
    TRANSCRIPT,
    WITH_BODY,
    Content,
    Operation,
    json_answer,
    task_answer,
)
from service.api.responses import NO_STORE, Response, json_response, task_headers
from service.api.routing import route
from service.http import body as bodies
from service.http.problems import Problem
from service.http.request import Request, parse_uuid


@route(
    Operation(
        "GET",
        TRANSCRIPT,
        "Tasks",
        "Read the voice transcript",
        (json_answer("The transcript.", "Transcript", "transcript", "ETag", "X-Task-Version", "Last-Modified"),),
        READING,
        ("task_id", "version", "at"),
    )
)
async def read_transcript(context: Context, request: Request, task_id: str) -> Response:
    """The voice transcript now, or as it stood at `version` or `at`; 404 where there is none."""
    task, _ = await context.readable_as_of(request, parse_uuid(task_id, "task_id"))
    if not task.transcript:
        raise Problem("not-found", "The task has no transcript.")
    return json_response({"text": task.transcript}, more=[each for each in task_headers(task) if each != NO_STORE])


@route(
    Operation(
        "PUT",
        TRANSCRIPT,
        "Drafts",
        "Set the voice transcript",
        (task_answer(200, "The task.", "draft"),),
        (*CHANGING_A_DRAFT, *WITH_BODY),
        ON_TASK,
        (Content("Transcript", ("transcript",)),),
    )
)
async def change_transcript(context: Context, request: Request, task_id: str) -> Response:
    """A new voice transcript."""
    task, body, key = await request.read_task_change(task_id, 200, JSON)
    command = ChangeTranscript(bodies.read(body, bodies.TRANSCRIPT)["text"])
    result = await context.writer.submit(request.write_request(task, command, key))
    return await context.written(request, result)


@route(
    Operation(
        "DELETE",
        TRANSCRIPT,
        "Drafts",
        "Remove the voice transcript",
        (task_answer(200, "The task.", "draft"),),
        CHANGING_A_DRAFT,
        ON_TASK,
    )
)
async def remove_transcript(context: Context, request: Request, task_id: str) -> Response:
    """Remove the voice transcript."""
    task, _, key = await request.read_task_change(task_id, 200)
    result = await context.writer.submit(request.write_request(task, ChangeTranscript(""), key))
    return await context.written(request, result)
