"""Rebuilding a view that follows the log, without downtime.

A schema like the view's is filled beside it while the view is read and goes on following. When it has caught up, the
two change places by their names, in the transaction that takes in the last events. Whatever ends a rebuild midway
leaves the view as it was; the next rebuild clears away what was left.
"""

from collections.abc import Callable
from typing import Any

from psycopg import Connection, sql

from service.store.connections import connect
from service.store.log import last_position
from service.views.followed import View
from service.views.projector import BATCH, Batches, advance, enter, move

_REBUILD_LOCK = 7018115367

Progress = Callable[[int], None]
"""Told how many positions have been passed since."""


class RebuildRunning(Exception):
    """Another rebuild is under way."""


def rebuild(
    database_url: str,
    view: View,
    began: Callable[[int], Progress] = lambda head: lambda steps: None,
    batch: int = BATCH,
) -> int:
    """Make the view anew from the log; returns the position that it was at when it took its place.

    `began` is told the head, and gives what is told of each step. Raises `RebuildRunning`, and whatever
    `view.apply` raises.
    """
    with connect(database_url) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_REBUILD_LOCK,)).fetchone()
        if row is None or not row[0]:
            raise RebuildRunning("another rebuild is under way")
        beside, old = f"{view.name}_beside", f"{view.name}_old"
        _clear(connection, beside)
        _clear(connection, old)
        _make_like(connection, view.name, beside)
        batches = Batches(connection, batch)
        progress = began(last_position(connection))
        position = 0
        while last_position(connection) - position > batch and advance(connection, view, beside, batches):
            before, position = position, _position(connection, beside)
            progress(position - before)
        before, position = position, _take_place(connection, view, beside, old, batches)
        progress(position - before)
        _clear(connection, old)
        return position


def _take_place(connection: Connection[Any], view: View, beside: str, old: str, batches: Batches) -> int:
    """Take in the last events and swap, in one transaction; the view's own tracked position waits meanwhile."""
    with connection.transaction():
        connection.execute("SELECT FROM followed_view WHERE name = %s FOR UPDATE", (view.name,))
        position = enter(connection, beside)
        assert position is not None
        while events := batches.behind(position):
            view.apply(connection, events)
            position = events[-1].position
        for name, new in ((view.name, old), (beside, view.name)):
            connection.execute(
                sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new))
            )
        move(connection, view.name, position)
        connection.execute("UPDATE followed_view SET failure = NULL WHERE name = %s", (view.name,))
        connection.execute("DELETE FROM followed_view WHERE name = %s", (beside,))
    return position


def _make_like(connection: Connection[Any], name: str, beside: str) -> None:
    """A schema with empty tables like the view's, at position 0."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)).fetchall()
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(beside)))
        for (table,) in tables:
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                    sql.Identifier(beside, table), sql.Identifier(name, table)
                )
            )
            _copy_storage(connection, name, beside, table)
        connection.execute("INSERT INTO followed_view (name) VALUES (%s)", (beside,))


def _copy_storage(connection: Connection[Any], name: str, beside: str, table: str) -> None:
    """The storage parameters, such as the fillfactor, which LIKE leaves out."""
    row = connection.execute(
        "SELECT reloptions FROM pg_class WHERE oid = format('%%I.%%I', %s::text, %s::text)::regclass", (name, table)
    ).fetchone()
    for option in (row[0] or []) if row else []:
        key, _, value = option.partition("=")
        connection.execute(
            sql.SQL("ALTER TABLE {} SET ({} = {})").format(
                sql.Identifier(beside, table), sql.Identifier(key), sql.Literal(value)
            )
        )


def _clear(connection: Connection[Any], name: str) -> None:
    with connection.transaction():
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        connection.execute("DELETE FROM followed_view WHERE name = %s", (name,))


def _position(connection: Connection[Any], name: str) -> int:
    row = connection.execute("SELECT position FROM followed_view WHERE name = %s", (name,)).fetchone()
    assert row is not None
    position: int = row[0]
    return position
