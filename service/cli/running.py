"""What every command begins with: settings read, a store that runs, and failures that a person can mend."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import click
import psycopg
from msgspec.structs import replace

from service.postgres.server import EmbeddedError, embedded_server
from service.postgres.watchdog import supervised
from service.settings import SettingError, Settings
from service.store.migrate import SchemaError, migrate


def fail(message: str) -> NoReturn:
    """Wrong use: say what, in one line, and exit with 2."""
    click.echo(f"palimpsest: {message}", err=True)
    sys.exit(2)


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """What an operator can mend is reported in one line, without a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (SettingError, EmbeddedError, SchemaError) as error:
            fail(str(error))
        except psycopg.OperationalError as error:
            fail(f"PALIMPSEST_DATABASE_URL: the server does not let us in: {_reason(error)}")

    return run


def _reason(error: psycopg.OperationalError) -> str:
    """The last line of the message that is not one of libpq's indented hints."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("\t")]
    return lines[-1] if lines else type(error).__name__


@contextmanager
def existing_store(settings: Settings) -> Iterator[Settings]:
    """As `running_store`, for commands that only read: a data directory without a store is wrong use, not made one."""
    if not settings.database_url and not (settings.data_dir / "postgres").is_dir():
        fail(f"there is no store in {settings.data_dir.resolve()}: PALIMPSEST_DATA_DIR says where it is")
    with running_store(settings) as ready:
        yield ready


@contextmanager
def running_store(settings: Settings) -> Iterator[Settings]:
    """The settings with the URL of a running store, the embedded one where none is given."""
    if settings.database_url:
        yield settings
    else:
        data_dir = settings.data_dir.resolve()
        with embedded_server(data_dir) as url, supervised(data_dir):
            yield replace(settings, database_url=url)


@contextmanager
def migrated_store(settings: Settings) -> Iterator[Settings]:
    """As `running_store`, brought to this release's schema."""
    with running_store(settings) as ready:
        assert ready.database_url is not None
        migrate(ready.database_url)
        yield ready
