"""`palimpsest project` and `export`: what follows the log, and what takes it elsewhere."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import click

from service.cli.progress import progress
from service.cli.running import fail, migrated_store, reporting
from service.logs import configure_logs
from service.settings import read_settings
from service.stream.export import ExportError, Progress
from service.stream.export import export as export_log
from service.views.followed import VIEWS
from service.views.projector import Projector


@click.command()
@reporting
def project() -> None:
    """Keep the views that follow the log up to it, until stopped (serve does it too)."""
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    with migrated_store(settings) as ready:
        assert ready.database_url is not None
        projector = Projector(ready.database_url)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: projector.end())
        click.echo(f"Following    {', '.join(view.name for view in VIEWS)}")
        projector.run()


@click.command("export")
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "kind", required=True, type=click.Choice(["parquet", "ndjson"]), help="What to write.")
@click.option("--after", type=click.IntRange(0, 2**63 - 1), help="Begin after this position.")
@click.option("--redact", is_flag=True, help="Leave out text and digests, as for the scope analytics.")
@reporting
def export(path: Path, kind: Literal["parquet", "ndjson"], after: int | None, redact: bool) -> None:
    """Write the log into a directory, by day, or what came since the last export into it."""
    with migrated_store(read_settings(os.environ)) as ready, ExitStack() as stack:
        assert ready.database_url is not None

        def began(begin: int, head: int) -> Progress:
            return stack.enter_context(progress("export", max(0, head - begin)))

        try:
            manifest = export_log(ready.database_url, path, kind, after=after, redact=redact, began=began)
        except ExportError as error:
            fail(str(error))
    events = sum(file.events for file in manifest.files)
    click.echo(f"{path} holds {events} events in {len(manifest.files)} files, up to position {manifest.upto}")
