"""SIGHUP replaces the processes one after the other, with the keys as they are by then, and nobody notices."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.support.evidence import check
from tests.support.faults import Faults
from tests.support.harness import wait_until
from tests.support.recorder import Recorder


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_in_the_middle_of_typing_refuses_nothing(start_faults: Callable[..., Faults], workers: int) -> None:
    faults = start_faults(workers=workers)
    server = faults.server
    assert server.process is not None
    before = set(wait_until(lambda: len(all_ := server.workers()) == workers and all_, "all processes serve"))
    with Recorder(server, 4, tasks=4) as recorder:
        time.sleep(1)
        server.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: len(server.workers()) == workers and not before & set(server.workers()), "all are replaced", 60
        )
        time.sleep(1)
    figures = check(faults.database_url, recorder)
    print(f"\nreloaded: {figures}")
    assert recorder.answers.keys() == {200}
    assert recorder.unreachable == 0
