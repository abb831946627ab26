"""What the processes of one `palimpsest serve` share: a directory, and a seat in it for each.

A seat is a small number that a process holds for its life, by a lock that the kernel lets go of however the process
ends. What a process counts under its seat, its successor goes on counting: limits and metrics survive a crash.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple


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
