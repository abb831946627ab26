"""How an operation is described: what it takes, what it answers, and which problems it may end with.

The vocabulary of the routes: media types, paths, and the lists that many operations share.
"""

from msgspec import Struct

from service.http.request import TASKS

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
NDJSON = "application/x-ndjson"
CLOUD_EVENTS = "application/cloudevents-batch+json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"

DRAFTS = f"{TASKS}/drafts"
TASK = f"{TASKS}/{{task_id}}"
TRANSCRIPT = f"{TASK}/transcript"
ATTACHMENTS = f"{TASK}/attachments"
EVENTS = "/api/v1/events"


class Content(Struct, frozen=True):
    """A body: the name of its schema, and of its examples."""

    schema: str
    examples: tuple[str, ...]
    media_type: str = JSON


class Answer(Struct, frozen=True):
    """A success: its status, what it means, the headers that it always carries, and its bodies."""

    status: int
    description: str
    headers: tuple[str, ...] = ()
    contents: tuple[Content, ...] = ()


class Operation(Struct, frozen=True):
    """One method on one path. The token needs one of `scopes`, if there are any; `public` ones need no token."""

    method: str
    path: str
    tag: str
    summary: str
    answers: tuple[Answer, ...]
    problems: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    bodies: tuple[Content, ...] = ()
    body_required: bool = True
    description: str = ""
    public: bool = False
    scopes: tuple[str, ...] = ()


VERSIONED = ("ETag", "X-Task-Version", "Last-Modified", "Cache-Control")
CACHED = ("ETag", "Cache-Control")

NOT_MODIFIED = "It is still what the If-None-Match header names."
PAGE = (
    Answer(200, "The page.", CACHED, (Content("Text", ("page",), HTML),)),
    Answer(304, NOT_MODIFIED, CACHED),
)
"""The answers of a page."""

ANY = ("unauthorized", "malformed-parameter", "too-many-requests", "internal", "store-unavailable", "overloaded")
"""What every request below /api may end with."""

READING = (*ANY, "not-found", "history-corrupt")
CHANGING = (*READING, "body-too-large", "version-mismatch", "idempotency-key-reused")
CHANGING_A_DRAFT = (*CHANGING, "not-a-draft")
WITH_BODY = ("malformed-json", "unsupported-media-type", "validation")
CREATING = (*(slug for slug in CHANGING if slug != "not-found"), *WITH_BODY)

RETRY = ("If-Match", "Idempotency-Key")
ON_TASK = ("task_id", *RETRY)

CONDITIONAL = ("If-None-Match",)
EVENT_SCOPES = ("analytics", "audit")


def task_answer(status: int, description: str, example: str, *headers: str) -> Answer:
    """A task, with the headers that every task response has."""
    return Answer(status, description, (*VERSIONED, *headers), (Content("Task", (example,)),))


def json_answer(description: str, schema: str, example: str, *headers: str) -> Answer:
    """A body that no cache may keep."""
    return Answer(200, description, ("Cache-Control", *headers), (Content(schema, (example,)),))
