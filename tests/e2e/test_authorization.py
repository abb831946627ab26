"""Who may do what (docs/api.md, Tokens and scopes): every route for every role, from the registered routes.

A new route needs a line in `DECISIONS`, or the first test fails.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.application import HANDLERS
from tests.support.harness import Client, Server

CONTENT = {
    "description": "A description that is long enough for bidders.",
    "category": "design",
    "task_type": "page",
    "budget_usd": 50,
}

PUBLIC, OWN, READ, CHANGE, STREAM = "public", "own", "read", "change", "stream"
"""Open to all; about the user alone; a task read by its owner and `audit`; a task changed by its owner alone;
all tasks read with `audit` or `analytics`."""

DECISIONS: dict[tuple[str, str], str] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/analytics"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/problems/{slug}"): PUBLIC,
    ("GET", "/replay/{task_id}"): PUBLIC,
    ("GET", "/static/autosave.js"): PUBLIC,
    ("GET", "/static/{folder}/{file}"): PUBLIC,
    ("GET", "/api/v1/tasks"): OWN,
    ("POST", "/api/v1/tasks"): OWN,
    ("POST", "/api/v1/tasks/drafts"): OWN,
    ("GET", "/api/v1/tasks/{task_id}"): READ,
    ("GET", "/api/v1/tasks/{task_id}/blame"): READ,
    ("GET", "/api/v1/tasks/{task_id}/diff"): READ,
    ("GET", "/api/v1/tasks/{task_id}/history"): READ,
    ("GET", "/api/v1/tasks/{task_id}/publish-check"): READ,
    ("GET", "/api/v1/tasks/{task_id}/transcript"): READ,
    ("GET", "/api/v1/tasks/{task_id}/verify"): READ,
    ("DELETE", "/api/v1/tasks/{task_id}"): CHANGE,
    ("DELETE", "/api/v1/tasks/{task_id}/attachments"): CHANGE,
    ("DELETE", "/api/v1/tasks/{task_id}/transcript"): CHANGE,
    ("PATCH", "/api/v1/tasks/{task_id}"): CHANGE,
    ("POST", "/api/v1/tasks/{task_id}/attachments"): CHANGE,
    ("POST", "/api/v1/tasks/{task_id}/duplicate"): CHANGE,
    ("POST", "/api/v1/tasks/{task_id}/publish"): CHANGE,
    ("POST", "/api/v1/tasks/{task_id}/restore"): CHANGE,
    ("POST", "/api/v1/tasks/{task_id}/revert"): CHANGE,
    ("PUT", "/api/v1/tasks/{task_id}/transcript"): CHANGE,
    ("GET", "/api/v1/events"): STREAM,
    ("GET", "/api/v1/events/stream"): STREAM,
    ("GET", "/api/v1/statistics"): STREAM,
}

REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/v1/tasks/{task_id}"): {"json": {"title": "b"}},
    ("PUT", "/api/v1/tasks/{task_id}/transcript"): {"json": {"text": "b"}},
    ("POST", "/api/v1/tasks/{task_id}/attachments"): {"json": {"reference": "b"}},
    ("DELETE", "/api/v1/tasks/{task_id}/attachments"): {"params": {"reference": "a"}},
    ("POST", "/api/v1/tasks/{task_id}/revert"): {"json": {"version": 1}},
    ("GET", "/api/v1/tasks/{task_id}/diff"): {"params": {"from": 1, "to": 2}},
    ("POST", "/api/v1/tasks"): {"json": CONTENT},
}
"""What a request brings, so that nothing but the role decides."""

NO_TOKEN, OWNER, OTHER, AUDIT, ANALYTICS = "no token", "the owner", "another user", "audit", "analytics"
ROLES = (NO_TOKEN, OWNER, OTHER, AUDIT, ANALYTICS)

HANDLERS = sorted(
    (str(method), path.replace(":str}", "}"))
    for handler in HANDLERS
    for path in handler.paths
    for method in handler.http_methods
    if method != "HEAD"
)


def decided(decision: str, role: str) -> set[int]:
    """The statuses that a role may get: one that lets in, or the one that turns away."""
    let_in, absent = {200, 201, 204}, {404}
    if decision == PUBLIC:
        return let_in | absent
    if role == NO_TOKEN:
        return {401}
    if decision == OWN:
        return let_in
    if decision == STREAM:
        return let_in if role in (AUDIT, ANALYTICS) else {403}
    return let_in if role == OWNER or (decision == READ and role == AUDIT) else absent


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[dict[str, Client]]:
    """One client for each role."""
    clients = {
        NO_TOKEN: Client(base_url=server.url, timeout=30),
        OWNER: server.client(),
        OTHER: server.client(),
        AUDIT: server.client(scope="audit"),
        ANALYTICS: server.client(scope="analytics"),
    }
    yield clients
    for client in clients.values():
        client.close()


def new_task(owner: Client, method: str, path: str) -> str:
    """A task of the owner that the request can be carried out on."""
    task_id = owner.new_draft(title="a", **CONTENT)
    owner.put(f"/api/v1/tasks/{task_id}/transcript", json={"text": "said"})
    owner.post(f"/api/v1/tasks/{task_id}/attachments", json={"reference": "a"})
    if path.endswith("/restore"):
        owner.delete(f"/api/v1/tasks/{task_id}")
    return task_id


def ask(client: Client, method: str, path: str, task_id: str) -> httpx.Response:
    """The answer's head; of a stream the body never ends."""
    target = path.format(task_id=task_id, folder="docs", file="docs.js", slug="validation")
    with client.stream(method, target, **REQUESTS.get((method, path), {})) as response:
        if not target.endswith("/stream") or response.status_code != 200:
            response.read()
    return response


def test_every_route_has_a_decision() -> None:
    assert set(HANDLERS) <= set(DECISIONS)


@pytest.mark.parametrize(("method", "path"), HANDLERS)
@pytest.mark.parametrize("role", ROLES)
def test_the_decision_holds(people: dict[str, Client], method: str, path: str, role: str) -> None:
    owner = people[OWNER]
    task_id = new_task(owner, method, path)
    before = owner.history(task_id)

    response = ask(people[role], method, path, task_id)

    decision = DECISIONS[method, path]
    assert response.status_code in decided(decision, role)
    changed = owner.history(task_id) != before
    # Duplicating writes another task, and the owner's other changes all record something.
    assert changed == (decision == CHANGE and role == OWNER and not path.endswith("/duplicate"))


@pytest.mark.parametrize(("method", "path"), [route for route in HANDLERS if DECISIONS.get(route) in (READ, CHANGE)])
def test_another_user_s_task_looks_like_one_that_does_not_exist(
    people: dict[str, Client], method: str, path: str
) -> None:
    theirs = new_task(people[OWNER], method, path)
    unknown = str(uuid4())
    role = people[OTHER]

    answers = [ask(role, method, path, task_id) for task_id in (theirs, unknown)]

    assert answers[0].status_code == answers[1].status_code == 404
    own = ("date", "x-request-id")
    headers = [{name: value for name, value in answer.headers.items() if name not in own} for answer in answers]
    assert headers[0] == headers[1]
    bodies = [{**answer.json(), "instance": ""} for answer in answers]
    assert bodies[0] == bodies[1]


def test_the_tasks_of_a_user_are_for_the_audit(people: dict[str, Client]) -> None:
    owner = people[OWNER]
    task_id = owner.new_draft(title="a")
    for role in ROLES:
        response = people[role].get("/api/v1/tasks", params={"user_id": str(owner.user_id)})
        expected = {NO_TOKEN: 401, OWNER: 200, OTHER: 403, AUDIT: 200, ANALYTICS: 403}[role]
        assert response.status_code == expected, role
        if expected == 200:
            assert task_id in [task["id"] for task in response.json()["items"]]


def test_the_two_scopes_add_up_and_others_add_nothing(server: Server, people: dict[str, Client]) -> None:
    task_id = people[OWNER].new_draft(title="a")
    for scope, history, events in [
        ("audit analytics", 200, 200),
        ("analytics audit other", 200, 200),
        ("other", 404, 403),
        ("AUDIT", 404, 403),
        ("audit,analytics", 404, 403),
        ("auditor", 404, 403),
    ]:
        with server.client(scope=scope) as client:
            assert client.get(f"/api/v1/tasks/{task_id}/history").status_code == history, scope
            assert client.get("/api/v1/events", params={"limit": 1}).status_code == events, scope


def test_what_analytics_reads_is_redacted(people: dict[str, Client]) -> None:
    owner = people[OWNER]
    secret = f"word{uuid4().hex}"
    task_id = owner.new_draft(title=secret, description=secret, requirements={secret: secret})
    owner.put(f"/api/v1/tasks/{task_id}/transcript", json={"text": secret})
    owner.post(f"/api/v1/tasks/{task_id}/attachments", json={"reference": secret})

    for accept in ("application/json", "application/x-ndjson", "application/cloudevents-batch+json"):
        answers = {
            role: people[role].get("/api/v1/events", params={"task_id": task_id}, headers={"Accept": accept})
            for role in (AUDIT, ANALYTICS)
        }
        assert secret in answers[AUDIT].text
        assert secret not in answers[ANALYTICS].text
        assert '"digest"' not in answers[ANALYTICS].text
