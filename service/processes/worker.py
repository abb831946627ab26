"""What the server processes of one `palimpsest serve` share: a directory with a slot for each, and how they end.

A slot is a small number that a process holds for its life, by a lock that the kernel releases however the process
ends. What a process counts under its slot, its successor goes on counting: limits and metrics survive a crash.
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

import msgspec

PARENT_CHECK_INTERVAL = 0.5
"""Seconds between two checks whether the parent process still lives."""


class WorkerSlot(msgspec.Struct, frozen=True):
    """The slot of a process: the shared directory, the slot's number from 0, and how many slots there are."""

    directory: Path
    number: int
    count: int


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A new directory for the processes of one service, removed at the end."""
    with TemporaryDirectory(prefix="palimpsest-") as directory:
        yield Path(directory)


def claim_slot(directory: Path, workers: int) -> WorkerSlot:
    """The first free slot. There is one more than workers: in a graceful restart one leaves while another starts."""
    count = workers + 1
    for number in range(count):
        # Never closed: the process keeps its slot until it ends.
        fd = os.open(directory / f"slot-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return WorkerSlot(directory, number, count)
        except BlockingIOError:
            os.close(fd)
    raise RuntimeError(f"all {count} slots in {directory} are taken")


def end_with_parent() -> None:
    """From now on, end this process when its parent has ended."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_INTERVAL)
    os.kill(os.getpid(), signal.SIGKILL)


def on_termination(callback: Callable[[], None]) -> None:
    """Call `callback` in the running loop as soon as the process is asked to end, before the server acts on it.

    The server's own signal handlers still run. Outside of the main thread, which alone receives signals, this does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, previous: object = previous) -> None:
            loop.call_soon_threadsafe(callback)
            if callable(previous):
                previous(received, frame)

        signal.signal(number, handle)
