"""The life of a draft over HTTP (contract section 4)."""

from tests.harness import Client

LONG = "A description that is long enough for bidders."


def test_a_new_draft_is_empty_and_belongs_to_its_creator(client: Client) -> None:
    response = client.post("/api/v1/tasks/drafts")

    task = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert response.headers["etag"] == '"1"'
    assert task["user_id"] == str(client.user_id)
    assert [task[name] for name in ("title", "description", "requirements", "budget_usd", "experimentation")] == [
        "",
        "",
        {},
        0,
        0.3,
    ]
