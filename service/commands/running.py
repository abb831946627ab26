"""What every command begins with: settings read, a store that runs, and failures that a person can mend."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import click
import psycopg
from msgspec.structs import replace

from service.embedded import EmbeddedError, embedded_server
from service.migrate import SchemaError, migrate
from service.settings import SettingError, Settings


def fail(message: str) -> NoReturn:
    """Wrong use: say what, in one line, and exit with 2."""
    click.echo(f"palimpsest: {message}", err=True)
    sys.exit(2)


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a person can mend is told in one line, without a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (SettingError, EmbeddedError, SchemaError) as error:
            fail(str(error))
        except psycopg.OperationalError as error:
            fail(f"PALIMPSEST_DATABASE_URL: the server does not let us in: {str(error).strip().splitlines()[-1]}")

    return run


@contextmanager
def running_store(settings: Settings) -> Iterator[Settings]:
    """The settings with the URL of a running store, the embedded one where none is given."""
    if settings.database_url:
        yield settings
    else:
        with embedded_server(settings.data_dir.resolve()) as url:
            yield replace(settings, database_url=url)


@contextmanager
def migrated_store(settings: Settings) -> Iterator[Settings]:
    """As `running_store`, brought to this release's schema."""
    with running_store(settings) as ready:
        assert ready.database_url is not None
        migrate(ready.database_url)
        yield ready
