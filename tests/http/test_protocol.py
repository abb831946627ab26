"""Connections: closed when a request is not complete in time, and kept at the end for a request on its way."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import uvicorn

from service.http import protocol
from service.http.protocol import HttpProtocol
from tests.support.harness import free_port, wait_until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/body":
        while (message := await receive()).get("more_body"):
            pass
        assert message["type"] in ("http.request", "http.disconnect")
    if scope["type"] == "http":
        value = unquote_to_bytes(scope["query_string"])
        headers = [(b"content-length", b"2"), (b"x-value", value)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[uvicorn.Server, int]]:
    """A server with a request timeout of half a second."""
    monkeypatch.setattr(protocol, "REQUEST_TIMEOUT", 0.5)
    port = free_port()
    config = uvicorn.Config(hello, port=port, http=HttpProtocol, lifespan="off", log_config=None, timeout_keep_alive=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server listens")
        yield server, port
    finally:
        server.should_exit = True
        thread.join()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def answered(wire: socket.socket) -> bytes:
    """A whole response of `hello`."""
    answer = b""
    while not answer.endswith(b"hi"):
        received = wire.recv(1000)
        assert received
        answer += received
    return answer


def seconds_until_closed(wire: socket.socket, sent_meanwhile: bytes = b"") -> float:
    begun = time.monotonic()
    wire.settimeout(0.1)
    while time.monotonic() - begun < 10:
        try:
            if sent_meanwhile:
                wire.send(sent_meanwhile)
            if wire.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "beginning", [b"", b"GET / HTTP/1.1\r\n", GET + b"GET / HT", GET[:-2] + b"content-length: 9\r\n\r\nshort"]
)
def test_a_connection_whose_request_is_not_complete_in_time_is_closed(
    served: tuple[uvicorn.Server, int], beginning: bytes
) -> None:
    with connected(served[1]) as wire:
        wire.sendall(beginning)
        assert 0.3 < seconds_until_closed(wire) < 3


def test_a_body_that_does_not_arrive_in_time_is_answered_with_408(served: tuple[uvicorn.Server, int]) -> None:
    with connected(served[1]) as wire:
        wire.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\ncontent-length: 9\r\n\r\nshort")
        answer = b""
        while received := wire.recv(1000):
            answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    assert b"connection: close" in head
    assert json.loads(body)["status"] == 408


def test_a_byte_now_and_then_changes_nothing(served: tuple[uvicorn.Server, int]) -> None:
    with connected(served[1]) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nx: ")
        assert 0.3 < seconds_until_closed(wire, b"x") < 3


def test_an_idle_connection_is_kept(served: tuple[uvicorn.Server, int]) -> None:
    with connected(served[1]) as wire:
        for _ in range(2):
            wire.sendall(GET)
            assert answered(wire).startswith(b"HTTP/1.1 200")
            time.sleep(1)


def test_a_request_that_comes_while_the_server_ends_is_answered(served: tuple[uvicorn.Server, int]) -> None:
    server, port = served
    with connected(port) as wire:
        wire.sendall(GET)
        assert answered(wire).startswith(b"HTTP/1.1 200")
        server.should_exit = True
        time.sleep(0.3)  # it looks every 0.1 s whether to end
        wire.sendall(GET)
        answer = answered(wire)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer


@pytest.mark.parametrize("value", [b"%0d%0ax-more:%201", b"%0a", b"%0d", b"%00"])
def test_no_header_can_bring_another(served: tuple[uvicorn.Server, int], value: bytes) -> None:
    with connected(served[1]) as wire:
        wire.sendall(GET.replace(b"/", b"/?" + value, 1))
        assert wire.recv(1000) == b""


def test_connections_beyond_the_limit_are_closed(
    served: tuple[uvicorn.Server, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CONNECTIONS", 1)
    with connected(served[1]) as first:
        first.sendall(GET)
        assert answered(first).startswith(b"HTTP/1.1 200")
        with connected(served[1]) as second:
            assert seconds_until_closed(second) < 0.3


def received_until_closed(wire: socket.socket) -> bytes:
    wire.settimeout(10)
    answer = b""
    try:
        while piece := wire.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


async def reports(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the headers and the body that it got."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    report = json.dumps({"headers": sorted(name.decode() for name, _ in scope["headers"]), "body": body.decode()})
    headers = [(b"content-length", b"%d" % len(report))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": report.encode()})


@pytest.fixture
def reporting() -> Iterator[int]:
    """The port of a server that answers with what it got."""
    port = free_port()
    config = uvicorn.Config(reports, port=port, http=HttpProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server listens")
        yield port
    finally:
        server.should_exit = True
        thread.join()


def report_of(port: int, request: bytes) -> dict[str, Any]:
    with connected(port) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        answer = received_until_closed(wire)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    report: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return report


@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE"])
def test_an_upgrade_is_ignored_and_the_body_read(reporting: int, name: bytes) -> None:
    report = report_of(
        reporting,
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n" + name + b": h2c\r\n"
        b"Content-Length: 14\r\nConnection: close\r\n\r\n\r\nUpgrade: body",
    )

    assert report["body"] == "\r\nUpgrade: bod"[:14]


def test_an_upgrade_of_a_later_request_is_ignored_too(reporting: int) -> None:
    with connected(reporting) as wire:
        for last in (b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n"):
            wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + last + b"Content-Length: 4\r\n\r\nbody")
            answer = b""
            while not answer.endswith(b"}"):
                answer += wire.recv(65536)
            assert b'"body": "body"' in answer


def test_an_upgrade_that_cannot_be_ignored_is_refused_and_not_carried_out(reporting: int) -> None:
    with connected(reporting) as wire:
        wire.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: uPgRaDe\r\nuPgRaDe: h2c\r\nContent-Length: 4\r\n\r\nbody"
        )
        answer = received_until_closed(wire)

    assert answer.startswith(b"HTTP/1.1 501")
    assert b"200" not in answer.partition(b"\r\n")[0]


def test_trailers_are_no_headers(reporting: int) -> None:
    report = report_of(
        reporting,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"4\r\nbody\r\n0\r\nAuthorization: Bearer x\r\nIf-Match: *\r\n\r\n",
    )

    assert report["body"] == "body"
    assert not {"authorization", "if-match"} & set(report["headers"])


@pytest.mark.parametrize("piece", [b"X-More: " + b"y" * 4000 + b"\r\n", b"y" * 4096], ids=["many", "one"])
def test_trailers_without_end_are_refused(reporting: int, piece: bytes) -> None:
    with connected(reporting) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-First: ")
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 * 1024 * 1024:
                wire.sendall(piece)
                sent += len(piece)

    assert sent < 16 * 1024 * 1024


def test_a_request_before_garbage_is_answered(reporting: int) -> None:
    with connected(reporting) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" + b"\0garbage\r\n\r\n")
        answer = received_until_closed(wire)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"body": "body"' in answer
    assert answer.count(b"HTTP/1.1") == 1
