"""`palimpsest rebuild`: a view made anew from the log, while the service goes on."""

import os
import sys
from collections.abc import Callable

import click

from service.cli.progress import progress
from service.cli.running import fail, migrated_store, reporting
from service.settings import read_settings
from service.store.connections import connect
from service.store.scan import count_events
from service.views.followed import VIEWS, View
from service.views.rebuild import RebuildRunning
from service.views.rebuild import rebuild as rebuild_view
from service.views.rebuild_current_task import RebuildRefused, rebuild_current_task
from service.views.swap import CannotSwap

Advance = Callable[[int], None]


def _current_task(database_url: str, advance: Advance) -> list[str]:
    rebuilt = rebuild_current_task(database_url, advance)
    lines = [
        f"repaired: task {verdict.task_id} version {verdict.problem.version}: {verdict.problem.code}"
        for verdict in rebuilt.repaired
        if verdict.problem
    ]
    return [*lines, f"current_task rebuilt: {rebuilt.tasks:,} tasks, {len(lines):,} of them repaired"]


def _following(view: View) -> Callable[[str, Advance], list[str]]:
    def rebuild(database_url: str, advance: Advance) -> list[str]:
        position = rebuild_view(database_url, view, lambda head: advance)
        return [f"{view.name} is the fold of the log up to position {position}"]

    return rebuild


REBUILDS: dict[str, Callable[[str, Advance], list[str]]] = {
    "current_task": _current_task,
    **{view.name: _following(view) for view in VIEWS},
}
"""By the name of a view, what makes it anew: given the store's URL and whom to tell of the events done, it returns
the lines to print. It raises `RebuildRefused` where it leaves the view as it was."""


@click.command()
@click.argument("view", type=click.Choice(sorted(REBUILDS)))
@reporting
def rebuild(view: str) -> None:
    """Make a view anew from the log, beside the old one, and swap them: exit 1 where the log is not whole."""
    with migrated_store(read_settings(os.environ)) as ready:
        assert ready.database_url is not None
        with connect(ready.database_url, connect_timeout=10) as connection:
            total = count_events(connection)
        try:
            with progress("events replayed", total) as advance:
                lines = REBUILDS[view](ready.database_url, advance)
        except RebuildRefused as error:
            click.echo(f"FAILED: {view} is left as it was: {error}")
            sys.exit(1)
        except (CannotSwap, RebuildRunning) as error:
            fail(str(error))
    for line in lines:
        click.echo(line)
