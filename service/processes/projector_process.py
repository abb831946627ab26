"""The projector beside the server processes: in a process of its own that yields the processor to them.

In a thread of a server process it competed with the autosaves for the interpreter.
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
"""How much the projector yields to the server processes where the processor is short."""

PAUSE = 1.0
"""Seconds before a projector that died is replaced."""

GRACE = 10.0
"""Seconds that a projector has for the batch at hand."""


@contextmanager
def followed(settings: Settings) -> Iterator[None]:
    """Keep the views that follow the log up to it, in a process of its own that is replaced when it dies."""
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
            process.join(GRACE)
            process.kill()  # it hangs where the store does
            process.join()
        else:
            log.error("the projector died with exit code %s and is started again", process.exitcode)
            leaving.wait(PAUSE)


def _follow(settings: Settings) -> None:
    configure_logs(settings.log_level)
    end_with_parent()
    os.nice(NICENESS)
    assert settings.database_url is not None
    projector = Projector(settings.database_url)
    signal.signal(signal.SIGTERM, lambda *_: projector.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal's Ctrl-C it hears from the one that started it
    projector.run()
