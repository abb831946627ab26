"""The process of the projector, at a lower priority than the server processes.

In a thread of a server process it would compete with the autosaves for the interpreter.
"""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Event, Thread

from service.logs import configure_logs
from service.processes.worker import end_with_parent
from service.settings import Settings
from service.views.projector import Projector

log = logging.getLogger(__name__)

NICENESS = 10
"""By how much the projector's priority is lower than that of the server processes."""

RESTART_DELAY = 1.0
"""Seconds before a projector that died is replaced."""

SHUTDOWN_TIMEOUT = 10.0
"""Seconds that a projector has to finish its current batch."""


@contextmanager
def running_projector(settings: Settings) -> Iterator[None]:
    """Keep the views of the log up to date in a separate process, which is replaced when it dies."""
    leaving = Event()
    watch = Thread(target=_watch, args=(settings, leaving), name="projector-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        leaving.set()
        watch.join()


def _watch(settings: Settings, leaving: Event) -> None:
    while not leaving.is_set():
        process = get_context("spawn").Process(target=_follow, args=(settings,), name="projector", daemon=True)
        process.start()
        while process.is_alive() and not leaving.wait(0.1):
            pass
        if leaving.is_set():
            process.terminate()
            process.join(SHUTDOWN_TIMEOUT)
            process.kill()  # it hangs when the store does
            process.join()
        else:
            log.error("the projector died with exit code %s and is restarted", process.exitcode)
            leaving.wait(RESTART_DELAY)


def _follow(settings: Settings) -> None:
    configure_logs(settings.log_level)
    end_with_parent()
    os.nice(NICENESS)
    assert settings.database_url is not None
    projector = Projector(settings.database_url)
    signal.signal(signal.SIGTERM, lambda *_: projector.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process passes a terminal's Ctrl-C on as SIGTERM
    projector.run()
