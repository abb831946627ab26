"""Examples of bodies and of problems, by name; each is checked against its schema by a test."""

from typing import Any

from service.http.problems import PROBLEMS

TASK_ID = "0b7d1a52-7a0e-4c6e-9c53-6f2d1c8e4a10"
USER_ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
REQUEST_ID = "9f1c2b6e-4f4e-4d55-a0a4-1df6a3a6a1f7"
BRAND_KIT_ID = "5f0c8c1e-2f2b-4c0e-8d1e-0a7f3e9b6d42"

_CONTENT = {
    "title": "A landing page for a small bakery",
    "description": "One page, warm colours, opening hours and a map. It should read well on a phone.",
    "category": "design",
    "task_type": "landing_page",
    "requirements": {"pages": 1, "languages": ["en", "de"]},
    "budget_usd": 151.5,
    "experimentation": 0.5,
    "brand_kit_id": BRAND_KIT_ID,
}
_TASK = {
    "id": TASK_ID,
    "user_id": USER_ID,
    "title": _CONTENT["title"],
    "description": _CONTENT["description"],
    "category": _CONTENT["category"],
    "task_type": _CONTENT["task_type"],
    "requirements": _CONTENT["requirements"],
    "budget_usd": 151.5,
    "compute_budget": None,
    "status": "draft",
    "experimentation": 0.5,
    "created_at": "2026-11-23T12:00:00.123456Z",
    "expires_at": "2026-12-23T12:04:31.000512Z",
    "attachments": ["https://files.example/logo.svg"],
    "brand_kit_id": BRAND_KIT_ID,
    "prototype_tier": None,
}
_NEW = {
    **_TASK,
    "title": "",
    "description": "",
    "category": "",
    "task_type": "",
    "requirements": {},
    "budget_usd": 0,
    "experimentation": 0.3,
    "attachments": [],
    "brand_kit_id": None,
    "expires_at": "2026-12-23T12:00:00.123456Z",
}
_EVENT = {
    "position": 1042,
    "task_id": TASK_ID,
    "version": 7,
    "type": "DraftFieldChanged",
    "schema": 1,
    "occurred_at": "2026-11-23T12:00:00.123456Z",
    "actor": USER_ID,
    "request_id": REQUEST_ID,
    "cause": "autosave",
    "data": {"field": "description", "edit": {"at": 11, "cut": 0, "insert": "d"}},
    "digest": "5d41c1f0a2b7f1d7c9a0f3b44d0a6e2f8c3b1e7a9d5c2f4e6a8b0c1d3e5f7a9b",
}
_REDACTED: dict[str, Any] = {
    **{name: value for name, value in _EVENT.items() if name != "digest"},
    "data": {"field": "description", "edit": {"at": 11, "cut": 0, "insert_length": 1}},
}
_FIGURES = {
    "created": 12,
    "published": 7,
    "published_at_once": 1,
    "discarded": 2,
    "expired": 0,
    "edits": 4211,
    "edits_per_draft": 350.9,
    "time_to_publish_seconds": {"median": 912.5, "p90": 4010.0},
    "last_field_before_left": {"description": 2},
    "funnel": {"created": 12, "typed": 11, "publishable": 8, "published": 7},
}
_MISSING = [
    {
        "pointer": "/description",
        "code": "too_short",
        "message": "The description or the transcript needs at least 20 characters.",
        "limit": 20,
        "actual": 4,
    },
    {"pointer": "/category", "code": "required", "message": "It is required."},
]

EXAMPLES: dict[str, Any] = {
    "draft": _TASK,
    "new draft": _NEW,
    "open task": {**_TASK, "status": "open"},
    "copy": {**_TASK, "id": "7c1f4a0d-53a5-4a2b-8a0f-2f8f0a1f6c33", "created_at": "2026-11-24T08:30:00.000001Z"},
    "all fields": _CONTENT,
    "keystroke": {"description": "One page, warm colours, opening hours and a map. It should rea"},
    "reset": {"brand_kit_id": None, "requirements": None},
    "merged requirements": {"requirements": {"pages": 2, "languages": None}},
    "first words": {"title": "A landing page"},
    "own id": {"id": TASK_ID},
    "whole task": {**_CONTENT, "transcript": "I would like a landing page for our bakery."},
    "transcript": {"text": "I would like a landing page for our bakery."},
    "attachment": {"reference": "https://files.example/logo.svg"},
    "revert": {"version": 4},
    "task page": {
        "items": [{**_TASK, "version": 12, "updated_at": "2026-11-23T12:04:31.000512Z"}],
        "next_cursor": "WzE3OTU0MzYyNzEwMDA1MTIsIjBiN2QxYTUyIl0",
    },
    "publish check": {"publishable": False, "errors": _MISSING},
    "history": {"items": [_EVENT], "next_after": None, "has_more": False},
    "history lines": '{"position":1042,"task_id":"0b7d1a52-7a0e-4c6e-9c53-6f2d1c8e4a10","version":7}\n',
    "event page": {"items": [_REDACTED], "next_after": 1042, "head": 1042, "has_more": False},
    "cloud events": [
        {
            "specversion": "1.0",
            "id": f"{TASK_ID}:7",
            "source": f"/api/v1/tasks/{TASK_ID}",
            "type": "palimpsest.DraftFieldChanged.v1",
            "subject": TASK_ID,
            "time": "2026-11-23T12:00:00.123456Z",
            "datacontenttype": "application/json",
            "position": 1042,
            "data": _REDACTED["data"],
        }
    ],
    "stream": 'id: 1042\nevent: DraftFieldChanged\ndata: {"position":1042,"version":7}\n\n',
    "statistics": {
        "from": "2026-11-23",
        "to": "2026-11-23",
        "position": 1042,
        "total": _FIGURES,
        "days": [{"day": "2026-11-23", **_FIGURES}],
    },
    "diff": {
        "from": 4,
        "to": 7,
        "fields": [
            {"field": "budget_usd", "before": 0, "after": 151.5},
            {
                "field": "title",
                "before": "A page",
                "after": "A landing page",
                "segments": [
                    {"op": "equal", "text": "A "},
                    {"op": "insert", "text": "landing "},
                    {"op": "equal", "text": "page"},
                ],
            },
        ],
    },
    "blame": {
        "segments": [
            {
                "text": "One page, warm colours.",
                "version": 7,
                "actor": USER_ID,
                "occurred_at": "2026-11-23T12:00:00.123456Z",
            }
        ]
    },
    "verdict": {"ok": True, "events": 7, "head": _EVENT["digest"]},
    "live": {"status": "live"},
    "ready": {"status": "ready"},
    "metrics": "# TYPE palimpsest_orders_waiting gauge\npalimpsest_orders_waiting 0.0\n",
    "openapi": {"openapi": "3.1.0"},
    "page": "<!doctype html>",
    "file": ":root { color-scheme: light dark; }",
}
"""The examples of bodies."""

_DETAILS = {
    "malformed-parameter": "task_id must be a uuid.",
    "unauthorized": "The token has expired.",
    "forbidden": "The token needs the scope audit.",
    "not-a-draft": "The task is not a draft any more: it is open.",
    "not-restorable": "Only a discarded or expired draft can be restored: this task is open.",
    "version-mismatch": "The task is at version 9.",
}
_MORE: dict[str, dict[str, Any]] = {
    "validation": {
        "errors": [
            {
                "pointer": "/budget_usd",
                "code": "out_of_range",
                "message": "From 3 to 300.",
                "limit": 300,
                "actual": 1000,
            },
            {"pointer": "/colour", "code": "unknown_field", "message": "This field does not exist."},
        ]
    },
    "not-publishable": {"errors": _MISSING},
    "version-mismatch": {"current_version": 9, "changed_fields": ["description", "attachments"]},
}


def problem_example(slug: str) -> dict[str, Any]:
    """The body of a problem, as it may look."""
    kind = PROBLEMS[slug]
    return {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": _DETAILS.get(slug, kind.explanation),
        "instance": f"urn:uuid:{REQUEST_ID}",
        **_MORE.get(slug, {}),
    }
