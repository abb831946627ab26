"""An acknowledged autosave is a promise, whatever is killed (short form; `make fault` goes on for longer)."""

import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.support.evidence import check, check_retries
from tests.support.faults import READY_AFTER, Faults
from tests.support.recorder import Recorder

TYPING = 0.5
"""Seconds of undisturbed typing between two faults."""


def endure(faults: Faults, rounds: int, people: int = 8, tasks: int = 6) -> None:
    """Type while every fault happens, round after round; then look at what is left."""
    with Recorder(faults.server, people, tasks=tasks) as recorder:
        for _ in range(rounds):
            for fault in faults.all_of_them():
                time.sleep(TYPING)
                fault()
                assert faults.then_ready() <= READY_AFTER + 3 * recorder.hiccup, fault
        time.sleep(TYPING)
    figures = check(faults.database_url, recorder)
    check_retries(recorder)
    print(
        f"\n{sum(faults.done.values())} faults survived {faults.done}, ready again after "
        f"{median(faults.recoveries):.2f} s (median), {max(faults.recoveries):.2f} s (longest), {figures}"
    )


def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(start_faults: Callable[..., Faults]) -> None:
    endure(start_faults(), rounds=1)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_or_doubled_however_often_it_is_killed(
    start_faults: Callable[..., Faults],
) -> None:
    endure(start_faults(), rounds=8)
