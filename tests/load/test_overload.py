"""Past capacity the service sheds and stays quick for what it accepts; slow clients hold nobody up."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from tests.support.crowd import Figures, crowd
from tests.support.harness import Server

QUICK = 2.0
"""Seconds in which everybody is answered, whatever the crowd."""


def test_past_capacity_it_sheds_and_stays_quick_for_what_it_accepts(start_server: Callable[..., Server]) -> None:
    server = start_server()
    figures = asyncio.run(crowd(server, connections=2500, seconds=4))
    print(f"\n2500 connections: {figures}")
    assert figures.answers.keys() <= {200, 503}
    assert figures.answers[503] > 0
    assert figures.without_retry_after == 0
    assert figures.broken == 0
    # The load comes from the same two processors: its own share of the time is in these figures.
    assert figures.quantile(0.5) < QUICK
    with server.client() as client:
        begun = time.monotonic()
        client.new_draft()
        assert time.monotonic() - begun < QUICK


@contextmanager
def dawdlers(server: Server, count: int, request: bytes) -> Iterator[None]:
    """So many clients that send a request a byte at a time."""
    leaving = threading.Event()
    with ExitStack() as stack:
        wires = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(count)]

        def dawdle() -> None:
            for place in range(len(request)):
                if leaving.wait(0.5):
                    return
                for wire in wires:
                    wire.send(request[place : place + 1])

        thread = threading.Thread(target=dawdle)
        thread.start()
        try:
            yield
        finally:
            leaving.set()
            thread.join()


def test_clients_that_send_a_byte_at_a_time_hold_nobody_up(start_server: Callable[..., Server]) -> None:
    server = start_server()
    headers = b"PATCH /api/v1/tasks/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"s" * 1000
    with server.client() as client:
        token = client.headers["authorization"].encode()
        task = client.new_draft().encode()
        body = (
            b"PATCH /api/v1/tasks/"
            + task
            + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
            + token
            + b"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        with dawdlers(server, 300, headers), ExitStack() as stack:
            for _ in range(300):  # and as many whose body never ends
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port))).sendall(body + b'{"title"')
            figures = asyncio.run(crowd(server, connections=16, seconds=2))
    print(f"\n600 slow clients beside 16 others: {figures}")
    assert figures.answers.keys() == {200}
    assert figures.quantile(0.99) < QUICK


def test_a_graceful_end_finishes_what_is_in_flight(start_server: Callable[..., Server]) -> None:
    server = start_server()
    found: list[Figures] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(crowd(server, connections=50, seconds=3))))
    thread.start()
    time.sleep(1.5)
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    thread.join()
    (figures,) = found
    print(f"\nended in the middle: {figures}")
    # A request that was taken is answered: what was recorded is what was acknowledged, and the end of a connection
    # met those alone that had not been taken yet.
    with psycopg.connect(server.environment["PALIMPSEST_DATABASE_URL"]) as connection:
        (saved,) = connection.execute("SELECT count(*) FROM draft_events WHERE topic <> 'DraftCreated'").fetchone() or [
            0
        ]
    assert saved == figures.answers[200]
    assert figures.answers.keys() <= {200, 503}
    assert figures.answers[200] > 100
