"""Several server processes on one store: they write the same drafts at once, without visible conflicts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.support.fold import fold, view
from tests.support.harness import Client, Server, wait_until

WRITERS = 16
SAVES = 15


class Fleet:
    """Two processes, and connections to both in the name of one user."""

    def __init__(self, servers: list[Server], stack: ExitStack) -> None:
        self.servers = servers
        self.user = uuid4()
        self.clients: list[Client] = []
        self._stack = stack
        wait_until(self._reaches_both_processes, "both processes have a connection of ours")

    def _reaches_both_processes(self) -> bool:
        for number in range(WRITERS):
            client = self._stack.enter_context(self.servers[number % len(self.servers)].client(self.user))
            assert client.get("/health/live").status_code == 200
            self.clients.append(client)
        return len(self.processes()) == 2

    def processes(self) -> set[int]:
        """The server processes that hold a connection of ours."""
        ports = {server.port for server in self.servers}
        found = set()
        for server in self.servers:
            assert server.process is not None
            for process in psutil.Process(server.process.pid).children(recursive=True):
                connections = process.net_connections("tcp")
                if any(one.status == psutil.CONN_ESTABLISHED and one.laddr.port in ports for one in connections):
                    found.add(process.pid)
        return found

    def at_once(self, send: Callable[[int, Client], Any]) -> list[Any]:
        """What `send` returns for each connection, all of them busy at the same time."""
        start = Barrier(len(self.clients))

        def work(number: int) -> Any:
            start.wait()
            return send(number, self.clients[number])

        with ThreadPoolExecutor(len(self.clients)) as threads:
            return list(threads.map(work, range(len(self.clients))))


@pytest.fixture(scope="module", params=["one serve with two workers", "two serves"])
def fleet(
    request: pytest.FixtureRequest, new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    workers, count = ("2", 1) if request.param == "one serve with two workers" else ("1", 2)
    directory, database = tmp_path_factory.mktemp("fleet"), new_database()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(directory, PALIMPSEST_DATABASE_URL=database, PALIMPSEST_WORKERS=workers))
            for _ in range(count)
        ]
        yield Fleet(servers, stack)


def test_nothing_is_lost_and_no_conflict_is_seen_where_many_write_one_draft(fleet: Fleet) -> None:
    task_id = fleet.clients[0].new_draft()
    path = f"/api/v1/tasks/{task_id}"
    fields = ("title", "description", "category", "task_type")

    def save(number: int, client: Client) -> list[tuple[str, str, httpx.Response]]:
        field = fields[number % 4]
        texts = [f"{number}: {'typed ' * save}" for save in range(SAVES)]
        return [(field, text[:100], client.patch(path, json={field: text[:100]})) for text in texts]

    saves = [save for many in fleet.at_once(save) for save in many]

    assert {response.status_code for _, _, response in saves} == {200}, [r.text for _, _, r in saves if r.is_error]
    history = fleet.clients[0].history(task_id)
    states = fold(history)
    assert [event["version"] for event in history] == list(range(1, len(saves) + 2))
    for field, text, response in saves:
        version = int(response.headers["etag"].strip('"'))
        assert history[version - 1]["data"]["field"] == field
        assert states[version - 1][field] == text
        assert response.json() == view(states[version - 1])
    for client in fleet.clients:
        assert client.get(path).json() == view(states[-1])
    assert len(fleet.processes()) == 2


def test_a_key_that_is_used_at_once_on_both_processes_gives_one_event(fleet: Fleet) -> None:
    for attempt in range(5):
        task_id = fleet.clients[0].new_draft()
        headers = {"idempotency-key": f"save-{attempt}"}

        def save(_: int, client: Client, task_id: str = task_id, headers: dict[str, str] = headers) -> tuple[Any, ...]:
            response = client.patch(f"/api/v1/tasks/{task_id}", json={"title": "once"}, headers=headers)
            return response.status_code, response.headers["etag"], response.content

        answers = fleet.at_once(save)

        assert len(set(answers)) == 1
        assert answers[0][:2] == (200, '"2"')
        assert len(fleet.clients[0].history(task_id)) == 2


def test_a_key_that_is_used_at_once_on_both_processes_creates_one_draft(fleet: Fleet) -> None:
    headers = {"idempotency-key": f"create-{uuid4()}"}
    title = headers["idempotency-key"]

    answers = fleet.at_once(
        lambda _, client: client.post("/api/v1/tasks/drafts", json={"title": title}, headers=headers)
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    items = fleet.clients[0].get("/api/v1/tasks", params={"limit": 100}).json()["items"]
    assert [item["id"] for item in items if item["title"] == title] == [answers[0].json()["id"]]


def test_an_id_that_is_taken_at_once_on_both_processes_makes_one_draft(fleet: Fleet) -> None:
    for task_id in [str(uuid4()) for _ in range(5)]:
        body = {"id": task_id, "title": "mine"}
        statuses = fleet.at_once(
            lambda _, client, body=body: client.post("/api/v1/tasks/drafts", json=body).status_code  # type: ignore[misc]
        )

        assert sorted(statuses) == [201] + [409] * (len(statuses) - 1)
        assert [event["version"] for event in fleet.clients[0].history(task_id)] == [1, 2]


def test_of_changes_for_one_version_on_both_processes_one_is_carried_out(fleet: Fleet) -> None:
    for _ in range(5):
        path = f"/api/v1/tasks/{fleet.clients[0].new_draft()}"
        statuses = fleet.at_once(
            lambda number, client, path=path: (
                client.patch(  # type: ignore[misc]
                    path, json={"title": f"by {number}"}, headers={"if-match": '"1"'}
                ).status_code
            )
        )

        assert sorted(statuses) == [200] + [412] * (len(statuses) - 1)
