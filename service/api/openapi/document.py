"""Builds the document of the operations, the shared components, and the examples."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from service.api.openapi import components
from service.api.openapi.examples import EXAMPLES, problem_example
from service.api.openapi.operation import Answer, Content, Operation
from service.http.problems import PROBLEMS

TAGS = {
    "Drafts": "Writing: every change of a value is an event, and nothing is acknowledged before it is durable.",
    "Tasks": "Reading, now and as of any version or time.",
    "History": "The events of a task, and what they tell.",
    "Events": "The events of all tasks, for those with the scope `analytics` (without text) or `audit` (whole).",
    "Operations": "For those who run the service. No token is needed.",
    "Pages": "For people. No token is needed to load them.",
}

_RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

_ABOUT = """\
An event-sourced draft service: the whole history of every draft, durable, ordered and provable.

- Send `Authorization: Bearer <JWT>` with `sub` (the user's uuid), `exp` and, where needed, `scope`.
- Every task response has an `ETag`, the task's version. Send it back as `If-Match` and a change is carried out \
only at that version; without the header the last writer wins, field by field.
- Send an `Idempotency-Key` and a change can be retried safely.
- Every refusal is a problem (RFC 9457); its `type` leads to a page that explains it.
- `HEAD` answers as `GET` does; a method that a path does not have is answered with 405 and `Allow`.
"""


def document(operations: Mapping[str, Operation]) -> dict[str, Any]:
    """The OpenAPI document of operations, which are given by their operationId."""
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in operations.items():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(name, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Palimpsest",
            "version": version("palimpsest"),
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components.schemas(),
            "parameters": components.parameters(),
            "headers": components.headers(),
            "examples": {
                **{_key(name): {"value": value} for name, value in EXAMPLES.items()},
                **{slug: _problem_example(slug) for slug in PROBLEMS},
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def encoded_document(operations: Mapping[str, Operation]) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(document(operations))


def _operation(name: str, operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [_reference("parameters", name) for name in operation.parameters],
        "responses": _responses(operation),
    }
    if operation.description:
        found["description"] = operation.description
    if operation.bodies:
        found["requestBody"] = {"required": operation.body_required, "content": _contents(operation.bodies)}
    if operation.public:
        found["security"] = []
    elif operation.scopes:
        found["security"] = [{"bearer": [scope]} for scope in operation.scopes]
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    responses = {str(answer.status): _answer(answer) for answer in operation.answers} | _problems(operation)
    if not operation.public:
        for response in responses.values():
            response["headers"] |= {name: _reference("headers", name) for name in _RATE_LIMIT}
    return responses


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description, "headers": _headers(*answer.headers)}
    if answer.contents:
        found["content"] = _contents(answer.contents)
    return found


def _contents(contents: tuple[Content, ...]) -> dict[str, Any]:
    return {
        content.media_type: {
            "schema": _reference("schemas", content.schema),
            "examples": {_key(name): _reference("examples", _key(name)) for name in content.examples},
        }
        for content in contents
    }


def _problems(operation: Operation) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for slug in PROBLEMS:
        if slug in operation.problems:
            by_status.setdefault(PROBLEMS[slug].status, []).append(slug)
    return {str(status): _refusal(status, slugs) for status, slugs in by_status.items()}


def _refusal(status: int, slugs: list[str]) -> dict[str, Any]:
    """The response of one status, with an example for each of its problems."""
    more = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}.get(status, ())
    return {
        "description": " ".join(f"`{slug}`: {PROBLEMS[slug].title}." for slug in slugs),
        "headers": _headers("Cache-Control", *more),
        "content": {
            "application/problem+json": {
                "schema": _reference("schemas", "Problem"),
                "examples": {slug: _reference("examples", slug) for slug in slugs},
            }
        },
    }


def _problem_example(slug: str) -> dict[str, Any]:
    return {"summary": PROBLEMS[slug].title, "value": problem_example(slug)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _reference("headers", name) for name in ("X-Request-Id", *names)}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _key(name: str) -> str:
    return name.replace(" ", "-")
