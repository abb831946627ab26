"""What Prometheus, the log and Server-Timing tell (docs/api.md, Pages and operations)."""

import json
from collections.abc import Callable
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.harness import Client, Server, wait_until


def samples(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(server: Server, name: str, **labels: str) -> float:
    return samples(server).get((name, frozenset(labels.items())), 0)


def saves(server: Server) -> float:
    route = "/api/v1/tasks/{task_id}"
    return value(server, "palimpsest_request_seconds_count", method="PATCH", route=route, status="200")


def test_requests_are_counted_by_route_and_status(server: Server, client: Client) -> None:
    before = samples(server)
    task = client.new_draft()
    client.patch(f"/api/v1/tasks/{task}", json={"title": "counted"})
    client.get(f"/api/v1/tasks/{task}/history")
    client.get("/api/v1/nowhere")
    httpx.get(f"{server.url}/api/v1/tasks")
    after = samples(server)

    risen = {
        (labels["method"], labels["route"], labels["status"])
        for (name, pairs), count in after.items()
        if name == "palimpsest_request_seconds_count"
        and count > before.get((name, pairs), 0)
        and (labels := dict(pairs))
    }
    assert {
        ("POST", "/api/v1/tasks/drafts", "201"),
        ("PATCH", "/api/v1/tasks/{task_id}", "200"),
        ("GET", "/api/v1/tasks/{task_id}/history", "200"),
        ("GET", "none", "404"),
        ("GET", "none", "401"),
    } <= risen
    assert not any(task in str(pairs) for _, pairs in after)


def test_commits_retries_and_views_are_counted(server: Server, client: Client) -> None:
    def count(name: str, **labels: str) -> float:
        return value(server, name, **labels)

    commits, repeats = count("palimpsest_commit_seconds_count"), count("palimpsest_repeats_total")
    task = client.new_draft()
    for _ in range(2):
        client.patch(f"/api/v1/tasks/{task}", json={"title": "once"}, headers={"Idempotency-Key": str(uuid4())})
    for _ in range(2):
        client.patch(f"/api/v1/tasks/{task}", json={"title": "twice"}, headers={"Idempotency-Key": "the same key"[:3]})
    assert count("palimpsest_commit_seconds_count") >= commits + 3
    assert count("palimpsest_batch_orders_sum") >= count("palimpsest_commit_seconds_count")
    assert count("palimpsest_repeats_total") == repeats + 1
    assert count("palimpsest_store_up") == 1
    assert count("palimpsest_view_failed", view="statistics") == 0


def test_all_processes_are_added_up_and_none_is_forgotten_when_it_dies(start_server: Callable[..., Server]) -> None:
    server = start_server(PALIMPSEST_WORKERS="2")
    with server.client() as client:
        client.headers["connection"] = "close"
        task = client.new_draft()
        for number in range(40):
            client.patch(f"/api/v1/tasks/{task}", json={"title": str(number)})
        assert {saves(server) for _ in range(6)} == {40}

        before = wait_until(lambda: len(both := server.workers()) == 2 and both, "both processes serve")
        before[0].kill()
        wait_until(lambda: len(set(server.workers()) - set(before)) == 1, "its successor is there")
        wait_until(server._is_ready, "all are ready")
        assert saves(server) == 40


def test_an_autosave_says_how_long_it_took(client: Client) -> None:
    task = client.new_draft()
    timing = client.patch(f"/api/v1/tasks/{task}", json={"title": "timed"}).headers["server-timing"]
    assert timing.startswith("app;dur=")
    assert 0 < float(timing.removeprefix("app;dur=")) < 5000


def test_the_log_says_who_did_what_and_holds_no_token_and_no_text(shared_server: Callable[..., Server]) -> None:
    server = shared_server(PALIMPSEST_LOG_LEVEL="debug")
    with server.client() as client:
        request_id = str(uuid4())
        task = client.new_draft()
        client.patch(f"/api/v1/tasks/{task}", json={"title": "very private"}, headers={"X-Request-Id": request_id})
        client.get("/api/v1/tasks", params={"q": "very private"})
        client.patch(f"/api/v1/tasks/{task}", content=b'{"title": "very private')
        client.get("/api/v1/tasks", headers={"Authorization": "Bearer very.private.token"})
        token = client.headers["authorization"].split()[1]
        user = str(client.user_id)
    server.stop()
    log = server.log.read_text()
    assert token not in log
    assert token.split(".")[2] not in log
    assert "private" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == request_id]
    assert line["level"] == "debug"
    assert (line["method"], line["path"], line["status"]) == ("PATCH", f"/api/v1/tasks/{task}", 200)
    assert (line["actor"], line["version"]) == (user, 2)
    assert line["seconds"] > 0
