"""The service ends when it is told to, whatever state the store is in."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from service.embedded import embedded_server
from service.migrate import migrate
from tests.harness import Server


def test_it_ends_while_the_store_hangs(start_server: Callable[..., Server], tmp_path: Path) -> None:
    with embedded_server(tmp_path / "store") as url:
        migrate(url)
        server = start_server(PALIMPSEST_DATABASE_URL=url)
        with server.client() as client:
            client.new_draft()
        postmaster = psutil.Process(int((tmp_path / "store" / "postgres" / "postmaster.pid").read_text().split()[0]))
        hanging = [postmaster, *postmaster.children(recursive=True)]
        for process in hanging:
            process.suspend()
        try:
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
        finally:
            for process in hanging:
                process.resume()
