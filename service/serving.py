"""`palimpsest serve`: the server processes, and what happens to them when the one that started them is gone."""

import errno
import gc
import logging
import os
import socket
import time
from collections import deque
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from typing_extensions import override

from service.app import App, create_app
from service.auth import public_keys, read_key_file
from service.following import followed
from service.logs import configure_logs
from service.orphans import end_with_parent
from service.seats import has_started, shared_directory, take_seat
from service.settings import SettingError, Settings, read_settings

log = logging.getLogger(__name__)

GRACE = 10
"""Seconds that a process may take to finish what is in flight."""

CONNECTIONS = 4096
"""Connections that a process serves at once, and as many that may wait for it to take them."""

HEADER_PATIENCE = 20_000
"""Milliseconds from one answer, or from the beginning, until a connection's next request has all its headers."""

START = 60
"""Seconds that a process has from its start until it serves."""

DEATHS = 30
"""Server processes that may die within `DEATHS_WITHIN` before it is taken for a fault that a restart cannot mend."""

DEATHS_WITHIN = 60.0
"""Seconds, see `DEATHS`."""


def run_server(settings: Settings) -> None:
    """Serve until a signal ends it. The processes read their settings from the environment."""
    with shared_directory() as shared, followed(settings):
        server = PatientServer(
            shared,
            settings.auth_public_key,
            "service.serving:app_of_process",
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            loop=Loops.uvloop,
            http=HTTPModes.http1,
            # Also the time that a connection may be idle: without it, those who say nothing would take up all places.
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_PATIENCE),
            backlog=CONNECTIONS,
            backpressure=CONNECTIONS,
            websockets=False,
            log_level=LogLevels.warning,
            log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},
            respawn_failed_workers=True,
            respawn_interval=0.5,
            workers_kill_timeout=GRACE,
        )
        server.keep_keys()
        server.serve(target_loader=partial(app_of_process, shared), wrap_loader=False)


def require_free_address(settings: Settings) -> None:
    """Raise `SettingError` where nobody could listen on the address, before anything is started for it."""
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


def app_of_process(shared: Path) -> App:
    """The application of one server process, configured by the environment, with its seat in the shared directory."""
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    end_with_parent()
    app = create_app(settings, seat=take_seat(shared, settings.workers))
    # What was built so far lives as long as the process: no collection need ever look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    return app


class PatientServer(MPServer):
    """The HTTP server; a process that dies is replaced, also one that dies soon after it was.

    Granian's own rule ends the service when a process dies within seconds of its start, so that two kills in a row
    would take all of it down.

    Its processes read the public keys from a copy that was checked, made at the start and by each SIGHUP: none ever
    meets a file that is being written, and a wrong one leaves all as it was.
    """

    def __init__(self, shared: Path, key_file: Path | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = shared
        self._key_file = key_file
        self._deaths: deque[float] = deque(maxlen=DEATHS)

    def keep_keys(self) -> None:
        """Copy the file of public keys, if there is one, to where the processes read it. Raises `SettingError`."""
        if self._key_file:
            data = read_key_file(self._key_file)
            public_keys(data)
            kept, draft = self._shared / "keys", self._shared / "keys.new"
            draft.write_bytes(data)
            draft.replace(kept)
            os.environ["PALIMPSEST_AUTH_PUBLIC_KEY"] = str(kept)

    @override
    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace the processes one after the other, each only once the next one serves."""
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        try:
            self.keep_keys()
        except SettingError as error:
            log.error("SIGHUP changed nothing: %s", error)
            return
        before: list[Any] = list(self.wrks)
        for place, old in enumerate(before):
            new: Any = self._spawn_worker(idx=place, target=spawn_target, callback_loader=target_loader)
            new.interrupt_by_parent = True  # until it serves, its death is no reason to replace the old one
            new.start()
            if not self._serves(new.inner):
                log.error("SIGHUP: a new process does not serve, so the old ones stay")
                new.kill()
                new.join()
                return
            new.interrupt_by_parent = False
            self.wrks[place] = new
            old.terminate()
            old.join(GRACE)
            if old.is_alive():
                old.kill()
                old.join()

    def _serves(self, process: BaseProcess) -> bool:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and process.is_alive():
            if has_started(self._shared, process.pid):
                time.sleep(self.respawn_interval)  # from the application's start until the socket listens
                return process.is_alive()
            time.sleep(0.05)
        return False

    @override
    def _respawn_workers(self, workers: list[int], *args: Any, **kwargs: Any) -> None:
        super()._respawn_workers(workers, *args, **kwargs)
        now = time.monotonic()
        self._deaths.extend([now] * len(workers))
        if len(self._deaths) < DEATHS or now - self._deaths[0] > DEATHS_WITHIN:
            self.respawned_wrks.clear()
