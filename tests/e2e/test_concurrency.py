"""Conditions, retries and simultaneous changes (docs/api.md, Concurrency and retries)."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.e2e.test_drafts import READY, path, problem
from tests.support.harness import Client, Server


def patch(client: Client, task_id: str, key: str | None = None, tag: str | None = None, **fields: object):  # type: ignore[no-untyped-def]
    headers = {name: value for name, value in (("idempotency-key", key), ("if-match", tag)) if value is not None}
    return client.patch(path(task_id), json=fields, headers=headers)


@pytest.mark.parametrize("tag", ['"2"', 'W/"2"', '"9", "2"', '"9",W/"2"', "*"])
def test_a_change_is_carried_out_at_a_version_that_it_names(client: Client, tag: str) -> None:
    task_id = client.new_draft(title="a")

    assert patch(client, task_id, tag=tag, title="b").status_code == 200


def test_a_change_for_another_version_is_refused_with_what_changed_since(client: Client) -> None:
    task_id = client.new_draft(title="a")
    patch(client, task_id, title="b", budget_usd=5)
    client.put(path(task_id, "/transcript"), json={"text": "said"})
    client.post(path(task_id, "/attachments"), json={"reference": "key"})
    patch(client, task_id, category="c")
    patch(client, task_id, category=None)

    refused = patch(client, task_id, tag='"2"', title="c")

    assert problem(refused) == (412, "version-mismatch")
    assert refused.json()["current_version"] == 8
    assert refused.json()["changed_fields"] == ["title", "budget_usd", "transcript", "attachments"]
    assert client.get(path(task_id)).json()["title"] == "b"


@pytest.mark.parametrize("tag", ["2", '"x"', '"2" "3"', "", '"', '"-1"', '*, "2"', '"2",'])
def test_a_condition_that_is_none_is_malformed(client: Client, tag: str) -> None:
    task_id = client.new_draft(title="a")

    assert problem(patch(client, task_id, tag=tag, title="b")) == (400, "malformed-parameter")


def test_a_condition_on_a_task_that_does_not_exist_is_not_found(client: Client) -> None:
    assert problem(patch(client, str(uuid4()), tag="*", title="b")) == (404, "not-found")
    assert problem(client.post("/api/v1/tasks/drafts", headers={"if-match": '"1"'})) == (412, "version-mismatch")


def test_a_retry_is_answered_as_the_first_time_and_records_nothing(client: Client) -> None:
    task_id = client.new_draft()
    first = patch(client, task_id, key="k", title="a")
    patch(client, task_id, title="ab")

    again = patch(client, task_id, key="k", title="a")

    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])
    assert len(client.history(task_id)) == 3
    assert client.history(task_id)[1]["request_id"] == "k"
    assert problem(patch(client, task_id, key="k", title="b")) == (422, "idempotency-key-reused")


def test_a_retry_of_a_change_that_changed_nothing_is_answered_as_the_first_time(client: Client) -> None:
    task_id = client.new_draft(title="a")
    first = patch(client, task_id, key="k", title="a")
    patch(client, task_id, title="b")

    again = patch(client, task_id, key="k", title="a")

    assert (again.content, again.headers["etag"]) == (first.content, '"2"')
    assert client.get(path(task_id)).json()["title"] == "b"


def test_every_changing_request_can_be_retried(client: Client) -> None:
    headers = {"idempotency-key": "create"}
    created = client.post("/api/v1/tasks/drafts", json=READY, headers=headers)
    task_id = created.json()["id"]
    requests = [
        ("POST", "/api/v1/tasks/drafts", {"json": READY}, "create"),
        ("PUT", path(task_id, "/transcript"), {"json": {"text": "said"}}, "put"),
        ("DELETE", path(task_id, "/transcript"), {}, "unput"),
        ("POST", path(task_id, "/attachments"), {"json": {"reference": "key"}}, "attach"),
        ("DELETE", path(task_id, "/attachments?reference=key"), {}, "detach"),
        ("POST", path(task_id, "/duplicate"), {}, "duplicate"),
        ("POST", path(task_id, "/revert"), {"json": {"version": 2}}, "revert"),
        ("DELETE", path(task_id), {}, "discard"),
        ("POST", path(task_id, "/restore"), {}, "restore"),
        ("PATCH", path(task_id), {"json": READY}, "patch"),
        ("POST", path(task_id, "/publish"), {}, "publish"),
        ("POST", "/api/v1/tasks", {"json": READY}, "create-and-publish"),
    ]
    first = [client.request(m, p, headers={"idempotency-key": key}, **more) for m, p, more, key in requests]
    count = len(client.history(task_id))

    again = [client.request(m, p, headers={"idempotency-key": key}, **more) for m, p, more, key in requests]

    assert all(response.is_success for response in first), [response.text for response in first]
    for one, two in zip(first, again, strict=True):
        assert (one.status_code, one.content, one.headers["etag"]) == (
            two.status_code,
            two.content,
            two.headers["etag"],
        )
        assert one.headers.get("location") == two.headers.get("location")
    assert first[0].content == created.content
    assert len(client.history(task_id)) == count


def test_a_refusal_is_decided_anew(client: Client) -> None:
    task_id = client.new_draft()
    headers = {"idempotency-key": "k"}
    assert problem(client.post(path(task_id, "/publish"), headers=headers)) == (422, "not-publishable")
    patch(client, task_id, **READY)
    assert client.post(path(task_id, "/publish"), headers=headers).status_code == 200


def test_keys_are_the_user_s_own(server: Server, client: Client) -> None:
    with server.client() as other:
        mine, theirs = client.new_draft(), other.new_draft()
        assert patch(client, mine, key="same", title="a").status_code == 200
        assert patch(other, theirs, key="same", title="b").status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 65, "a b", "ü"])
def test_a_key_must_be_visible_ascii(client: Client, key: str) -> None:
    task_id = client.new_draft()

    response = client.patch(path(task_id), json={}, headers={"idempotency-key": key.encode()})

    assert problem(response) == (400, "malformed-parameter")


def test_the_same_request_at_once_is_carried_out_once(client: Client) -> None:
    task_id = client.new_draft()
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: patch(client, task_id, key="k", title="a"), range(16)))

    assert {(answer.status_code, answer.headers["etag"], answer.content) for answer in answers} == {
        (200, '"2"', answers[0].content)
    }


def test_simultaneous_changes_of_different_fields_all_survive(client: Client) -> None:
    task_id = client.new_draft()
    values = {"title": "t", "description": "d", "category": "c", "task_type": "y", "budget_usd": 9}
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda field: patch(client, task_id, **{field: values[field]}), values))

    task = client.get(path(task_id)).json()
    assert {field: task[field] for field in values} == values
    assert [event["version"] for event in client.history(task_id)] == [1, 2, 3, 4, 5, 6]


def test_of_simultaneous_changes_for_one_version_one_is_carried_out(client: Client) -> None:
    task_id = client.new_draft()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: patch(client, task_id, tag='"1"', title=str(n)).status_code, range(8)))

    assert sorted(answers) == [200] + [412] * 7


def test_a_task_can_be_created_once_however_many_try(client: Client) -> None:
    task_id = str(uuid4())
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: client.post("/api/v1/tasks/drafts", json={"id": task_id}).status_code, range(8))
        )

    assert sorted(answers) == [201] + [409] * 7


def test_a_retry_among_other_changes_is_answered_as_the_first_time(client: Client) -> None:
    task_id = client.new_draft()
    first = patch(client, task_id, key="k", tag='"1"', title="a")
    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            others = [threads.submit(patch, client, task_id, category=f"{number}, {n}") for n in range(7)]
            again = patch(client, task_id, key="k", tag='"1"', title="a")

            assert (again.status_code, again.content) == (200, first.content)
            assert {
                (other.result().status_code, other.result().text[:300] if other.result().is_error else "")
                for other in others
            } == {(200, "")}


def test_a_key_belongs_to_the_media_type_too(client: Client) -> None:
    path = f"/api/v1/tasks/{client.new_draft(requirements={'a': 1})}"
    body = b'{"requirements": {"b": 2}}'
    replaced, merged = (
        client.patch(path, content=body, headers={"content-type": kind, "idempotency-key": "one"})
        for kind in ("application/json", "application/merge-patch+json")
    )

    assert (replaced.status_code, replaced.json()["requirements"]) == (200, {"b": 2})
    assert (merged.status_code, merged.json()["type"]) == (422, "/problems/idempotency-key-reused")
