"""The command `palimpsest`. Exit 0 done, 1 the check failed, 2 wrong use."""

import asyncio
import os
import subprocess
import sys
from uuid import UUID, uuid4

import click
from rich.console import Console
from rich.table import Table

from projections.times import system_clock
from service.cli.checkpoint import checkpoint
from service.cli.export import export, project
from service.cli.rebuild import rebuild
from service.cli.replay import replay
from service.cli.running import fail as _fail
from service.cli.running import migrated_store as _migrated_store
from service.cli.running import reporting as _reporting
from service.cli.running import running_store as _store
from service.cli.verify import verify
from service.http.auth import SCOPES, mint, verifier_of
from service.logs import configure_logs
from service.postgres.server import programs
from service.settings import VARIABLES, Settings, read_settings
from service.store.connections import ReadingPool
from service.store.tasks import Store
from service.writing.expiry import sweep
from service.writing.writer import Writer

DEVELOPMENT_TOKEN_SECONDS = 24 * 60 * 60


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="palimpsest", prog_name="palimpsest")
def main() -> None:
    """An event-sourced draft service. Settings come from the environment: see `palimpsest settings`."""


@main.command()
@_reporting
def serve() -> None:
    """Serve HTTP until stopped."""
    from service.cli.serving import require_free_address, run_server

    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    verifier_of(settings)
    require_free_address(settings)
    with _migrated_store(settings) as ready:
        assert ready.database_url is not None
        os.environ["PALIMPSEST_DATABASE_URL"] = ready.database_url
        _announce(settings)
        run_server(ready)


def _announce(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    click.echo(f"Listening on {address}")
    if settings.database_url:
        click.echo("Data in      the server of PALIMPSEST_DATABASE_URL")
    else:
        click.echo(f"Data in      {settings.data_dir.resolve()}")
    if settings.auth_public_key:
        click.echo("Tokens       from the holder of the private key of PALIMPSEST_AUTH_PUBLIC_KEY")
        return
    click.echo(f"Tokens       palimpsest token --sub {uuid4()}")
    # Only on a terminal: a log may be kept, and read by others.
    if settings.host in ("127.0.0.1", "localhost", "::1") and sys.stdout.isatty():
        token = mint(settings, uuid4(), "", DEVELOPMENT_TOKEN_SECONDS)
        click.echo(f"Try it       {address}/#token={token}")


@main.command()
@click.option("--sub", required=True, type=click.UUID, help="The user's uuid.")
@click.option("--scope", default="", help='Scopes, for instance "audit analytics".')
@click.option("--ttl", default=3600, type=click.IntRange(1, 10 * 365 * 86400), help="Seconds of validity.")
@_reporting
def token(sub: UUID, scope: str, ttl: int) -> None:
    """Print a bearer token for a user."""
    settings = read_settings(os.environ)
    if settings.auth_public_key:
        _fail("cannot mint tokens: PALIMPSEST_AUTH_PUBLIC_KEY is set, and its private key is not known here")
    unknown = set(scope.split()) - SCOPES
    if unknown:
        _fail(f"unknown scope {' '.join(sorted(unknown))}; there are {' and '.join(sorted(SCOPES))}")
    click.echo(mint(settings, sub, scope, ttl))


@main.command("settings")
@_reporting
def show_settings() -> None:
    """Show every variable, its meaning and its value now."""
    read_settings(os.environ)
    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table("variable", "meaning", "default", "now", box=None)
    for variable in VARIABLES:
        value = os.environ.get(variable.name, "")
        secret = variable.field in ("auth_secret", "database_url")
        table.add_row(variable.name, variable.meaning, variable.default, "(set)" if value and secret else value)
    console.print(table)


@main.command()
@_reporting
def expire() -> None:
    """Record the expiry of every draft past its life now (serve does it once a minute)."""
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    with _migrated_store(settings) as ready:
        count = asyncio.run(_expire(ready))
    click.echo(f"{count} expired")


async def _expire(settings: Settings) -> int:
    assert settings.database_url is not None
    pool, writer = ReadingPool(settings.database_url), Writer(settings.database_url)
    await pool.open()
    await writer.start()
    try:
        return await sweep(Store(pool), writer, system_clock)
    finally:
        await writer.stop()
        await pool.close()


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@_reporting
def sql(arguments: tuple[str, ...]) -> None:
    """Run psql on the store, its arguments passed through."""
    with _store(read_settings(os.environ)) as ready:
        psql = programs() / "psql"
        assert ready.database_url is not None
        sys.exit(subprocess.run([str(psql), ready.database_url, *arguments], check=False).returncode)


for _command in (verify, checkpoint, replay, project, rebuild, export):
    main.add_command(_command)
