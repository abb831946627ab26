"""Reading the past over HTTP: as-of, history, difference, blame, and who may (docs/api.md, Events)."""

from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.text import Edit, apply_edit
from tests.support.harness import Client, Server, wait_until
from tests.support.strategies import EDITS, TEXTS


def type_description(client: Client, task_id: str, *texts: str) -> None:
    for text in texts:
        assert client.patch(f"/api/v1/tasks/{task_id}", json={"description": text}).status_code == 200


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EDITS, max_size=12), TEXTS)
def test_the_past_is_a_plain_list_of_texts(client: Client, edits: list[Edit], title: str) -> None:
    task_id = client.new_draft()
    path = f"/api/v1/tasks/{task_id}"
    texts = ["", ""]  # by version; there is none 0
    births: list[tuple[str, int]] = []
    for edit in edits:
        text = apply_edit(texts[-1], edit)
        version = int(client.patch(path, json={"description": text}).headers["etag"].strip('"'))
        if version == len(texts):
            texts.append(text)
    client.patch(path, json={"title": title[:200]})

    seen = [client.get(path, params={"version": version}).json()["description"] for version in range(1, len(texts))]
    assert seen == texts[1:]
    for event in client.history(task_id)[1:]:
        if event["data"]["field"] == "description":
            edit = event["data"]["edit"]
            births[edit["at"] : edit["at"] + edit["cut"]] = [(char, event["version"]) for char in edit["insert"]]
    blamed = client.get(path + "/blame").json()["segments"]
    assert [(char, part["version"]) for part in blamed for char in part["text"]] == births
    middle = (len(texts) + 1) // 2
    fields = client.get(path + "/diff", params={"from": middle, "to": len(texts) - 1}).json()["fields"]
    assert [field["field"] for field in fields] == (["description"] if texts[middle] != texts[-1] else [])
    for field in fields:
        sides = (texts[middle], texts[-1])
        assert (field["before"], field["after"]) == sides
        parts = field["segments"]
        assert "".join(part["text"] for part in parts if part["op"] != "insert") == sides[0]
        assert "".join(part["text"] for part in parts if part["op"] != "delete") == sides[1]


def test_a_difference_names_every_field_in_the_order_of_the_contract(client: Client) -> None:
    task_id = client.new_draft(description="One")
    client.post(f"/api/v1/tasks/{task_id}/attachments", json={"reference": "a.png"})
    client.put(f"/api/v1/tasks/{task_id}/transcript", json={"text": "said"})
    client.patch(f"/api/v1/tasks/{task_id}", json={"budget_usd": 5, "title": "T", "requirements": {"a": [1]}})
    client.delete(f"/api/v1/tasks/{task_id}")

    answer = client.get(f"/api/v1/tasks/{task_id}/diff", params={"from": 2, "to": 8}).json()

    assert (answer["from"], answer["to"]) == (2, 8)
    assert [(field["field"], field["before"], field["after"]) for field in answer["fields"]] == [
        ("title", "", "T"),
        ("requirements", {}, {"a": [1]}),
        ("budget_usd", 0, 5),
        ("transcript", "", "said"),
        ("attachments", [], ["a.png"]),
        ("status", "draft", "discarded"),
    ]
    assert [field["field"] for field in answer["fields"] if "segments" in field] == ["title", "transcript"]


def test_a_difference_can_be_read_backwards(client: Client) -> None:
    task_id = client.new_draft(description="One")
    type_description(client, task_id, "One two")

    (field,) = client.get(f"/api/v1/tasks/{task_id}/diff", params={"from": 3, "to": 2}).json()["fields"]

    assert field["segments"] == [{"op": "equal", "text": "One"}, {"op": "delete", "text": " two"}]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?from=1", 400),
        ("?to=1", 400),
        ("?from=x&to=1", 400),
        ("?from=1.5&to=1", 400),
        ("?from=0&to=1", 404),
        ("?from=1&to=3", 404),
        ("?from=-1&to=1", 404),
        ("?from=1&to=99999999999999999999999", 404),
    ],
)
def test_a_difference_needs_two_versions_that_exist(client: Client, query: str, status: int) -> None:
    task_id = client.new_draft(description="One")

    response = client.get(f"/api/v1/tasks/{task_id}/diff{query}")

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_history_comes_in_pages_and_in_lines(client: Client) -> None:
    task_id = client.new_draft()
    type_description(client, task_id, *("abcdefg"[:end] for end in range(1, 8)))
    path = f"/api/v1/tasks/{task_id}/history"

    first = client.get(path, params={"limit": 3}).json()
    second = client.get(path, params={"after": first["next_after"], "limit": 5}).json()
    lines = client.get(path, params={"after": 3, "limit": 5}, headers={"Accept": "application/x-ndjson"})

    assert [event["version"] for event in first["items"]] == [1, 2, 3]
    assert [event["version"] for event in second["items"]] == [4, 5, 6, 7, 8]
    assert second["next_after"] is None
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [msgspec.json.decode(line) for line in lines.content.splitlines()] == second["items"]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=ten", "?after=x", "?limit=-1"])
def test_a_broken_page_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/api/v1/tasks/{client.new_draft()}/history{query}").status_code == 400


READS = ["history", "diff?from=1&to=1", "blame", "verify"]


@pytest.mark.parametrize("read", READS)
def test_somebody_elses_past_is_hidden_as_if_there_were_none(server: Server, client: Client, read: str) -> None:
    task_id = client.new_draft()

    with server.client() as stranger, server.client(scope="analytics") as analyst:
        theirs: list[httpx.Response] = [reader.get(f"/api/v1/tasks/{task_id}/{read}") for reader in (stranger, analyst)]
        none = stranger.get(f"/api/v1/tasks/{uuid4()}/{read}")

    assert [response.status_code for response in [*theirs, none]] == [404] * 3
    assert theirs[0].json()["detail"] == none.json()["detail"]


@pytest.mark.parametrize("read", READS)
def test_an_auditor_reads_every_past_and_each_read_is_logged(server: Server, client: Client, read: str) -> None:
    task_id = client.new_draft()
    path = f"/api/v1/tasks/{task_id}/{read}"

    with server.client(scope="audit") as auditor:
        assert auditor.get(path).status_code == 200

    def noted() -> bool:
        return any(
            str(auditor.user_id) in line and path.partition("?")[0] in line
            for line in server.log.read_text().splitlines()
            if "audit read" in line
        )

    wait_until(noted, "the read is in the log", 5)


def test_an_owners_own_reads_are_not_logged(server: Server, client: Client) -> None:
    task_id = client.new_draft()
    client.get(f"/api/v1/tasks/{task_id}/blame")

    assert task_id not in "".join(line for line in server.log.read_text().splitlines() if "audit read" in line)


def test_the_transcript_is_read_as_of_a_version_or_a_time(client: Client) -> None:
    task_id = client.new_draft()
    path = f"/api/v1/tasks/{task_id}/transcript"
    for words in ("said", "said again"):
        client.put(path, json={"text": words})
    times = [event["occurred_at"] for event in client.history(task_id)]

    assert [client.get(path, params={"version": version}).status_code for version in (1, 4)] == [404, 404]
    assert client.get(path, params={"version": 2}).json() == {"text": "said"}
    assert client.get(path, params={"at": times[1]}).json() == {"text": "said"}
    assert client.get(path).json() == client.get(path, params={"version": 3}).json() == {"text": "said again"}
    response = client.get(path, params={"version": 2})
    assert (response.headers["etag"], response.headers["x-task-version"]) == ('"2"', "2")
    assert response.headers.get_list("cache-control") == ["no-store, no-transform"]
    assert "last-modified" in response.headers
