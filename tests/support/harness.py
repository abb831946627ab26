"""Real servers and clients for tests."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import httpx
import jwt
import psutil
from click.testing import CliRunner

from service.cli.main import main

PALIMPSEST = str(Path(sys.executable).with_name("palimpsest"))
SECRET = "a secret of at least thirty-two bytes"
DEADLINE = 90
"""Seconds that anything may take to happen before a test gives up, on a machine that is busy with other things."""


def with_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _ports() -> Iterator[int]:
    """Ports that no outgoing connection is given by chance, in no order: each once, and to one process of a run."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = range(20_000 + number, 32_000, count)
    yield from random.sample(ports, len(ports))


_PORTS = _ports()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that no other test of this run is given."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """The first true value of `condition`; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def run_palimpsest(directory: Path, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of palimpsest on a database, run in the directory; in this process, which has imported it already."""
    ours = {"PALIMPSEST_DATABASE_URL": database, "PALIMPSEST_DATA_DIR": str(directory / "data")}
    return in_process(directory, *arguments, **ours)


def in_process(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of palimpsest in a directory, with no settings but those given. What it raises is raised here."""
    others: dict[str, str | None] = {name: None for name in os.environ if name.startswith("PALIMPSEST_")}
    with chdir(directory):
        result = CliRunner().invoke(main, arguments, env={**others, **environment}, catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


class Client(httpx.Client):
    """A user of a service."""

    user_id: UUID

    def __init__(self, **options: Any) -> None:
        # Nothing here speaks TLS, and reading the certificates takes longer than most tests.
        super().__init__(verify=False, **options)

    def new_draft(self, **fields: Any) -> str:
        """The id of a new draft with these fields."""
        response = self.post("/api/v1/tasks/drafts", json=fields)
        assert response.status_code == 201, response.text
        task_id: str = response.json()["id"]
        return task_id

    def history(self, task_id: str) -> list[dict[str, Any]]:
        """All events of a task."""
        items: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self.get(f"/api/v1/tasks/{task_id}/history", params={"after": after, "limit": 1000}).json()
            items += page["items"]
            after = page["next_after"]
        return items


def connections(process: psutil.Process) -> list[Any]:
    """The TCP connections of a process, none of one that is gone."""
    try:
        return process.net_connections("tcp")
    except psutil.Error:
        return []


class Server:
    """A service in processes of its own, as `palimpsest serve` starts it."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / f"serve-{self.port}.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PALIMPSEST_")},
            "PALIMPSEST_PORT": str(self.port),
            "PALIMPSEST_DATA_DIR": str(directory / "data"),
            "PALIMPSEST_AUTH_SECRET": SECRET,
            "PALIMPSEST_RATE_LIMIT": "off",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [PALIMPSEST, "serve"], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._is_ready, f"{self.url} is ready; its log:\n{self.log.read_text()}")
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def workers(self) -> list[psutil.Process]:
        """Those of its processes that serve HTTP."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if any(one.status == "LISTEN" for one in connections(child))]

    def stop(self) -> None:
        """Stop as an operator would, and wait for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE)

    def kill(self) -> None:
        """End at once, without a chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE)

    def token(self, user_id: UUID, scope: str = "") -> str:
        """A token for a user."""
        return self.run("token", "--sub", str(user_id), "--scope", scope).stdout.strip()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of palimpsest with the settings of this service."""
        return subprocess.run(
            [PALIMPSEST, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE * 4,
            check=check,
        )

    def client(self, user_id: UUID | None = None, scope: str = "") -> Client:
        """A user of this service, a new one unless one is named."""
        user = user_id or uuid4()
        client = Client(base_url=self.url, headers={"Authorization": self.bearer(user, scope)}, timeout=DEADLINE)
        client.user_id = user
        return client

    def bearer(self, user_id: UUID, scope: str = "") -> str:
        """The header of a user, its token as `palimpsest token` mints them, without its process."""
        claims = {"sub": str(user_id), "exp": int(time.time()) + 3600, "scope": scope}
        return "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
