"""The faults: each is done to a running service, and says how long until it was ready again."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import psycopg

from tests.support.harness import DEADLINE, Server, wait_until

READY_AFTER = 5.0
"""Seconds after the store is back in which the service is ready."""


class Faults:
    """What can happen to a service with an embedded PostgreSQL."""

    def __init__(self, server: Server, database_url: str) -> None:
        self.server = server
        self.database_url = database_url
        self.data_dir = Path(server.environment["PALIMPSEST_DATA_DIR"])
        self._chance = random.Random(1)
        self.done: dict[str, int] = {}
        self.recoveries: list[float] = []

    def kill_worker(self) -> None:
        """SIGKILL for one of the processes that serve HTTP; the others go on."""
        self._count("worker killed")
        self._chance.choice(wait_until(self.server.workers, "somebody serves")).kill()

    def kill_follower(self) -> None:
        """SIGKILL for the children that serve nobody, among them the one that follows the log."""
        self._count("follower killed")
        assert self.server.process is not None
        for process in set(psutil.Process(self.server.process.pid).children()) - set(self.server.workers()):
            process.kill()

    def kill_service(self) -> None:
        """SIGKILL for the process that was started; it is started again."""
        self._count("service killed")
        assert self.server.process is not None
        workers = psutil.Process(self.server.process.pid).children()
        self.server.kill()
        psutil.wait_procs(workers, timeout=DEADLINE)  # they notice, and still answer until then
        self.server.start()

    def kill_postgres(self) -> None:
        """SIGKILL for the postmaster; nobody but the service starts it again."""
        self._count("postgres killed")
        postmaster = self.postmaster()
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: self.postmaster() not in (0, postmaster), "another PostgreSQL")
        wait_until(self.database_answers, "PostgreSQL answers")

    def crash_backend(self) -> None:
        """SIGKILL for a backend, upon which PostgreSQL ends them all and recovers."""
        self._count("backend killed")
        with psycopg.connect(self.database_url) as connection:
            (backend,) = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'palimpsest' LIMIT 1"
            ).fetchone() or [0]
        if backend:
            os.kill(backend, signal.SIGKILL)
        wait_until(self.database_answers, "PostgreSQL answers")

    def cut_connections(self) -> None:
        """All the service's connections are ended by the server."""
        self._count("connections cut")
        with psycopg.connect(self.database_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'palimpsest'"
            )

    def freeze_postgres(self, seconds: float = 3.0) -> None:
        """PostgreSQL does not run for a while, but its sockets are there: nothing is refused, nothing answered."""
        self._count("postgres frozen")
        postmaster = psutil.Process(self.postmaster())
        frozen = [postmaster, *postmaster.children(recursive=True)]
        for process in frozen:
            process.suspend()
        try:
            begun = time.monotonic()
            answer = httpx.get(f"{self.server.url}/health/ready", timeout=10, verify=False)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
        finally:
            for process in frozen:
                process.resume()

    def then_ready(self) -> float:
        """Seconds until the service was ready, from when the store was back."""
        wait_until(self.database_answers, "PostgreSQL answers")
        begun = time.monotonic()
        wait_until(self.is_ready, "the service is ready")
        self.recoveries.append(time.monotonic() - begun)
        return self.recoveries[-1]

    def is_ready(self) -> bool:
        """Whether the service says that it can record changes."""
        try:
            return httpx.get(f"{self.server.url}/health/ready", timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def database_answers(self) -> bool:
        """Whether PostgreSQL lets somebody in."""
        try:
            psycopg.connect(self.database_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def postmaster(self) -> int:
        """The process id of PostgreSQL, 0 where there is none."""
        try:
            return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0

    def all_of_them(self) -> list[Callable[[], None]]:
        """Every fault, the cheapest first."""
        return [
            self.cut_connections,
            self.kill_worker,
            self.kill_follower,
            self.crash_backend,
            self.kill_postgres,
            self.freeze_postgres,
            self.kill_service,
        ]

    def _count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1
