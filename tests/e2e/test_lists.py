"""Lists of tasks (docs/api.md, Lifecycle)."""

import pytest

from tests.e2e.test_drafts import READY, path, problem
from tests.support.harness import Client, Server


def ids(client: Client, **parameters: object) -> list[str]:
    """The ids of a whole walk."""
    found: list[str] = []
    while True:
        page = client.get("/api/v1/tasks", params=parameters).json()  # type: ignore[arg-type]
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        parameters["cursor"] = page["next_cursor"]


def test_own_tasks_are_listed_newest_change_first(server: Server, client: Client) -> None:
    first, second, third = (client.new_draft() for _ in range(3))
    client.patch(path(first), json={"title": "changed"})
    with server.client() as other:
        other.new_draft()

    page = client.get("/api/v1/tasks").json()

    assert [item["id"] for item in page["items"]] == [first, third, second]
    assert page["items"][0]["version"] == 2
    assert page["items"][0]["updated_at"] == client.history(first)[-1]["occurred_at"]
    assert page["next_cursor"] is None


def test_drafts_and_open_tasks_are_listed_unless_a_status_is_named(client: Client) -> None:
    draft, published, discarded = client.new_draft(), client.new_draft(**READY), client.new_draft()
    client.post(path(published, "/publish"))
    client.delete(path(discarded))

    assert set(ids(client)) == {draft, published}
    assert ids(client, status="draft") == [draft]
    assert ids(client, status="open") == [published]
    assert ids(client, status="discarded") == [discarded]
    assert ids(client, status="expired") == []


def test_a_walk_shows_each_task_once_while_others_change(client: Client) -> None:
    tasks = [client.new_draft(title=str(number)) for number in range(7)]
    newest_first = tasks[::-1]
    page = client.get("/api/v1/tasks", params={"limit": 3}).json()
    seen = [item["id"] for item in page["items"]]
    client.patch(path(newest_first[0]), json={"title": "seen before, changed"})
    client.patch(path(newest_first[5]), json={"title": "not seen yet, moves ahead"})

    seen += ids(client, limit=3, cursor=page["next_cursor"])

    assert seen == [task for task in newest_first if task != newest_first[5]]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_of_any_size_make_the_same_walk(client: Client, limit: int) -> None:
    tasks = [client.new_draft() for _ in range(5)]

    assert ids(client, limit=limit) == tasks[::-1]


def test_each_word_of_a_search_begins_a_word_of_title_or_description(client: Client) -> None:
    task = client.new_draft(title="Straße nach Köln", description="foo-bar #tag 100% a_b")

    for found in ("straSSE", "köl", "STRASSE kÖLN", "bar", "foo-b", "#tag", "100%", "nach foo", "", "  "):
        assert ids(client, q=found) == [task], found
    for missing in ("traße", "öln", "oo", "köln2", "100%%", "nach xyz", "_b", "\\w"):
        assert ids(client, q=missing) == [], missing


def test_a_search_walks_past_what_does_not_match(client: Client) -> None:
    wanted = [client.new_draft(title="wanted") for _ in range(2)]
    for _ in range(4):
        client.new_draft(title="other")

    assert ids(client, q="want", limit=1) == wanted[::-1]


def test_tasks_are_filtered_by_their_category(client: Client) -> None:
    task = client.new_draft(category="design")
    client.new_draft(category="other")

    assert ids(client, category="design") == [task]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "-1"},
        {"status": "published"},
        {"cursor": "nonsense"},
        {"cursor": "é"},
        {"cursor": ""},
        {"user_id": "x"},
        {"q": "\0"},
    ],
)
def test_parameters_that_cannot_be_read_are_refused(client: Client, wrong: dict[str, str]) -> None:
    assert problem(client.get("/api/v1/tasks", params=wrong)) == (400, "malformed-parameter")


def test_the_tasks_of_others_are_for_the_audit(server: Server, client: Client) -> None:
    task = client.new_draft()
    parameters = {"user_id": str(client.user_id)}
    with server.client() as other, server.client(scope="audit") as auditor, server.client(scope="analytics") as analyst:
        assert problem(other.get("/api/v1/tasks", params=parameters)) == (403, "forbidden")
        assert problem(analyst.get("/api/v1/tasks", params=parameters)) == (403, "forbidden")
        assert [item["id"] for item in auditor.get("/api/v1/tasks", params=parameters).json()["items"]] == [task]
        assert auditor.get(path(task)).status_code == 200
        assert auditor.get(path(task, "/history")).status_code == 200
        assert problem(auditor.patch(path(task), json={"title": "x"})) == (404, "not-found")
        assert problem(analyst.get(path(task))) == (404, "not-found")
    assert client.get("/api/v1/tasks", params=parameters).status_code == 200
    assert "audit read" in server.log.read_text()
