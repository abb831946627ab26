"""Starting again: after a kill, with everything acknowledged; with other settings, and the same past."""

from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import psutil

from tests.support.fold import fold
from tests.support.harness import Client, Server, wait_until

READY = {
    "title": "A logo",
    "description": "A logo for a bakery, warm and simple.",
    "category": "design",
    "task_type": "logo",
    "budget_usd": 120,
}


def processes_of(server: Server) -> list[psutil.Process]:
    """The processes of a running service, those of its PostgreSQL left out."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def postgres_of(data_dir: Path) -> list[psutil.Process]:
    """The PostgreSQL processes that run on a data directory."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "cwd"]):
        where = [process.info["cwd"] or "", *(process.info["cmdline"] or ())]
        if any(str(data_dir) in text for text in where) and process.info["name"] == "postgres":
            found.append(process)
    return found


def type_until_the_service_is_gone(client: Client, task_id: str) -> list[str]:
    """The texts in the order in which they were acknowledged."""
    acknowledged = [""]
    while True:
        text = acknowledged[-1] + "abcdefghij"[len(acknowledged) % 10]
        try:
            response = client.patch(f"/api/v1/tasks/{task_id}", json={"description": text[-5000:]})
        except httpx.TransportError:
            return acknowledged
        assert response.status_code == 200, response.text
        acknowledged.append(response.json()["description"])


def test_what_was_acknowledged_before_a_kill_is_there_after_it(
    new_store: Callable[[Path], Path], tmp_path: Path
) -> None:
    server = Server(tmp_path)
    data_dir = new_store(Path(server.environment["PALIMPSEST_DATA_DIR"]))
    started = []
    try:
        server.start()
        with server.client() as client:
            task_id = client.new_draft(**{**READY, "description": None})
            for _ in range(2):
                client.patch(f"/api/v1/tasks/{task_id}", json={"description": ""})
                started += processes_of(server)
                killer = Timer(0.7, server.kill)
                killer.start()
                acknowledged = type_until_the_service_is_gone(client, task_id)
                killer.join()
                assert len(acknowledged) > 10

                server.start()

                texts = [state["description"] for state in fold(client.history(task_id))]
                kept = texts[len(texts) - 1 - texts[::-1].index("") :]
                assert kept[: len(acknowledged)] == acknowledged
                assert len(kept) <= len(acknowledged) + 1  # one may have been recorded and not answered
                assert client.get(f"/api/v1/tasks/{task_id}").json()["description"] == texts[-1]
            assert client.post(f"/api/v1/tasks/{task_id}/publish").status_code == 200
        started += processes_of(server)
        assert postgres_of(data_dir)
    finally:
        server.stop()

    assert postgres_of(data_dir) == []
    wait_until(lambda: not any(process.is_running() for process in started), "every process of the service is gone")


def past_of(client: Client, tasks: list[str]) -> list[tuple[Any, ...]]:
    """Every view of every version and moment of these tasks, their histories and diffs, as bytes with their tags."""
    seen: list[tuple[Any, ...]] = []
    for task_id in tasks:
        path = f"/api/v1/tasks/{task_id}"
        history = client.history(task_id)
        past = [{"version": event["version"]} for event in history]
        past += [{"at": event["occurred_at"]} for event in history]
        requests = [(path, {}), (f"{path}/history", {"limit": 1000}), *((path, when) for when in past)]
        for address, parameters in requests:
            response = client.get(address, params=parameters)
            assert response.status_code == 200, response.text
            tags = [response.headers.get(name) for name in ("etag", "last-modified")]
            seen.append((address, parameters, response.content, tags))
    return seen


def test_other_settings_leave_every_past_as_it_was(start_server: Callable[..., Server], database: str) -> None:
    settings = {
        "PALIMPSEST_DATABASE_URL": database,
        "PALIMPSEST_DRAFT_TTL_DAYS": "30",
        "PALIMPSEST_COMPUTE_SHARE": "0.1",
        "PALIMPSEST_DESCRIPTION_MIN_LENGTH": "5",
    }
    before = start_server(**settings)
    with before.client() as client:
        user = client.user_id
        published = client.new_draft(**{**READY, "title": "", "description": "brief"})
        client.put(f"/api/v1/tasks/{published}/transcript", json={"text": "What was said about it."})
        assert client.post(f"/api/v1/tasks/{published}/publish").json()["compute_budget"] == 12
        restored = client.new_draft(title="restored", requirements={"b": 1, "a": [1.0, None]})
        client.delete(f"/api/v1/tasks/{restored}")
        client.post(f"/api/v1/tasks/{restored}/restore")
        draft = client.new_draft(**READY)
        client.patch(f"/api/v1/tasks/{draft}", json={"description": "rewritten"})
        tasks = [published, restored, draft]
        past = past_of(client, tasks)
    before.stop()

    settings |= {
        "PALIMPSEST_DRAFT_TTL_DAYS": "2",
        "PALIMPSEST_COMPUTE_SHARE": "0.5",
        "PALIMPSEST_DESCRIPTION_MIN_LENGTH": "4000",
    }
    with start_server(**settings).client(user) as client:
        assert past_of(client, tasks) == past

        life = client.get(f"/api/v1/tasks/{draft}").json()["expires_at"]
        changed = client.patch(f"/api/v1/tasks/{draft}", json={"title": "changed"}).json()
        assert changed["expires_at"] > life  # the life that its DraftCreated recorded, from now on
        refused = client.post(f"/api/v1/tasks/{draft}/publish").json()
        assert [(error["code"], error["limit"]) for error in refused["errors"]] == [("too_short", 4000)]
