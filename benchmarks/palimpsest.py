"""The product, as `palimpsest serve` starts it: authentication on, nothing set but its address, database and workers.

The rate limit is off, since all the load comes from one user.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from benchmarks import client
from benchmarks.servers import COMMANDS, ROOT, free_port, process, wait_until_ready

COMMAND = COMMANDS / "palimpsest"


@dataclass
class Product:
    address: str
    token: str
    pid: int
    seconds_to_ready: float

    def create(self, drafts: Iterable[tuple[UUID, str]], **fields: Any) -> None:
        """A draft for each, with the text that it starts with."""
        bodies = (msgspec.json.encode({"id": draft, "description": text, **fields}) for draft, text in drafts)
        requests = (client.raw("POST", "/api/v1/tasks/drafts", self.token, body) for body in bodies)
        client.play(self.address, requests).check()

    def version(self, draft: UUID) -> int:
        answer, _ = client.ask(self.address, "GET", f"/api/v1/tasks/{draft}", self.token)
        return int(answer.headers["etag"].strip('"'))

    def publish(self, draft: UUID) -> float:
        """Publish a draft; how many seconds the answer took."""
        _, seconds = client.ask(self.address, "POST", f"/api/v1/tasks/{draft}/publish", self.token)
        return seconds


@contextmanager
def serve(
    directory: Path, database_url: str | None, user: UUID, *, workers: int = 1, name: str = "palimpsest"
) -> Iterator[Product]:
    """Serve from `database_url`, or from the PostgreSQL embedded in the data directory, which is kept for the next."""
    port, log, data = free_port(), directory / f"{name}.log", directory / name
    data.mkdir(exist_ok=True)
    environment = {
        "PALIMPSEST_PORT": str(port),
        "PALIMPSEST_DATA_DIR": str(data),
        "PALIMPSEST_WORKERS": str(workers),
        "PALIMPSEST_RATE_LIMIT": "off",
        **({"PALIMPSEST_DATABASE_URL": database_url} if database_url else {}),
    }
    started = time.perf_counter()
    with process([str(COMMAND), "serve"], environment, log) as running:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/health/ready", running, log)
        seconds = time.perf_counter() - started
        yield Product(address, mint(environment, user), running.pid, seconds)


def mint(environment: dict[str, str], user: UUID) -> str:
    command = [str(COMMAND), "token", "--sub", str(user), "--ttl", "86400"]
    finished = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=True
    )
    return finished.stdout.strip().rpartition("\n")[2]
