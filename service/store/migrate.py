"""Forward-only migrations: the SQL files of `migrations/`, each applied once, in order, under a lock."""

import logging
from importlib.resources import files
from typing import Any

import psycopg

from service.store import locks
from service.store.connections import connect
from service.store.log import LAST_POSITION

log = logging.getLogger(__name__)

_FIRST_VERSION = 150000


class SchemaError(Exception):
    """The store cannot be used by this release; the message says why."""


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of every migration, in order."""
    found = [entry for entry in files("service.store").joinpath("migrations").iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name[:4]), entry.name[5:-4], entry.read_text()) for entry in found)


def migrate(database_url: str) -> list[str]:
    """Bring the store to this release's schema; returns the names of what was applied.

    Raises `SchemaError` for a schema newer than this release, a server that is too old, or another encoding
    than UTF-8. Each migration commits on its own.
    """
    applied = []
    with connect(database_url, connect_timeout=10) as connection:
        _check_server(connection)
        connection.execute("SET lock_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(%s)", (locks.MIGRATE,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration ("
            " number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        known = migrations()
        there = {number for (number,) in connection.execute("SELECT number FROM schema_migration")}
        if unknown := there - {number for number, _, _ in known}:
            raise SchemaError(
                f"The store's schema is at migration {max(unknown)}; this release knows {known[-1][0]}."
                " Upgrade palimpsest."
            )
        # Not only those after the last: numbers are given where work is done side by side.
        for number, name, sql in known:
            if number not in there:
                with connection.transaction():
                    connection.execute(sql.encode())
                    connection.execute("INSERT INTO schema_migration (number, name) VALUES (%s, %s)", (number, name))
                applied.append(name)
        _advance_sequence(connection)
    return applied


def _advance_sequence(connection: psycopg.Connection[Any]) -> None:
    """Let the next position come after the last event, also where a restore brought back the rows alone."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (locks.APPEND,))
        moved = connection.execute(
            "SELECT setval('draft_events_position', last) FROM draft_events_position,"
            f" ({LAST_POSITION}) AS log (last) WHERE last > last_value"
        ).fetchone()
    if moved:
        log.warning("the sequence of positions lagged: the next position comes after %s", moved[0])


def _check_server(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < _FIRST_VERSION:
        raise SchemaError("PostgreSQL 15 or newer is needed.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SchemaError(f"The database must have the encoding UTF8, not {encoding}.")
