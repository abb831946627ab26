"""Query parameters: a route takes those that it declares and no others, and each within its bounds."""

import httpx
import pytest

from service.application import HANDLERS
from tests.support.harness import Client, Server

ROUTES = sorted((str(sorted(handler.http_methods)[0]), path, handler) for handler in HANDLERS for path in handler.paths)
QUERIES = {"reference": "a", "from": "1", "to": "1"}
BODIES = {"POST", "PATCH", "PUT"}


def concrete(path: str, task_id: str) -> str:
    """The path with values for its parameters."""
    for name, value in {"task_id": task_id, "folder": "docs", "file": "docs.js", "slug": "validation"}.items():
        path = path.replace(f"{{{name}:str}}", value)
    return path


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path, handler in ROUTES if handler.opt["operation"].tag != "Pages"],
)
def test_a_parameter_that_is_not_declared_is_refused_and_named(server: Server, method: str, path: str) -> None:
    with server.client(scope="audit analytics") as client:
        task_id = client.new_draft()
        body = {"content": b"{}", "headers": {"content-type": "application/json"}} if method in BODIES else {}

        response = client.request(method, concrete(path, task_id), params={"actor": "x"}, **body)

        assert response.status_code == 400, response.text
        assert response.json()["type"] == "/problems/malformed-parameter"
        assert "actor" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/analytics", "/docs", "/problems/validation", "/static/autosave.js"])
def test_the_query_of_a_page_is_its_own(server: Server, path: str) -> None:
    assert httpx.get(f"{server.url}{path}?from=2026-01-01&from=x").status_code == 200


def test_a_list_adds_up_and_any_other_repetition_is_refused(server: Server) -> None:
    with server.client(scope="audit") as auditor:
        task_id = auditor.new_draft(title="a")
        auditor.delete(f"/api/v1/tasks/{task_id}")
        path = f"/api/v1/events?task_id={task_id}"

        separate = auditor.get(f"{path}&type=DraftCreated&type=DraftDiscarded").json()["items"]
        joined = auditor.get(f"{path}&type=DraftCreated,DraftDiscarded").json()["items"]
        repeated = auditor.get(f"{path}&limit=1&limit=2")

    assert [item["type"] for item in separate] == ["DraftCreated", "DraftDiscarded"]
    assert separate == joined
    assert (repeated.status_code, "limit" in repeated.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    "query",
    [
        "after=9223372036854775807",
        "after=9223372036854775807&type=DraftCreated",
        "after=9223372036854775807&task_id=3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "since=9999-12-31T23:59:59Z",
        "since=0001-01-01T00:00:00Z",
    ],
)
def test_positions_and_times_at_their_ends_are_answered(server: Server, query: str) -> None:
    with server.client(scope="audit") as auditor:
        assert auditor.get(f"/api/v1/events?{query}").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/events?since=0001-01-01T00:00:00%2B14:00",
        "/api/v1/events?since=9999-12-31T23:59:59-14:00",
        "/api/v1/statistics?from=0001-01-01T00:00:00%2B01:00",
        "/api/v1/statistics?to=9999-12-31T23:59:59-01:00",
        "/api/v1/tasks?cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAsIjNjOTBjM2NjLTBkNDQtNGI1MC04ODg4LThkZDI1NzM2MDUyYSJd",
        "/api/v1/tasks?q=" + "a+" * 11,
        "/api/v1/tasks?q=" + "a" * 201,
    ],
)
def test_values_beyond_their_bounds_are_refused(server: Server, target: str) -> None:
    with server.client(scope="audit") as auditor:
        response = auditor.get(target)

    assert response.status_code == 400
    assert response.json()["type"] == "/problems/malformed-parameter"


def test_pages_say_whether_more_follows_and_where(server: Server) -> None:
    with server.client(scope="audit") as auditor:
        task_id = auditor.new_draft(title="a", category="b", task_type="c")
        for accept in ("application/json", "application/x-ndjson"):
            headers = {"accept": accept}
            first = auditor.get(f"/api/v1/tasks/{task_id}/history?limit=3", headers=headers)
            second = auditor.get(first.links["next"]["url"], headers=headers)
            assert "next" not in second.links
        assert auditor.get(f"/api/v1/tasks/{task_id}/history?limit=3").json()["has_more"] is True
        assert auditor.get(f"/api/v1/tasks/{task_id}/history").json()["has_more"] is False

        page = auditor.get("/api/v1/events?limit=1&type=DraftCreated")
        seen = 0
        while "next" in page.links:
            assert page.json()["has_more"] is True
            page = auditor.get(page.links["next"]["url"])
            seen += 1
        assert page.json()["has_more"] is False
        assert seen >= 1


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/x-ndjson;q=0, application/json", "application/json"),
        ("application/X-NDJSON", "application/x-ndjson"),
        ("application/json;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_accept_is_read_as_rfc_9110_says(client: Client, accept: str, media_type: str) -> None:
    task_id = client.new_draft()

    response = client.get(f"/api/v1/tasks/{task_id}/history", headers={"accept": accept})

    assert response.headers["content-type"] == media_type


def test_words_are_found_in_scripts_without_blanks_and_in_either_normal_form(client: Client) -> None:
    chinese = client.new_draft(title="我需要一个标志设计")
    french = client.new_draft(title="Un cafe\u0301 à Paris")

    def found(text: str) -> list[str]:
        return [item["id"] for item in client.get("/api/v1/tasks", params={"q": text}).json()["items"]]

    assert found("标志") == [chinese]
    assert found("café") == found("cafe\u0301") == [french]
    assert found("afé") == []
