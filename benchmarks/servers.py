"""The processes of a run and their databases. What is started here is ended here, by its pid."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = Path(sys.executable).parent
START_LIMIT = 60.0  # seconds
STOP_LIMIT = 20.0


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """In /tmp, for a path short enough for a socket; open to pass through for the account that PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="palimpsest-bench-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """The URL of an empty database, dropped on leaving so that no vacuum of it disturbs what is measured next."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
        connection.execute(drop)
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield with_database(server_url, name)
        connection.execute(drop)


def with_database(server_url: str, name: str) -> str:
    """The same `postgresql://` URL with another database in it."""
    parts = urlsplit(server_url)
    # urlunsplit would drop the empty host of a URL that names a socket's directory in its query.
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own, its output in `log`; on leaving, TERM it, and what is left of it KILL."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def wait_until_ready(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    """Poll until `url` answers anything below 500."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if running.poll() is not None:
            break
        try:
            with urlopen(url, timeout=1):
                return
        except HTTPError as answer:
            if answer.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"{running.args!r} is not ready at {url}:\n{log.read_text()[-2_000:]}")


@contextmanager
def peer(module: str, directory: Path, database_url: str, variables: dict[str, str] | None = None) -> Iterator[str]:
    """Serve a peer as the product serves itself: uvicorn, httptools, uvloop, one process. Yields its address."""
    port = free_port()
    log = directory / f"{module}-{port}.log"
    command = [
        str(COMMANDS / "uvicorn"),
        "--loop=uvloop",
        "--http=httptools",
        "--ws=none",
        "--no-proxy-headers",
        "--no-server-header",
        "--no-access-log",
        f"--port={port}",
        "--log-level=warning",
        f"benchmarks.{module}:app",
    ]
    environment = {"BENCH_DATABASE_URL": database_url, **(variables or {})}
    with process(command, environment, log) as running:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, running, log)
        yield address
