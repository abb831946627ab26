"""The event stream live (docs/api.md, Events)."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import httpx
import jwt
import psycopg
import pytest

from tests.support.harness import DEADLINE, Client, Server, wait_until
from tests.support.harness import SECRET as SIGNING_SECRET

STREAM = "/api/v1/events/stream"
SECRET = "Unaussprechlich-☃"


class Frame(NamedTuple):
    id: int
    event: str
    data: dict[str, Any]


class Reader:
    """A reader of the stream: `frames` fills as it listens, in a thread of its own."""

    def __init__(self, client: Client, after: int | None = None, last: str | None = None) -> None:
        self._client = client
        self._params = {} if after is None else {"after": after}
        self._headers = {} if last is None else {"Last-Event-ID": last}
        self._response: httpx.Response | None = None
        self.frames: list[Frame] = []
        self.comments = 0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.comments, "the stream begins")
        return self

    def __exit__(self, *_: object) -> None:
        if self._response is not None and not self.ended.is_set():
            sock = self._response.extensions["network_stream"].get_extra_info("socket")
            sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", STREAM, params=self._params, headers=self._headers) as self._response:
                assert self._response.status_code == 200
                assert self._response.headers["content-type"] == "text/event-stream"
                text = ""
                for piece in self._response.iter_text():
                    *whole, text = (text + piece).split("\n\n")
                    for block in whole:
                        self._take(block)
        except httpx.TransportError:
            pass
        finally:
            self.ended.set()

    def _take(self, block: str) -> None:
        if block.startswith(":"):
            self.comments += 1
            return
        match = re.fullmatch(r"id: (\d+)\nevent: (\w+)\ndata: (.*)", block)
        assert match, block
        self.frames.append(Frame(int(match[1]), match[2], json.loads(match[3])))

    def wait_for(self, count: int) -> list[Frame]:
        wait_until(lambda: len(self.frames) >= count, f"{count} frames; there are {len(self.frames)}")
        return self.frames


@pytest.fixture
def analyst(server: Server) -> Iterator[Client]:
    with server.client(scope="analytics") as client:
        yield client


def head_of(reader: Client) -> int:
    head: int = reader.get("/api/v1/events", params={"limit": 1}).json()["head"]
    return head


def test_a_live_reader_sees_each_event_as_it_is_committed(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    with Reader(analyst, after) as reader:
        task = client.new_draft(title=SECRET)
        frames = reader.wait_for(2)

    page = analyst.get("/api/v1/events", params={"after": after, "task_id": task}).json()
    assert [frame.data for frame in frames] == page["items"]
    assert [(frame.id, frame.event) for frame in frames] == [(item["position"], item["type"]) for item in page["items"]]


def test_no_text_and_no_digest_get_out_for_analytics(client: Client, analyst: Client) -> None:
    with Reader(analyst, head_of(analyst)) as reader:
        task = client.new_draft(title=SECRET, requirements={SECRET: SECRET})
        client.put(f"/api/v1/tasks/{task}/transcript", json={"text": SECRET}, headers={"Idempotency-Key": "Unaus"})
        sent = json.dumps(reader.wait_for(4), ensure_ascii=False)

    assert "Unaus" not in sent
    assert "☃" not in sent
    assert "digest" not in sent


def test_audit_follows_the_stream_with_its_text(server: Server, client: Client) -> None:
    with server.client(scope="audit") as auditor, Reader(auditor, head_of(auditor)) as reader:
        task = client.new_draft(title=SECRET)
        frames = reader.wait_for(2)

    assert [frame.data for frame in frames] == client.history(task)
    assert f'"reader": "{auditor.user_id}"' in server.log.read_text()


def test_a_reader_resumes_behind_the_last_event_it_has_seen(client: Client, analyst: Client) -> None:
    after = head_of(analyst)
    client.new_draft(title="a", description="b", category="c")
    with Reader(analyst, after) as reader:
        first = reader.wait_for(4)
    seen = first[1].id
    with Reader(analyst, 0, str(seen)) as reader:
        rest = reader.wait_for(2)

    assert rest == first[2:]


def test_the_stream_begins_with_the_first_event_of_the_log(server: Server, client: Client, analyst: Client) -> None:
    client.new_draft()
    with Reader(analyst) as reader:
        assert reader.wait_for(1)[0].id == 1


@pytest.mark.parametrize("last", ["x", "-1", "1.5", str(2**63), "9" * 40, "1,2"])
def test_a_broken_last_event_id_is_refused(analyst: Client, last: str) -> None:
    response = analyst.get(STREAM, headers={"Last-Event-ID": last})

    assert response.status_code == 400
    assert "Last-Event-ID" in response.json()["detail"]


def test_the_stream_needs_a_scope(server: Server, client: Client) -> None:
    assert client.get(STREAM).status_code == 403
    assert httpx.get(f"{server.url}{STREAM}").status_code == 401
    assert client.post(STREAM).status_code == 405


def test_head_answers_without_following(analyst: Client) -> None:
    response = analyst.head(STREAM)

    assert response.headers["content-type"] == "text/event-stream"
    assert response.content == b""


def listeners(database: str) -> list[int]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND (query LIKE 'LISTEN%' OR query LIKE '%notification_id > $1 ORDER BY notification_id LIMIT $2')"
            " AND application_name = 'palimpsest'"
        ).fetchall()
    return [row[0] for row in rows]


def test_many_readers_share_one_listener_which_connects_again_by_itself(
    new_database: Callable[[], str], start_server: Callable[..., Server]
) -> None:
    database = new_database()
    server = start_server(PALIMPSEST_DATABASE_URL=database)
    with server.client(scope="analytics") as analyst, server.client() as client:
        readers = [Reader(analyst, 0) for _ in range(5)]
        for reader in readers:
            reader.__enter__()
        task = client.new_draft()
        for reader in readers:
            reader.wait_for(1)
        assert len(listeners(database)) == 1
        kill_other_connections(database)
        wait_until(lambda: client.patch(f"/api/v1/tasks/{task}", json={"title": "x"}).status_code == 200, "a change")
        for reader in readers:
            assert [frame.id for frame in reader.wait_for(2)] == [1, 2]
            assert not reader.ended.is_set()
            reader.__exit__()
        wait_until(lambda: not listeners(database), "nobody listens when nobody reads")


def kill_other_connections(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_the_end_of_the_service_ends_the_stream_at_once(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client(scope="analytics") as analyst, Reader(analyst, 0) as reader:
        begun = time.monotonic()
        server.stop()
        assert reader.ended.wait(DEADLINE)
    assert time.monotonic() - begun < 5
    assert "refused to gracefully stop" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_stream_ends_when_its_token_does(server: Server, client: Client, analyst: Client) -> None:
    claims = {"sub": str(analyst.user_id), "exp": int(time.time()) + 3, "scope": "analytics"}
    after = head_of(analyst)
    analyst.headers["Authorization"] = f"Bearer {jwt.encode(claims, SIGNING_SECRET, algorithm='HS256')}"
    with Reader(analyst, after) as reader:
        wait_until(lambda: client.new_draft() and reader.ended.is_set(), "the stream ends")
    assert reader.frames
