"""A store that hangs, neither gone nor answering: the service says so soon, and ends when it is told to."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from service.postgres.server import embedded_server
from tests.support.harness import Server

PROMPT = 2.5
"""Seconds: two, and what a busy machine adds."""


@pytest.fixture
def store(new_store: Callable[[Path], Path], tmp_path: Path) -> Iterator[str]:
    with embedded_server(new_store(tmp_path / "store")) as url:
        yield url


@contextmanager
def hanging(directory: Path) -> Iterator[None]:
    """The store of a data directory, stopped in the middle of whatever it does."""
    postmaster = psutil.Process(int((directory / "store" / "postgres" / "postmaster.pid").read_text().split()[0]))
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_it_ends_while_the_store_hangs(start_server: Callable[..., Server], store: str, tmp_path: Path) -> None:
    server = start_server(PALIMPSEST_DATABASE_URL=store)
    with server.client() as client:
        client.new_draft()
    with hanging(tmp_path):
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_every_read_is_refused_soon_while_the_store_hangs(
    start_server: Callable[..., Server], store: str, tmp_path: Path
) -> None:
    server = start_server(PALIMPSEST_DATABASE_URL=store)
    with server.client(scope="analytics audit") as client:
        draft = client.new_draft()
        paths = ("/api/v1/statistics", "/api/v1/events", f"/api/v1/tasks/{draft}/verify", f"/api/v1/tasks/{draft}")
        for path in paths:
            assert client.get(path).status_code == 200
        with hanging(tmp_path):
            for path in paths:
                begun = time.monotonic()
                answer = client.get(path)
                assert (answer.status_code, "retry-after" in answer.headers) == (503, True), path
                assert time.monotonic() - begun < PROMPT, path
