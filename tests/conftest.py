"""One PostgreSQL for all tests, a database of its own for each that asks, and real servers to speak HTTP to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from service.postgres.server import embedded_server
from service.store.migrate import migrate
from tests.support.harness import Client, Server, with_database

TEMPLATE = "palimpsest_template"

settings.register_profile("long", max_examples=3000)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an embedded PostgreSQL with an empty, migrated database that serves as a template."""
    # Not below pytest's own directory, which each run of root that begins closes to the account of the server.
    with TemporaryDirectory(prefix="palimpsest-tests-") as directory, embedded_server(Path(directory) / "data") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(with_database(url, TEMPLATE))
        yield url


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[[], str]:
    """Makes a migrated, empty database; returns its URL."""

    def make() -> str:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return with_database(postgres, name)

    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a migrated, empty database."""
    return new_database()


@pytest.fixture(scope="session")
def server(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service that all tests share. Each works with users of its own."""
    with Server(tmp_path_factory.mktemp("server"), PALIMPSEST_DATABASE_URL=new_database()) as running:
        yield running


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
