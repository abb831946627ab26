"""SIGHUP replaces the processes one after the other, with the keys as they are by then, and nobody notices."""

import signal
import time
from collections.abc import Callable

from tests.fault.evidence import check
from tests.fault.faults import Faults
from tests.fault.recorder import Recorder
from tests.harness import wait_until


def test_a_reload_in_the_middle_of_typing_refuses_nothing(start_faults: Callable[..., Faults]) -> None:
    faults = start_faults(workers=2)
    server = faults.server
    assert server.process is not None
    before = set(wait_until(lambda: len(both := server.workers()) == 2 and both, "both processes serve"))
    with Recorder(server, 4, tasks=4) as recorder:
        time.sleep(1)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(server.workers()) == 2 and not before & set(server.workers()), "all are replaced", 60)
        time.sleep(1)
    figures = check(faults.database_url, recorder)
    print(f"\nreloaded: {figures}")
    assert recorder.answers.keys() == {200}
