"""A clock that is set back, or far ahead and back again: time never runs backwards within a task."""

import subprocess
import sys
import time
from pathlib import Path

from tests.support import skewed_service
from tests.support.evidence import check
from tests.support.harness import Server, wait_until
from tests.support.recorder import Recorder


class SkewedServer(Server):
    """A service whose clock a file sets."""

    def __init__(self, directory: Path, **environment: str) -> None:
        super().__init__(directory, **environment)
        self.offset = directory / "offset"
        self.set_clock(0)

    def set_clock(self, seconds: int) -> None:
        """Let the service's clock be this far ahead of the machine's."""
        new = self.offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.offset)

    def start(self) -> "SkewedServer":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, skewed_service.__file__],
                env={
                    **self.environment,
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                    "CLOCK_OFFSET": str(self.offset),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._is_ready, "the skewed service is ready")
        return self


def test_a_clock_that_is_set_back_turns_no_history_around(database: str, tmp_path: Path) -> None:
    server = SkewedServer(tmp_path, PALIMPSEST_DATABASE_URL=database)
    with server, Recorder(server, 4, tasks=2) as recorder:
        for offset in (0, -3600, 3600, -86_400, 0):
            server.set_clock(offset)
            time.sleep(0.5)
    check(database, recorder)
    assert len(recorder.acknowledged) > 20
    assert recorder.answers.keys() == {200}
