"""`palimpsest rebuild`: a view rebuilt from the log, while the service goes on."""

import os
import sys

import click

from service.cli.progress import progress
from service.cli.running import fail, migrated_store, reporting
from service.settings import read_settings
from service.store.connections import connect
from service.store.scan import count_events
from service.views.current_task import CurrentTask
from service.views.followed import VIEWS
from service.views.rebuild import Rebuildable, RebuildRefused, RebuildRunning
from service.views.rebuild import rebuild as rebuild_view
from service.views.shadow import CannotSwap

_VIEWS: tuple[Rebuildable, ...] = (CurrentTask(), *VIEWS)
REBUILDABLE = {view.name: view for view in _VIEWS}


@click.command()
@click.argument("view", type=click.Choice(sorted(REBUILDABLE)))
@reporting
def rebuild(view: str) -> None:
    """Rebuild a view from the log while it is in use, and swap the new one in: exit 1 where the log is not whole."""
    with migrated_store(read_settings(os.environ)) as ready:
        assert ready.database_url is not None
        with connect(ready.database_url, connect_timeout=10) as connection:
            total = count_events(connection)
        try:
            with progress("events replayed", total) as advance:
                rebuilt = rebuild_view(ready.database_url, REBUILDABLE[view], advance)
        except RebuildRefused as error:
            click.echo(f"FAILED: {view} is left as it was: {error}")
            sys.exit(1)
        except (CannotSwap, RebuildRunning) as error:
            fail(str(error))
    for verdict in rebuilt.repaired:
        if verdict.problem:
            click.echo(f"repaired: task {verdict.task_id} version {verdict.problem.version}: {verdict.problem.code}")
    if rebuilt.tasks is None:
        click.echo(f"{view} is the fold of the log up to position {rebuilt.position}")
    else:
        click.echo(f"{view} rebuilt: {rebuilt.tasks:,} tasks, {len(rebuilt.repaired):,} of them repaired")
