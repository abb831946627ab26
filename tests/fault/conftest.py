"""A service of its own, with an embedded PostgreSQL of its own, that may be broken."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.faults import Faults
from tests.support.harness import Server


@pytest.fixture
def start_faults(new_store: Callable[[Path], Path], tmp_path: Path) -> Iterator[Callable[..., Faults]]:
    """Starts a service to be broken, and ends it."""
    started: list[Server] = []

    def start(data_dir: Path | None = None, workers: int = 2) -> Faults:
        server = Server(tmp_path, PALIMPSEST_WORKERS=str(workers))
        server.environment["PALIMPSEST_DATA_DIR"] = str(new_store(data_dir or tmp_path / "data"))
        started.append(server.start())
        return Faults(server, url_of(server))

    yield start
    for server in started:
        server.stop()


def url_of(server: Server) -> str:
    """The URL of the embedded PostgreSQL of a service that runs."""
    lines = (Path(server.environment["PALIMPSEST_DATA_DIR"]) / "postgres" / "postmaster.pid").read_text().splitlines()
    return f"postgresql://palimpsest@/palimpsest?host={lines[4].replace('/', '%2F')}&port={lines[3]}"
