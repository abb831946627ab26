"""Methods, paths, request ids and the order of refusals (docs/api.md, Errors; RFC 9110)."""

import select
import socket
import time
from uuid import UUID, uuid4

import httpx
import pytest

from service.application import HANDLERS
from service.http.problems import PROBLEMS
from tests.support.harness import Client, Server, wait_until

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
PATHS = sorted({path for handler in HANDLERS for path in handler.paths})


def allowed(path: str) -> set[str]:
    """The methods of a path: HEAD goes with GET, and OPTIONS with all."""
    methods = {str(method) for handler in HANDLERS if path in handler.paths for method in handler.http_methods}
    assert ("GET" in methods) == ("HEAD" in methods)
    return methods | {"OPTIONS"}


def concrete(path: str) -> str:
    """The path with values for its parameters."""
    for name, value in {"task_id": str(uuid4()), "folder": "docs", "file": "docs.js", "slug": "validation"}.items():
        path = path.replace(f"{{{name}:str}}", value)
    return path


def slug_of(response: httpx.Response) -> str:
    slug: str = response.json()["type"].removeprefix("/problems/")
    assert PROBLEMS[slug].status == response.status_code
    assert response.headers["content-type"] == "application/problem+json"
    return slug


@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_refused_with_those_that_are_allowed(client: Client, path: str) -> None:
    for method in (METHODS | {"TRACE", "PROPFIND"}) - allowed(path):
        response = client.request(method, concrete(path))
        assert response.status_code == 405, method
        assert set(response.headers["allow"].split(", ")) == allowed(path)
        if method != "HEAD":
            assert slug_of(response) == "method-not-allowed"


@pytest.mark.parametrize("path", PATHS)
def test_options_lists_the_methods_and_needs_no_token(server: Server, path: str) -> None:
    response = httpx.options(server.url + concrete(path))

    assert response.status_code == 204
    assert set(response.headers["allow"].split(", ")) == allowed(path)
    assert response.content == b""


@pytest.mark.parametrize("path", [path for path in PATHS if "GET" in allowed(path)])
def test_head_answers_as_get_without_the_body(client: Client, path: str) -> None:
    target = concrete(path)
    if "task_id" in path:
        task_id = client.new_draft(title="a")
        client.put(f"/api/v1/tasks/{task_id}/transcript", json={"text": "said"})
        target = path.replace("{task_id:str}", task_id)
    if path == "/health/ready":  # its figures move until the views are at the head
        wait_until(lambda: not any(view["events"] for view in client.get(path).json()["views"]), "the views follow")
    get, head = client.get(target), client.head(target)

    own = {"date", "x-request-id"} | ({"content-length"} if path == "/metrics" else set())
    assert head.status_code == get.status_code
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }
    if path != "/metrics":  # its figures move between the two
        assert int(head.headers["content-length"]) == len(get.content)
    assert head.content == b""


def test_head_of_an_unchanged_task_is_304_too(client: Client) -> None:
    path = f"/api/v1/tasks/{client.new_draft()}"

    assert client.head(path, headers={"If-None-Match": '"1"'}).status_code == 304
    assert client.head(path, headers={"If-None-Match": '"2"'}).status_code == 200


NOWHERE = [
    "/nowhere",
    "/api",
    "/api/",
    "/api/v1",
    "/api/v2/tasks",
    "/api/v1/tasks/",
    "//api/v1/tasks",
    "/api//v1/tasks",
    "/API/v1/tasks",
    "/api/v1/tasks/0b2f7c1e-5d0a-4f6e-9c3b-1a2b3c4d5e6f/",
    "/api/v1/tasks/0b2f7c1e-5d0a-4f6e-9c3b-1a2b3c4d5e6f/secret",
    "/api/v1/tasks//0b2f7c1e-5d0a-4f6e-9c3b-1a2b3c4d5e6f",
    "/api/v1/tasks/drafts/history",
    "/schema",
    "/docs/",
    "/favicon.ico",
    "/%00",
    "/%ff",
    "/a%2fb",
    "/" + "a" * 5000,
]


@pytest.mark.parametrize("path", NOWHERE, ids=lambda path: path[:40])
def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    for method in METHODS - {"HEAD"}:
        response = client.request(method, f"{client.base_url}{path}")
        assert slug_of(response) == "not-found", method


@pytest.mark.parametrize("path", [path for path in NOWHERE if path.startswith("/api/")], ids=lambda path: path[:40])
def test_below_the_api_the_paths_are_hidden_without_a_token(server: Server, path: str) -> None:
    for method in METHODS - {"HEAD", "OPTIONS"}:
        assert slug_of(httpx.request(method, server.url + path)) == "unauthorized"


@pytest.mark.parametrize("path", ["/nowhere", "/docs", "/api/v1/tasks", "/api/v1/tasks/x", "/health/ready"])
def test_every_response_has_a_request_id_of_its_own_or_the_client_s(client: Client, path: str) -> None:
    mine = uuid4()

    assert UUID(client.get(path).headers["x-request-id"]) != UUID(client.get(path).headers["x-request-id"])
    assert client.get(path, headers={"X-Request-Id": str(mine)}).headers["x-request-id"] == str(mine)
    assert len(client.get(path, headers={"X-Request-Id": "x" * 500}).headers["x-request-id"]) == 36


def test_the_events_carry_the_request_id(client: Client) -> None:
    mine = str(uuid4())
    task_id = client.new_draft()
    client.patch(f"/api/v1/tasks/{task_id}", json={"title": "a"}, headers={"X-Request-Id": mine})
    client.patch(f"/api/v1/tasks/{task_id}", json={"title": "b"}, headers={"Idempotency-Key": "mine"})

    assert [event["request_id"] for event in client.history(task_id)[1:]] == [mine, "mine"]


def test_refusals_come_in_the_documented_order(server: Server, client: Client) -> None:
    """Each request has all the faults that are still ahead; taking away the first shows the next."""
    with server.client() as another_user:
        theirs = another_user.new_draft()
    mine = client.new_draft()
    client.patch(f"/api/v1/tasks/{mine}", json={"title": "a"}, headers={"Idempotency-Key": "used"})
    discarded = client.new_draft()
    client.delete(f"/api/v1/tasks/{discarded}")
    too_large = b'{"title": %s}' % (b"[" * 300_000)
    wrong = {"If-Match": "x", "Content-Type": "text/plain"}
    form = {"If-Match": "x", "Content-Type": "application/json"}
    stale = {"If-Match": '"99"', "Content-Type": "application/json"}

    def sent(path: str, body: bytes, headers: dict[str, str], method: str = "PATCH") -> str:
        return slug_of(
            client.request(method, f"/api/v1/tasks/{path}", content=body, headers={"Connection": "close", **headers})
        )

    no_token = httpx.post(f"{server.url}/api/v1/tasks/{theirs}/nowhere", content=too_large, headers=wrong)
    assert slug_of(no_token) == "unauthorized"
    assert sent(f"{theirs}/nowhere", too_large, wrong) == "not-found"
    assert sent(theirs, too_large, wrong, "POST") == "method-not-allowed"
    assert sent(theirs, too_large, wrong) == "unsupported-media-type"
    assert sent(theirs, too_large, form) == "body-too-large"
    assert sent(theirs, b"{", form) == "malformed-parameter"
    assert sent(theirs, b"{", stale) == "malformed-json"
    assert sent(theirs, b'{"title": 5}', stale) == "validation"
    assert sent(theirs, b'{"title": "b"}', {**stale, "Idempotency-Key": "used"}) == "not-found"
    assert sent(mine, b'{"title": "b"}', {**stale, "Idempotency-Key": "used"}) == "idempotency-key-reused"
    assert sent(discarded, b'{"title": "b"}', stale) == "not-a-draft"
    assert sent(mine, b'{"title": "b"}', stale) == "version-mismatch"
    assert sent(f"{mine}/publish", b"", stale, "POST") == "version-mismatch"
    assert sent(f"{mine}/publish", b"", {}, "POST") == "not-publishable"


def raw(server: Server, request: bytes) -> bytes:
    """What the server answers to these bytes, until it closes or is quiet."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://elsewhere.example/health/live HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET /health/live?%zz HTTP/1.1",
        b"GET /api/v1/tasks?q=\xff HTTP/1.1",
        b"GET /\xf0\x28\x8c\x28 HTTP/1.1",
        b"GET /static/../../app.py HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"CONNECT example:80 HTTP/1.1",
        b"BREW / HTTP/1.1",
    ],
)
def test_odd_requests_are_never_a_server_error(server: Server, request_line: bytes) -> None:
    answer = raw(server, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer == b"" or answer[9:10] in (b"2", b"3", b"4")


def test_invalid_http_is_refused_with_a_problem(server: Server) -> None:
    answer = raw(server, b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n")


def test_a_head_without_end_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(100):
            wire.sendall(b"x-%03d: %s\r\n" % (number, b"x" * 1000))
            time.sleep(0.001)
            if select.select([wire], [], [], 0)[0]:
                break
        assert wire.recv(100).startswith(b"HTTP/1.1 431 ")
    assert number < 99


def test_a_body_that_never_becomes_whole_changes_nothing(server: Server, client: Client) -> None:
    task_id = client.new_draft()
    token = client.headers["authorization"].encode()
    raw(
        server,
        b"PATCH /api/v1/tasks/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"title": "a"}' % (task_id.encode(), token),
    )

    assert len(client.history(task_id)) == 1
