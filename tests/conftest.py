"""One PostgreSQL for all tests, a database of its own for each that asks, and real servers to speak HTTP to."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from service.postgres.server import DATABASE, embedded_server
from service.store.migrate import migrate
from tests.support.harness import Client, Server, with_database

HERE = Path(__file__).parent

# Each run of pytest that begins closes the directory that all runs of its account share, also to the account that
# PostgreSQL runs as for a run that goes on meanwhile: each has one of its own, shared with its workers.
OWN = None if "PYTEST_DEBUG_TEMPROOT" in os.environ else mkdtemp(prefix="palimpsest-tests-")
if OWN:
    os.environ["PYTEST_DEBUG_TEMPROOT"] = OWN

settings.register_profile("long", max_examples=3000)


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a data directory with an empty, migrated store, by copying one: the first takes PostgreSQL seconds."""
    original = tmp_path_factory.mktemp("store") / "data"
    with embedded_server(original) as url:
        migrate(url)

    def make(data_dir: Path) -> Path:
        subprocess.run(["cp", "-a", original, data_dir], check=True)
        return data_dir

    return make


@pytest.fixture(scope="session")
def postgres(new_store: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded PostgreSQL whose own database is empty and migrated, and serves as a template."""
    with embedded_server(new_store(tmp_path_factory.mktemp("postgres") / "data")) as url:
        yield url


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[[], str]:
    """Makes a migrated, empty database; returns its URL."""

    def make() -> str:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(with_database(postgres, "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        return with_database(postgres, name)

    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a migrated, empty database."""
    return new_database()


@pytest.fixture(scope="session")
def shared_server(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Server]]:
    """A running service with these settings, the same for all tests that ask for the same ones."""
    running: dict[tuple[tuple[str, str], ...], Server] = {}

    def give(**environment: str) -> Server:
        key = tuple(sorted(environment.items()))
        if key not in running:
            environment.setdefault("PALIMPSEST_DATABASE_URL", new_database())
            running[key] = Server(tmp_path_factory.mktemp("server"), **environment).start()
        return running[key]

    yield give
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def server(shared_server: Callable[..., Server]) -> Server:
    """A running service with the settings that most tests share. Each works with users of its own."""
    return shared_server()


@pytest.fixture
def start_server(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a service with settings of its own, on a database of its own unless one is named; ends it afterwards."""
    running: list[Server] = []

    def start(**environment: str) -> Server:
        environment.setdefault("PALIMPSEST_DATABASE_URL", new_database())
        server = Server(tmp_path, **environment)
        running.append(server.start())
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A new user of the shared service."""
    with server.client() as client:
        yield client


KINDS = {"fault": "fault", "load": "load", "ops/test_backup.py": "fault"}
"""The kind of a test by where it stands below `tests`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long by its kind, so that `make test-fast` can leave it out."""
    for item in items:
        for place, kind in KINDS.items():
            if item.path.is_relative_to(HERE / place):
                item.add_marker(kind)
        if "chromium_path" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave nothing of a run in which nothing failed."""
    if OWN and exitstatus == 0:
        shutil.rmtree(OWN, ignore_errors=True)
