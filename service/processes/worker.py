"""What the server processes of one `palimpsest serve` share and heed: a directory, a seat in it for each, and the end.

A seat is a small number that a process holds for its life, by a lock that the kernel lets go of however the process
ends. What a process counts under its seat, its successor goes on counting: limits and metrics survive a crash.
"""

import asyncio
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NamedTuple

CHECK = 0.5
"""Seconds between two looks whether the parent process still lives."""


class Seat(NamedTuple):
    """A process's place: the shared directory, its number from 0, and how many there are."""

    directory: Path
    number: int
    seats: int


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A new directory for the processes of one service, removed at the end."""
    with TemporaryDirectory(prefix="palimpsest-") as directory:
        yield Path(directory)


def take_seat(directory: Path, workers: int) -> Seat:
    """The first free seat. There is one more than workers: a graceful restart has one leave while another comes."""
    seats = workers + 1
    for number in range(seats):
        # Never closed: the process keeps its seat until it ends.
        fd = os.open(directory / f"seat-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Seat(directory, number, seats)
        except BlockingIOError:
            os.close(fd)
    raise RuntimeError(f"all {seats} seats in {directory} are taken")


def end_with_parent() -> None:
    """From now on, end this process when the one that started it is gone."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK)
    os.kill(os.getpid(), signal.SIGKILL)


def on_termination(callback: Callable[[], None]) -> None:
    """Call `callback` in the running loop as soon as the process is asked to end, before the server acts on it.

    What the server installed for the signals still happens: its loop is woken by the signal itself. Outside of the
    main thread, where signals cannot be heard, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)

        def heard(received: int, frame: FrameType | None, previous: object = previous) -> None:
            loop.call_soon_threadsafe(callback)
            if callable(previous):
                previous(received, frame)

        signal.signal(number, heard)
