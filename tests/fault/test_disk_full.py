"""A disk that is full: changes are refused, nothing acknowledged is lost, and room is all that it takes to go on."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.evidence import PROMPT, check, check_retries
from tests.support.faults import READY_AFTER, Faults
from tests.support.harness import wait_until
from tests.support.recorder import Recorder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m,mode=711", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    return filler


@pytest.mark.slow
def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path, start_faults: Callable[..., Faults]) -> None:
    faults = start_faults(data_dir=small_disk / "data", workers=1)
    with Recorder(faults.server, 6, tasks=6) as recorder:
        time.sleep(1)
        for _ in range(3):
            filler = fill(small_disk)
            before = recorder.answers[503]
            wait_until(lambda before=before: recorder.answers[503] > before + 5, "changes are refused", 120)
            time.sleep(1)
            filler.unlink()
            took = faults.then_ready()
            assert took <= READY_AFTER + 3 * recorder.hiccup
            time.sleep(1)
    figures = check(faults.database_url, recorder)
    check_retries(recorder)
    assert recorder.slowest <= PROMPT + 3 * recorder.hiccup
    print(f"\ndisk full 3 times, ready again after at most {max(faults.recoveries):.2f} s, {figures}")
