"""What the operations share: schemas made from the structs that are read and written, parameters and headers."""

from functools import cache
from typing import Any

import msgspec

from domain.task import NAME_LIMIT, REFERENCE_LIMIT, REQUIREMENTS_BYTES, REQUIREMENTS_LEVELS
from projections.current_task import ListedTask, TaskView
from service.api.openapi.event_schemas import MOMENT, TYPES_PATTERN, event_schemas
from service.api.openapi.operation import Operation
from service.api.routes.history import Difference, TaskVerdict
from service.api.routes.publishing import PublishCheck
from service.api.routes.tasks import STATUSES, Page
from service.http import body as bodies
from service.http.problems import PROBLEMS, ProblemBody
from service.http.request import MAX_VERSION
from service.views.statistics import Statistics

Schema = dict[str, Any]

NO_NUL = {"pattern": r"^[^\u0000]*$"}

NAMES = {
    "Difference": "Diff",
    "TaskVerdict": "Verdict",
    "TaskView": "Task",
    "ProblemBody": "Problem",
    "Page": "TaskPage",
}
"""The names that the document gives to structs."""

_REQUEST: dict[str, Schema] = {
    "title": {**NO_NUL, "description": "Left blank, publishing makes one of the content's first line."},
    "description": {**NO_NUL, "description": "As short as you like until publishing."},
    "category": {**NO_NUL, "description": "What publishing needs."},
    "task_type": {**NO_NUL, "description": "What publishing needs."},
    "budget_usd": {"description": "What publishing needs; a new draft has 0, not chosen yet."},
    "experimentation": {"description": "How far from the usual the result may go; a new draft has 0.3."},
    "brand_kit_id": {"description": "The brand kit to follow."},
    "requirements": {
        "$ref": "#/components/schemas/JsonObject",
        "description": f"At most {REQUIREMENTS_BYTES // 1024} KiB as compact JSON, {REQUIREMENTS_LEVELS} levels deep.",
    },
}
_RESPONSE: dict[str, Schema] = {
    "user_id": {"description": "Whose task it is: the token's `sub`."},
    "budget_usd": {"description": "0: not chosen yet."},
    "compute_budget": {"description": "What publishing set aside of the budget."},
    "status": {"enum": list(STATUSES), "description": "`open`: published."},
    "created_at": MOMENT,
    "expires_at": MOMENT,
}
_NOTES: dict[str, dict[str, Schema]] = {
    "TaskChanges": _REQUEST,
    "NewDraft": {**_REQUEST, "id": {"description": "An id of your choice, for a client that begins offline."}},
    "NewTask": {**_REQUEST, "transcript": NO_NUL},
    "Transcript": {"text": {**NO_NUL, "description": "What was said."}},
    "Attachment": {"reference": {**NO_NUL, "description": "A URL or a storage key."}},
    "Task": _RESPONSE,
    "ListedTask": {
        **_RESPONSE,
        "updated_at": MOMENT,
        "version": {"minimum": 1, "description": "The number of events; the ETag."},
    },
    "Violation": {"pointer": {"description": "A JSON pointer (RFC 6901) into the body."}},
    "Problem": {
        "type": {"format": "uri-reference", "enum": [f"/problems/{slug}" for slug in PROBLEMS]},
        "instance": {"pattern": "^urn:uuid:", "description": "The X-Request-Id, for those who read the log."},
    },
}
_REQUIRED_IN_A_NEW_TASK = {
    "category": {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, **NO_NUL},
    "task_type": {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, **NO_NUL},
    "budget_usd": {"type": "number", "minimum": 3, "maximum": 300},
}


def schemas() -> dict[str, Schema]:
    """`components/schemas`."""
    structs = [
        *(bodies.TaskChanges, bodies.NewDraft, bodies.NewTask, bodies.Transcript, bodies.Attachment, bodies.Revert),
        *(TaskView, ListedTask, Page, PublishCheck, ProblemBody, Difference, TaskVerdict, Statistics),
    ]
    _, generated = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    found = {NAMES.get(name, name): _tidy(schema) for name, schema in generated.items()}
    for name, notes in _NOTES.items():
        for field, note in notes.items():
            found[name]["properties"][field] = _noted(found[name]["properties"][field], note)
    for name in ("Problem", "Violation", "Verdict", "FieldDifference"):
        found[name]["properties"] = {
            field: _without_null(schema) for field, schema in found[name]["properties"].items()
        }
    found["NewTask"]["properties"] |= _REQUIRED_IN_A_NEW_TASK
    found["NewTask"]["required"] = list(_REQUIRED_IN_A_NEW_TASK)
    return found | event_schemas() | _written()


def _tidy(schema: Any) -> Any:
    """The schema with this document's names; objects closed, text on one line, numbers in one type."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if key not in ("title", "default") or _is_field(value)}
    if "$ref" in tidy:
        prefix, _, name = tidy["$ref"].rpartition("/")
        tidy["$ref"] = f"{prefix}/{NAMES.get(name, name)}"
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    if isinstance(tidy.get("properties"), dict) and tidy.get("type") == "object":
        tidy["additionalProperties"] = False
    if {"type": "integer"} in tidy.get("anyOf", ()):
        kinds = [kind for kind in tidy["anyOf"] if kind != {"type": "integer"}]
        if {"type": "number"} in kinds:
            return kinds[0] if len(kinds) == 1 else {**tidy, "anyOf": kinds}
    return tidy


def _is_field(value: Any) -> bool:
    """Whether this is the schema of a field that happens to be called `title` or `default`."""
    return isinstance(value, dict)


def _noted(schema: Schema, note: Schema) -> Schema:
    """The schema with more keywords, in its kind that is not null; a `$ref` takes the place of that kind."""
    if "anyOf" not in schema:
        return {**schema, **note}
    description = {"description": note["description"]} if "description" in note else {}
    more = {key: value for key, value in note.items() if key != "description"}
    kinds = [
        kind if kind == {"type": "null"} else (more if "$ref" in more else {**kind, **more}) for kind in schema["anyOf"]
    ]
    return {**schema, **description, "anyOf": kinds}


def _without_null(schema: Schema) -> Schema:
    """A field that is left out where it has no value."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _written() -> dict[str, Schema]:
    """The schemas of what no struct stands for."""
    value = {"$ref": "#/components/schemas/JsonValue"}
    return {
        "JsonObject": {"type": "object", "propertyNames": NO_NUL, "additionalProperties": value},
        "JsonValue": {
            "description": "Any JSON without U+0000.",
            "anyOf": [
                {"type": ["null", "boolean", "number"]},
                {"type": "string", **NO_NUL},
                {"type": "array", "items": value},
                {"$ref": "#/components/schemas/JsonObject"},
            ],
        },
        "Health": {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]},
        "Object": {"type": "object"},
        "Text": {"type": "string"},
    }


REPEATABLE = frozenset({"type"})
"""Parameters of a query that are lists: values separated by commas, or repeated."""


@cache
def parameters() -> dict[str, Schema]:
    """`components/parameters`."""
    moment = {"type": "string", "format": "date-time"}
    version = {"type": "integer", "minimum": 1, "maximum": MAX_VERSION}
    tags = r'(W/)?"[0-9]{1,19}(-[a-z]{1,16})?"'
    text = {"type": "string", **NO_NUL}
    types = {"type": "string", "pattern": TYPES_PATTERN}
    day = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}
    return {
        "task_id": _parameter("path", "task_id", {"type": "string", "format": "uuid"}, "The task.", required=True),
        "folder": _parameter("path", "folder", {"type": "string", "pattern": "^[a-z]+$"}, "Its folder.", required=True),
        "file": _parameter("path", "file", {"type": "string", "pattern": "^[a-z.-]+$"}, "Its name.", required=True),
        "slug": _parameter("path", "slug", {"enum": list(PROBLEMS)}, "The problem.", required=True),
        "version": _parameter("query", "version", version, "As the task stood at this version."),
        "at": _parameter("query", "at", moment, "As the task stood at this time. Not together with `version`."),
        "after": _parameter("query", "after", {**version, "minimum": 0}, "Events after this version."),
        "history_limit": _parameter("query", "limit", _limit(100, 1000), "Events of a page."),
        "from_version": _parameter("query", "from", version, "The one version.", required=True),
        "to_version": _parameter("query", "to", version, "The other version.", required=True),
        "position": _parameter(
            "query", "after", {**version, "minimum": 0, "default": 0}, "Events after this position."
        ),
        "since": _parameter("query", "since", moment, "Only events from this time on."),
        "events_limit": _parameter("query", "limit", _limit(1000, 10_000), "Positions that are looked at."),
        "type": _parameter("query", "type", types, "Only these types, joined by commas."),
        "of_task": _parameter("query", "task_id", {"type": "string", "format": "uuid"}, "Only this task."),
        "Last-Event-ID": _parameter(
            "header", "Last-Event-ID", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "The position to resume after."
        ),
        "from_day": _parameter("query", "from", day, "The first day (UTC); unset, the last thirty days."),
        "to_day": _parameter("query", "to", day, "The last day (UTC); unset, today."),
        "status": _parameter("query", "status", {"enum": list(STATUSES)}, "Unset: `draft` and `open`."),
        "category": _parameter("query", "category", text, "Only this category."),
        "q": _parameter("query", "q", text, "Each word is the beginning of a word in title or description."),
        "limit": _parameter("query", "limit", _limit(20, 100), "Tasks of a page."),
        "cursor": _parameter("query", "cursor", {"type": "string"}, "The `next_cursor` of the page before."),
        "user_id": _parameter(
            "query", "user_id", {"type": "string", "format": "uuid"}, "Another user's tasks: needs the scope `audit`."
        ),
        "reference": _parameter(
            "query",
            "reference",
            {**text, "minLength": 1, "maxLength": REFERENCE_LIMIT},
            "The reference to remove.",
            required=True,
        ),
        "If-Match": _parameter(
            "header",
            "If-Match",
            {"type": "string", "pattern": rf"^(\*|{tags}(, ?{tags})*)$", "examples": ['"7"']},
            'Only at this version, as in `"7"`, at one of a list, or of any task that exists: `*`.',
        ),
        "If-None-Match": _parameter("header", "If-None-Match", {"type": "string"}, "The ETag that you have."),
        "Idempotency-Key": _parameter(
            "header",
            "Idempotency-Key",
            {"type": "string", "pattern": "^[!-~]{1,64}$"},
            "Makes a retry safe: after a success the same request with the same key is answered as then.",
        ),
    }


def _parameter(place: str, name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": place, "required": required, "description": description, "schema": schema}


def _limit(default: int, most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def headers() -> dict[str, Schema]:
    """`components/headers`."""
    text = {"type": "string"}
    whole = {"type": "integer", "minimum": 0}
    return {
        "X-Request-Id": _header({"type": "string", "format": "uuid"}, "The request's id: yours where it is a uuid."),
        "X-Task-Version": _header({"type": "integer", "minimum": 1}, "The version of the task, as in the ETag."),
        "Link": _header({"type": "string"}, 'The next page, `rel="next"`, where more follows now.'),
        "ETag": _header({"type": "string", "pattern": '^".+"$'}, 'Of a task: its version, as in `"7"`.'),
        "Last-Modified": _header(text, "The time of the last event, for people."),
        "Cache-Control": _header(text, "Whether it may be kept."),
        "Location": _header({"type": "string", "format": "uri-reference"}, "Where the new task is."),
        "WWW-Authenticate": _header(text, "The scheme: Bearer."),
        "Retry-After": _header({"type": "integer", "minimum": 0}, "Seconds to wait before the next try."),
        "X-Next-After": _header(whole, "The last position that was looked at."),
        "X-Head": _header(whole, "The last position there is."),
        "X-RateLimit-Limit": {**_header(whole, "Requests a minute."), "required": False},
        "X-RateLimit-Remaining": {**_header(whole, "How many of them are left."), "required": False},
        "X-RateLimit-Reset": {**_header(whole, "Seconds until all are there again."), "required": False},
    }


def _header(schema: Schema, description: str) -> Schema:
    return {"required": True, "description": description, "schema": schema}


def query_parameters(operation: Operation) -> dict[str, bool] | None:
    """The names that an operation's query may have, and whether they may be repeated: such lists add up.

    None of a page for people: its query belongs to its script, and to those who link to it.
    """
    if operation.tag == "Pages":
        return None
    known = parameters()
    found = [known[name] for name in operation.parameters]
    return {each["name"]: each["name"] in REPEATABLE for each in found if each["in"] == "query"}
