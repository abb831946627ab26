"""Hours of typing in minutes: memory, open files and latency stay flat."""

import asyncio
import threading
from collections.abc import Callable

import psutil
import pytest

from tests.support.crowd import Figures, crowd
from tests.support.harness import Server

MEGABYTE = 1 << 20


def soak(server: Server, seconds: float, connections: int = 32) -> None:
    """Type for a while, and again; compare the second half with the first."""
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    halves: list[Figures] = []
    sizes: list[tuple[float, int]] = []
    asyncio.run(crowd(server, connections, seconds / 4))  # caches and buffers reach their size
    for _ in range(2):
        sizes.append(_size(parent))
        thread = threading.Thread(target=lambda: halves.append(asyncio.run(crowd(server, connections, seconds / 2))))
        thread.start()
        thread.join()
    sizes.append(_size(parent))
    first, second = halves
    shown = [(round(rss), files) for rss, files in sizes]
    print(f"\nsoak: MB and files {shown}\n  first half {first}\n  second half {second}")
    assert first.answers.keys() | second.answers.keys() == {200}
    assert sizes[2][0] <= sizes[1][0] * 1.1 + 10
    assert sizes[2][1] <= sizes[1][1] + 8
    assert second.quantile(0.99) <= first.quantile(0.99) * 2 + 0.1


def _size(parent: psutil.Process) -> tuple[float, int]:
    processes = [parent, *parent.children(recursive=True)]
    return sum(one.memory_info().rss for one in processes) / MEGABYTE, sum(one.num_fds() for one in processes)


def test_a_short_soak_leaves_no_trace(start_server: Callable[..., Server]) -> None:
    soak(start_server(), seconds=8)


@pytest.mark.slow
def test_a_long_soak_leaves_no_trace(start_server: Callable[..., Server]) -> None:
    soak(start_server(PALIMPSEST_WORKERS="2"), seconds=240)
