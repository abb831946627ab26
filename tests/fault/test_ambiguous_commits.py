"""A connection that is lost between a commit and its answer: the writer looks what was recorded, and never guesses."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.evidence import check, check_retries
from tests.support.harness import Server
from tests.support.recorder import Recorder
from tests.support.wire import AFTER, BEFORE, DURING, breaking_wire


def test_a_lost_answer_is_looked_up_and_nobody_notices(database: str, start_server: Callable[..., Server]) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        breaking_wire(database, Path(directory), share=0.2) as (url, wire),
    ):
        server = start_server(PALIMPSEST_DATABASE_URL=url)
        with Recorder(server, 6, tasks=4) as recorder:
            time.sleep(3)
        figures = check(database, recorder)
        check_retries(recorder)
        server.stop()
    print(f"\nwires cut {dict(wire.cuts)}, {figures}")
    assert min(wire.cuts[BEFORE], wire.cuts[DURING], wire.cuts[AFTER]) > 0
    # The store was there all the time: an answer that was lost on the way is no reason to refuse anything.
    assert recorder.answers.keys() == {200}
