"""The life of a draft over HTTP (docs/api.md, Lifecycle)."""

from collections.abc import Callable
from uuid import uuid4

import httpx

from tests.support.harness import Client, Server, wait_until

READY = {
    "description": "A description that is long enough for bidders.",
    "category": "design",
    "task_type": "logo",
    "budget_usd": 100,
}
FIELDS = [
    "id",
    "user_id",
    "title",
    "description",
    "category",
    "task_type",
    "requirements",
    "budget_usd",
    "compute_budget",
    "status",
    "experimentation",
    "created_at",
    "expires_at",
    "attachments",
    "brand_kit_id",
    "prototype_tier",
]


def path(task_id: str, more: str = "") -> str:
    return f"/api/v1/tasks/{task_id}{more}"


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def test_a_new_draft_is_empty_and_belongs_to_its_creator(client: Client) -> None:
    response = client.post("/api/v1/tasks/drafts")

    task = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == path(task["id"])
    assert response.headers["etag"] == '"1"'
    assert list(task) == FIELDS
    assert {name: task[name] for name in FIELDS[1:11] + FIELDS[13:]} == {
        "user_id": str(client.user_id),
        "title": "",
        "description": "",
        "category": "",
        "task_type": "",
        "requirements": {},
        "budget_usd": 0,
        "compute_budget": None,
        "status": "draft",
        "experimentation": 0.3,
        "attachments": [],
        "brand_kit_id": None,
        "prototype_tier": None,
    }


def test_a_draft_may_bring_its_id_and_fields(client: Client) -> None:
    task_id = str(uuid4())

    response = client.post("/api/v1/tasks/drafts", json={"id": task_id, "title": "Hello", "budget_usd": None})

    assert response.json()["id"] == task_id
    assert response.headers["etag"] == '"2"'
    assert [event["type"] for event in client.history(task_id)] == ["DraftCreated", "DraftFieldChanged"]
    assert problem(client.post("/api/v1/tasks/drafts", json={"id": task_id})) == (409, "already-exists")


def test_an_id_that_somebody_else_has_is_taken_too(server: Server, client: Client) -> None:
    task_id = client.new_draft()

    with server.client() as other:
        assert problem(other.post("/api/v1/tasks/drafts", json={"id": task_id})) == (409, "already-exists")


def test_an_autosave_answers_with_the_view_of_the_version_it_produced(client: Client) -> None:
    task_id = client.new_draft()

    response = client.patch(path(task_id), json={"description": "Hello", "title": "T"})

    assert response.status_code == 200
    assert list(response.json()) == FIELDS
    assert (response.json()["title"], response.json()["description"]) == ("T", "Hello")
    assert response.headers["etag"] == '"3"'
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert client.get(path(task_id)).content == response.content
    assert [event["data"]["field"] for event in client.history(task_id)[1:]] == ["title", "description"]


def test_an_autosave_that_changes_nothing_records_nothing(client: Client) -> None:
    task_id = client.new_draft(title="T", requirements={"a": 1, "b": 2})

    response = client.patch(path(task_id), json={"title": "T", "requirements": {"b": 2.0, "a": 1}})

    assert (response.status_code, response.headers["etag"]) == (200, '"3"')
    assert client.patch(path(task_id), json={}).headers["etag"] == '"3"'


def test_requirements_keep_the_order_of_their_keys(client: Client) -> None:
    task_id = client.new_draft()

    client.patch(path(task_id), json={"requirements": {"z": 1, "a": {"y": 2, "b": 3}}})

    assert '"requirements":{"z":1,"a":{"y":2,"b":3}}' in client.get(path(task_id)).text


def test_requirements_are_replaced_or_merged_by_media_type(client: Client) -> None:
    task_id = client.new_draft(requirements={"a": 1, "b": {"c": 2}})
    merge = {"content-type": "application/merge-patch+json"}

    merged = client.patch(path(task_id), content=b'{"requirements":{"b":{"c":null,"d":3}}}', headers=merge)
    assert merged.json()["requirements"] == {"a": 1, "b": {"d": 3}}
    replaced = client.patch(path(task_id), json={"requirements": {"x": None}})
    assert replaced.json()["requirements"] == {"x": None}


def test_every_violation_is_listed_and_nothing_is_recorded(client: Client) -> None:
    task_id = client.new_draft()

    response = client.patch(
        path(task_id),
        json={
            "title": "x" * 201,
            "description": 5,
            "budget_usd": 2,
            "experimentation": True,
            "brand_kit_id": "no",
            "status": "open",
            "colour": "red",
            "requirements": [],
        },
    )

    assert problem(response) == (422, "validation")
    assert {error["pointer"]: error["code"] for error in response.json()["errors"]} == {
        "/title": "too_long",
        "/description": "type",
        "/budget_usd": "out_of_range",
        "/experimentation": "type",
        "/brand_kit_id": "format",
        "/status": "read_only",
        "/colour": "unknown_field",
        "/requirements": "type",
    }
    assert len(client.history(task_id)) == 1


def test_a_task_of_somebody_else_is_as_one_that_does_not_exist(server: Server, client: Client) -> None:
    task_id = client.new_draft()

    with server.client() as other:
        for foreign, missing in (
            (other.get(path(task_id)), other.get(path(str(uuid4())))),
            (
                other.patch(path(task_id), json={"title": "x"}),
                other.patch(path(str(uuid4())), json={"title": "x"}),
            ),
            (other.delete(path(task_id)), other.delete(path(str(uuid4())))),
        ):
            assert problem(foreign) == problem(missing) == (404, "not-found")
            assert foreign.json()["detail"] == missing.json()["detail"]


def test_the_transcript_is_put_read_and_removed(client: Client) -> None:
    task_id = client.new_draft()

    assert problem(client.get(path(task_id, "/transcript"))) == (404, "not-found")
    put = client.put(path(task_id, "/transcript"), json={"text": "what was said"})
    assert (put.status_code, put.headers["etag"], list(put.json())) == (200, '"2"', FIELDS)
    assert client.get(path(task_id, "/transcript")).json() == {"text": "what was said"}
    assert client.delete(path(task_id, "/transcript")).headers["etag"] == '"3"'
    assert client.delete(path(task_id, "/transcript")).headers["etag"] == '"3"'
    assert problem(client.get(path(task_id, "/transcript"))) == (404, "not-found")


def test_attachments_are_added_and_removed_by_reference(client: Client) -> None:
    task_id = client.new_draft()
    url = "https://example.com/a?b=c&d=é"

    for reference in (url, "key", url):
        added = client.post(path(task_id, "/attachments"), json={"reference": reference})
    assert added.json()["attachments"] == [url, "key"]
    assert added.headers["etag"] == '"3"'
    removed = client.delete(path(task_id, "/attachments"), params={"reference": url})
    assert removed.json()["attachments"] == ["key"]
    assert client.delete(path(task_id, "/attachments"), params={"reference": "absent"}).headers["etag"] == '"4"'
    assert problem(client.delete(path(task_id, "/attachments"))) == (400, "malformed-parameter")


def test_the_21st_attachment_is_refused(client: Client) -> None:
    task_id = client.new_draft()
    for number in range(20):
        client.post(path(task_id, "/attachments"), json={"reference": str(number)})

    assert problem(client.post(path(task_id, "/attachments"), json={"reference": "20"})) == (422, "validation")


def test_publishing_is_refused_with_everything_that_is_missing_and_then_done(client: Client) -> None:
    task_id = client.new_draft(description="short")

    refused = client.post(path(task_id, "/publish"))
    assert problem(refused) == (422, "not-publishable")
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("/description", "too_short"),
        ("/category", "required"),
        ("/task_type", "required"),
        ("/budget_usd", "required"),
    ]
    assert (refused.json()["errors"][0]["limit"], refused.json()["errors"][0]["actual"]) == (20, 5)
    check = client.get(path(task_id, "/publish-check")).json()
    assert check == {"publishable": False, "errors": refused.json()["errors"]}

    client.patch(path(task_id), json=READY)
    assert client.get(path(task_id, "/publish-check")).json() == {"publishable": True, "errors": []}
    published = client.post(path(task_id, "/publish"))
    assert (published.status_code, published.json()["status"]) == (200, "open")
    assert published.json()["title"] == READY["description"]
    events = client.history(task_id)[-2:]
    assert [(event["type"], event["actor"]) for event in events] == [
        ("DraftFieldChanged", "system"),
        ("DraftPublished", str(client.user_id)),
    ]


def test_what_is_published_is_not_changed_any_more(client: Client) -> None:
    task_id = client.new_draft(**READY)
    client.post(path(task_id, "/publish"))

    for response in (
        client.patch(path(task_id), json={"title": "x"}),
        client.post(path(task_id, "/publish")),
        client.get(path(task_id, "/publish-check")),
        client.delete(path(task_id)),
        client.put(path(task_id, "/transcript"), json={"text": "x"}),
        client.post(path(task_id, "/revert"), json={"version": 1}),
    ):
        assert problem(response) == (409, "not-a-draft")
    assert problem(client.post(path(task_id, "/restore"))) == (409, "not-restorable")


def test_a_discarded_draft_can_be_restored(client: Client) -> None:
    task_id = client.new_draft(title="T")

    discarded = client.delete(path(task_id))
    assert (discarded.status_code, discarded.content, discarded.headers["etag"]) == (204, b"", '"3"')
    assert client.delete(path(task_id)).headers["etag"] == '"3"'
    assert problem(client.patch(path(task_id), json={"title": "x"})) == (409, "not-a-draft")
    restored = client.post(path(task_id, "/restore"))
    assert (restored.status_code, restored.json()["status"], restored.json()["title"]) == (200, "draft", "T")


def test_reverting_erases_nothing(client: Client) -> None:
    task_id = client.new_draft(title="one")
    client.patch(path(task_id), json={"title": "two", "budget_usd": 5})

    reverted = client.post(path(task_id, "/revert"), json={"version": 2})

    assert (reverted.json()["title"], reverted.json()["budget_usd"]) == ("one", 0)
    assert reverted.headers["etag"] == '"6"'
    assert {event["cause"] for event in client.history(task_id)[4:]} == {"revert"}
    for version in (0, -1, 7, 10**30):
        assert problem(client.post(path(task_id, "/revert"), json={"version": version})) == (404, "not-found")
    assert problem(client.post(path(task_id, "/revert"), json={"version": "2"})) == (422, "validation")


def test_a_duplicate_says_what_it_was_copied_from(client: Client) -> None:
    task_id = client.new_draft(title="T", requirements={"a": 1})
    client.put(path(task_id, "/transcript"), json={"text": "said"})
    client.post(path(task_id, "/attachments"), json={"reference": "key"})

    copy = client.post(path(task_id, "/duplicate"))

    assert copy.status_code == 201
    assert copy.headers["location"] == path(copy.json()["id"])
    assert (copy.json()["title"], copy.json()["attachments"]) == ("T", ["key"])
    created = client.history(copy.json()["id"])[0]
    assert created["data"]["copied_from"] == {"task_id": task_id, "version": 5}
    assert created["cause"] == "duplicate"
    assert client.get(path(copy.json()["id"], "/transcript")).json() == {"text": "said"}


def test_a_task_can_be_created_and_published_in_one_go(client: Client) -> None:
    created = client.post("/api/v1/tasks", json={**READY, "description": "", "transcript": "What was said, at length."})
    assert (created.status_code, created.json()["status"]) == (201, "open")
    assert created.json()["description"] == "What was said, at length."

    missing = client.post("/api/v1/tasks", json={"category": "", "budget_usd": None})
    assert problem(missing) == (422, "validation")
    assert {error["pointer"]: error["code"] for error in missing.json()["errors"]} == {
        "/category": "required",
        "/task_type": "required",
        "/budget_usd": "required",
    }
    refused = client.post("/api/v1/tasks", json={**READY, "description": "short"})
    assert problem(refused) == (422, "not-publishable")


def test_a_task_is_read_as_of_a_version_and_a_time(client: Client) -> None:
    task_id = client.new_draft()
    for title in ("a", "ab", "abc"):
        client.patch(path(task_id), json={"title": title})
    events = client.history(task_id)

    old = client.get(path(task_id), params={"version": 3})
    assert (old.json()["title"], old.headers["etag"]) == ("ab", '"3"')
    at = client.get(path(task_id), params={"at": events[1]["occurred_at"]})
    assert (at.json()["title"], at.headers["etag"]) == ("a", '"2"')
    assert client.get(path(task_id), params={"at": "2999-01-01T00:00:00+01:00"}).json()["status"] == "expired"
    for missing in ({"version": 0}, {"version": 5}, {"version": -1}, {"at": "2001-01-01T00:00:00Z"}):
        assert problem(client.get(path(task_id), params=missing)) == (404, "not-found")
    for wrong in ({"version": "x"}, {"at": "yesterday"}, {"at": "2026-01-01T00:00:00"}, {"version": 1, "at": "2026"}):
        assert problem(client.get(path(task_id), params=wrong)) == (400, "malformed-parameter")


def test_an_unchanged_task_is_not_sent_again(client: Client) -> None:
    task_id = client.new_draft()

    for tag in ('"1"', 'W/"1"', '"7", "1"', "*"):
        unchanged = client.get(path(task_id), headers={"if-none-match": tag})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"1"')
    assert client.get(path(task_id), headers={"if-none-match": '"2"'}).status_code == 200


def test_a_draft_past_its_life_is_expired_before_and_after_the_sweep(start_server: Callable[..., Server]) -> None:
    server = start_server(PALIMPSEST_DRAFT_TTL_DAYS="0.00001")
    with server.client() as client:
        task_id = client.new_draft(title="T")
        wait_until(lambda: client.get(path(task_id)).json()["status"] == "expired", "the draft expires", 5)
        assert problem(client.patch(path(task_id), json={"title": "x"})) == (409, "not-a-draft")
        assert client.get("/api/v1/tasks").json()["items"] == []
        assert [item["id"] for item in client.get("/api/v1/tasks", params={"status": "expired"}).json()["items"]] == [
            task_id
        ]

        assert server.run("expire").stdout == "1 expired\n"

        last = client.history(task_id)[-1]
        assert (last["type"], last["actor"], last["cause"]) == ("DraftExpired", "system", "expire")
        assert client.get(path(task_id), headers={"if-none-match": '"2"'}).status_code == 200
        assert server.run("expire").stdout == "0 expired\n"
        assert client.post(path(task_id, "/restore")).json()["title"] == "T"
