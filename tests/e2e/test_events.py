"""The event stream in pages (docs/api.md, Events)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from benchmarks.synthetic_log import SyntheticLog, write_log
from service.store.connections import connect
from service.store.log import EXTENT
from service.views.projector import Projector
from tests.support.harness import Client, Server

EVENTS = "/api/v1/events"
SECRET = "Unaussprechlich-☃"


@pytest.fixture
def analyst(server: Server) -> Iterator[Client]:
    with server.client(scope="analytics") as client:
        yield client


@pytest.fixture
def auditor(server: Server) -> Iterator[Client]:
    with server.client(scope="audit") as client:
        yield client


def head_of(reader: Client) -> int:
    head: int = reader.get(EVENTS, params={"limit": 1}).json()["head"]
    return head


def walk(reader: Client, after: int, limit: int, **params: Any) -> list[dict[str, Any]]:
    """All events behind a position, page by page, until a page ends at its head."""
    items: list[dict[str, Any]] = []
    while True:
        response = reader.get(EVENTS, params={"after": after, "limit": limit, **params})
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["items"]) <= limit
        items += page["items"]
        after = page["next_after"]
        if after >= page["head"]:
            return items


def a_varied_draft(client: Client) -> str:
    """A draft with an event of every kind that carries text, and published at the end."""
    task = client.new_draft(title=SECRET, requirements={"colour": SECRET})
    url = f"/api/v1/tasks/{task}"
    for change in ({"description": SECRET * 4}, {"category": "design", "task_type": "logo", "budget_usd": 5}):
        assert client.patch(url, json=change, headers={"Idempotency-Key": f"typed:{len(change)}"}).status_code == 200
    assert client.put(f"{url}/transcript", json={"text": SECRET}).status_code == 200
    assert client.post(f"{url}/attachments", json={"reference": f"https://x/{SECRET}"}).status_code == 200
    assert client.request("DELETE", f"{url}/attachments", params={"reference": f"https://x/{SECRET}"}).is_success
    assert client.post(f"{url}/publish").status_code == 200
    return task


def test_pages_hold_every_event_of_the_log_in_order(client: Client, auditor: Client) -> None:
    after = head_of(auditor)
    task = a_varied_draft(client)

    items = walk(auditor, after, 3)

    assert items == client.history(task)
    assert [item["position"] for item in items] == sorted({item["position"] for item in items})


def test_audit_sees_the_text_and_such_reads_are_logged(server: Server, client: Client, auditor: Client) -> None:
    after = head_of(auditor)
    client.new_draft(title=SECRET)

    page = auditor.get(EVENTS, params={"after": after}).json()

    assert page["items"][1]["data"] == {"field": "title", "edit": {"at": 0, "cut": 0, "insert": SECRET}}
    assert any(
        line["event"] == "audit read" and line["reader"] == str(auditor.user_id) and line["path"] == EVENTS
        for line in map(json.loads, (line for line in server.log.read_text().splitlines() if line.startswith("{")))
    )


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "application/cloudevents-batch+json"])
def test_no_text_and_no_digest_get_out_for_analytics(client: Client, analyst: Client, accept: str) -> None:
    after = head_of(analyst)
    task = a_varied_draft(client)
    digests = [event["digest"] for event in client.history(task)]

    response = analyst.get(EVENTS, params={"after": after}, headers={"Accept": accept})

    assert response.headers["content-type"] == accept
    assert "Unaus" not in response.text
    assert "☃" not in response.text
    assert "typed:" not in response.text
    assert "digest" not in response.text
    assert not any(digest in response.text for digest in digests)
    assert '"insert_length":68' in response.text


def test_ndjson_holds_the_same_events_as_json(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    a_varied_draft(client)

    response = analyst.get(EVENTS, params={"after": after}, headers={"Accept": "application/x-ndjson"})

    page = analyst.get(EVENTS, params={"after": after}).json()
    assert [json.loads(line) for line in response.text.splitlines()] == page["items"]
    assert int(response.headers["x-next-after"]) == page["next_after"] == page["head"]


def test_a_batch_of_cloud_events_names_each_event_by_task_and_version(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    task = client.new_draft(category="design")

    batch = analyst.get(
        EVENTS, params={"after": after}, headers={"Accept": "application/cloudevents-batch+json"}
    ).json()

    created, changed = batch
    envelope = walk(analyst, after, 10)[1]
    assert created["id"] == f"{task}:1"
    assert changed == {
        "specversion": "1.0",
        "id": f"{task}:2",
        "source": f"/api/v1/tasks/{task}",
        "type": "palimpsest.DraftFieldChanged.v1",
        "subject": task,
        "time": envelope["occurred_at"],
        "datacontenttype": "application/json",
        "position": envelope["position"],
        "data": {"field": "category", "value": "design"},
    }


def test_an_empty_page_is_well_formed_in_every_format(analyst: Client) -> None:
    far = {"after": 10**15}

    page = analyst.get(EVENTS, params=far).json()
    lines = analyst.get(EVENTS, params=far, headers={"Accept": "application/x-ndjson"})
    batch = analyst.get(EVENTS, params=far, headers={"Accept": "application/cloudevents-batch+json"})

    assert page == {"items": [], "next_after": 10**15, "head": page["head"], "has_more": False}
    assert lines.content == b""
    assert batch.json() == []


def test_filters_keep_what_they_name_and_the_page_says_how_far_it_looked(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    first, second = a_varied_draft(client), client.new_draft(title="x")

    created = analyst.get(EVENTS, params={"after": after, "type": "DraftCreated"}).json()
    both = walk(analyst, after, 2, type="DraftCreated,DraftPublished")
    of_second = walk(analyst, after, 1, task_id=second)
    of_neither = analyst.get(EVENTS, params={"after": after, "type": "DraftExpired", "task_id": first}).json()

    assert [item["task_id"] for item in created["items"]] == [first, second]
    assert created["next_after"] == created["head"] > created["items"][-1]["position"]
    assert [item["type"] for item in both] == ["DraftCreated", "DraftPublished", "DraftCreated"]
    assert [item["type"] for item in of_second] == ["DraftCreated", "DraftFieldChanged"]
    assert (of_neither["items"], of_neither["next_after"]) == ([], of_neither["head"])


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"after": -1}, "after"),
        ({"after": "x"}, "after"),
        ({"after": 2**63}, "after"),
        ({"after": ""}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"limit": "-5"}, "limit"),
        ({"type": "Invented"}, "type"),
        ({"type": ""}, "type"),
        ({"type": "DraftCreated,"}, "type"),
        ({"task_id": "x"}, "task_id"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused_by_name(analyst: Client, params: dict[str, Any], name: str) -> None:
    response = analyst.get(EVENTS, params=params)

    assert response.status_code == 400
    assert response.json()["type"] == "/problems/malformed-parameter"
    assert response.json()["detail"].startswith(f"{name} must be")


def test_the_stream_needs_a_scope(server: Server, client: Client) -> None:
    assert httpx.get(f"{server.url}{EVENTS}").status_code == 401
    refused = client.get(EVENTS)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/problems/forbidden"
    assert client.post(EVENTS).status_code == 405


def test_head_answers_as_get_does_without_a_body(analyst: Client) -> None:
    response = analyst.head(EVENTS)

    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["x-head"]) > 0


def test_since_begins_at_the_first_event_that_occurred_then_or_later(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    a_varied_draft(client)
    items = walk(analyst, after, 1000)
    moments = [item["occurred_at"] for item in items]

    page = analyst.get(EVENTS, params={"since": moments[3]}).json()
    later = analyst.get(EVENTS, params={"since": moments[3], "after": items[-2]["position"]}).json()
    never = analyst.get(EVENTS, params={"since": "2999-01-01T00:00:00Z"}).json()

    assert page["items"] == items[moments.index(moments[3]) :]
    assert later["items"] == items[-1:]
    assert (never["items"], never["next_after"]) == ([], never["head"])


def test_since_is_exact_although_the_clocks_of_writers_differ(
    new_database: Callable[[], str], start_server: Callable[..., Server]
) -> None:
    database = new_database()
    seconds = [(7 * number) % 50 + number // 10 for number in range(5000)]
    insert_events(database, seconds)
    with connect(database) as connection:
        Projector(database).catch_up(connection)
    insert_events(database, [9_999], first=len(seconds))
    with start_server(PALIMPSEST_DATABASE_URL=database).client(scope="analytics") as analyst:
        for moment in (0, 3, 48, 49, 50, 99, 300, 545, 548, 549, 600, 9_999, 10_000):
            expected = next((place for place, at in enumerate([*seconds, 9_999], 1) if at >= moment), None)

            page = analyst.get(EVENTS, params={"since": stamp(moment), "limit": 1}).json()

            assert [item["position"] for item in page["items"]] == ([expected] if expected else [])


def stamp(second: int) -> str:
    return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def insert_events(database: str, seconds: list[int], first: int = 0) -> None:
    """Events of as many tasks, in this order of positions, each so many seconds after the start of 2026."""
    with psycopg.connect(database) as connection:
        connection.cursor().executemany(
            "INSERT INTO draft_events (originator_id, originator_version, topic, state, digest)"
            " VALUES (('00000000-0000-0000-0000-' || lpad(%s::text, 12, '0'))::uuid, 1, 'DraftCreated',"
            " convert_to('[1,' || %s::text || ',\"AAAAAAAAAAAAAAAAAAAAAA\",\"k\",\"create\",[60]]', 'UTF8'), '')",
            [(first + place, 1_767_225_600_000_000 + second * 1_000_000) for place, second in enumerate(seconds)],
        )


def test_a_page_that_its_types_do_not_fill_looks_at_its_window_only(database: str) -> None:
    write_log(database, SyntheticLog(2, 3_000))
    with psycopg.connect(database) as connection:
        connection.execute("ANALYZE draft_events")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        arguments = {"types": ["DraftFieldChanged"], "after": 500, "limit": 300, "window": 200}
        (plan,) = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + EXTENT.encode(), arguments).fetchone() or (
            {},
        )

    looked_at = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes_of(plan[0]["Plan"])
        if node.get("Relation Name") == "draft_events"
    )
    assert 0 < looked_at <= 201, "the window, and the last event for the head"


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a query plan and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes_of(below)
