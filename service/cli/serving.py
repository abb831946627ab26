"""`palimpsest serve`: the server processes, how they are configured, replaced and stopped."""

import errno
import gc
import logging
import os
import resource
import socket
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from typing_extensions import override
from uvicorn.supervisors import Multiprocess

from service.http.auth import public_keys, read_key_file
from service.http.protocol import CONNECTIONS, KEEP_ALIVE, HttpProtocol
from service.logs import configure_logs
from service.processes.projector_process import running_projector
from service.processes.worker import claim_slot, end_with_parent, shared_directory
from service.settings import SettingError, Settings, read_settings

log = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT = 10
"""Seconds that a process may take to finish the requests in progress."""

CLOSE_TIMEOUT = 5.0
"""Seconds that a process may take to close its connections to the store after that."""

MAX_OPEN_FILES = 2 * CONNECTIONS
"""Files that a process may have open."""

BACKLOG = 4096
"""Connections that may wait for a process to accept them."""

START_TIMEOUT = 60
"""Seconds that a process has from its start until it serves, or until one that does not respond is replaced."""

MAX_DEATHS = 30
"""Server processes that may die within `DEATHS_PERIOD` before the service gives up: a restart does not help."""

DEATHS_PERIOD = 60.0
"""Seconds, see `MAX_DEATHS`."""


def run_server(settings: Settings) -> None:
    """Serve until a signal ends it. The processes read their settings from the environment."""
    with shared_directory() as shared, running_projector(settings):
        keep_keys(settings.auth_public_key, shared)
        config = uvicorn_config(partial(app_of_process, shared), settings)
        with config.bind_socket() as listener:
            processes = Processes(settings.auth_public_key, shared, config, [listener])
            processes.run()
        if processes.gave_up:
            sys.exit(1)


def uvicorn_config(factory: Any, settings: Settings) -> uvicorn.Config:
    """How the HTTP server is set up for the application that `factory` makes."""
    return uvicorn.Config(
        factory,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        timeout_worker_healthcheck=START_TIMEOUT,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
    )


def require_free_address(settings: Settings) -> None:
    """Raise `SettingError` where the address cannot be listened on, before anything is started."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise SettingError(f"PALIMPSEST_HOST must be an address of this machine, not {settings.host!r}") from None
    except OSError as error:
        name = "PALIMPSEST_PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "PALIMPSEST_HOST"
        where = f"{settings.host} port {settings.port}"
        raise SettingError(f"{name}: cannot listen on {where}: {os.strerror(error.errno or 0)}") from None


def app_of_process(shared: Path) -> Any:
    """The application of one server process, configured by the environment, with its slot in the shared directory."""
    from service.application import create_app  # for this process alone: the one that starts it needs none of it

    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    end_with_parent()
    allow_files()
    app = create_app(settings, slot=claim_slot(shared, settings.workers))
    # What exists now lives as long as the process: exclude it from garbage collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    return app


def allow_files() -> None:
    """Raise this process's limit of open files to what its connections may need, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def keep_keys(key_file: Path | None, shared: Path) -> None:
    """Copy the file of public keys, if there is one, to where the processes read it. Raises `SettingError`.

    They read a checked copy, so that none reads a file while it is being written.
    """
    if key_file:
        data = read_key_file(key_file)
        public_keys(data)
        kept, draft = shared / "keys", shared / "keys.new"
        draft.write_bytes(data)
        draft.replace(kept)
        os.environ["PALIMPSEST_AUTH_PUBLIC_KEY"] = str(kept)


class Processes(Multiprocess):
    """The server processes. One that dies is replaced; upon SIGHUP all are, each only once the next one serves."""

    def __init__(self, key_file: Path | None, shared: Path, *args: Any) -> None:
        super().__init__(*args)
        self._key_file = key_file
        self._shared = shared
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self.gave_up = False

    @override
    def handle_ttin(self) -> None:
        """Ignored: the number of processes is a setting."""

    @override
    def handle_ttou(self) -> None:
        """Ignored, as SIGTTIN is."""

    @override
    def handle_hup(self) -> None:
        try:
            keep_keys(self._key_file, self._shared)
        except SettingError as error:
            log.error("SIGHUP was ignored: %s", error)
            return
        super().handle_hup()

    @override
    def keep_subprocess_alive(self) -> None:
        if self.should_exit.is_set():
            return
        before = list(self.processes)
        for process in before:
            process.child_conn.close()  # the process's own end: while we hold it, its death is not noticed
        super().keep_subprocess_alive()
        died = [old for old, new in zip(before, self.processes, strict=True) if old is not new]
        for process in died:
            log.error("server process %s died with exit code %s and is replaced", process.pid, process.exitcode)
        now = time.monotonic()
        self._deaths.extend([now] * len(died))
        if died and len(self._deaths) == MAX_DEATHS and now - self._deaths[0] < DEATHS_PERIOD:
            log.error("%s server processes died within %.0f s: giving up", MAX_DEATHS, DEATHS_PERIOD)
            self.should_exit.set()
        self.gave_up = self.should_exit.is_set()

    @override
    def join_all(self) -> None:
        deadline = time.monotonic() + SHUTDOWN_TIMEOUT + CLOSE_TIMEOUT
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            if process.process.is_alive():
                process.kill()
                process.process.join()
