"""The server processes: a fault that no restart mends ends the service, and says so."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from service.cli import serving
from service.cli.serving import Processes, uvicorn_config
from service.settings import read_settings
from tests.support.harness import free_port


@pytest.fixture
def _signals() -> Iterator[None]:
    """The handlers as they were: the supervisor takes them all."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals() - {9, 19, *range(32, 65)}}
    yield
    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, handler)


def broken() -> NoReturn:
    raise RuntimeError("there is no such application")


@pytest.mark.usefixtures("_signals")
def test_processes_that_keep_dying_end_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_DEATHS", 2)
    config = uvicorn_config(broken, read_settings({"PALIMPSEST_PORT": str(free_port())}))
    with config.bind_socket() as listener:
        processes = Processes(None, tmp_path, config, [listener])
        processes.run()

    assert processes.gave_up
