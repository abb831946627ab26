"""Watching over the embedded PostgreSQL: when it dies, it is started again, for those who still use it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from service.postgres.server import EmbeddedError, revive

log = logging.getLogger(__name__)

INTERVAL = 0.2
"""Seconds between two looks whether PostgreSQL runs."""

PAUSE = 1.0
"""Seconds before the next attempt where it does not start."""


@contextmanager
def supervised(data_dir: Path) -> Iterator[None]:
    """Start the embedded PostgreSQL of `data_dir` again whenever it dies. For those within `embedded_server`."""
    leaving = Event()
    watch = Thread(target=_watch, args=(data_dir, leaving), name="postgres-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        leaving.set()
        watch.join()


def _watch(data_dir: Path, leaving: Event) -> None:
    while not leaving.wait(INTERVAL):
        try:
            if revive(data_dir):
                log.warning("PostgreSQL had died and was started again")
        except EmbeddedError as error:
            log.error("PostgreSQL died and does not start: %s", error)
            leaving.wait(PAUSE)
