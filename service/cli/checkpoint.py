"""`palimpsest checkpoint`: the signed digest of the whole log as it is now."""

import os
import time
from pathlib import Path

import click
from psycopg import errors

from service.cli.progress import progress
from service.cli.running import existing_store, fail, reporting
from service.proof.checkpoint import CheckpointError, read_private_key, take_checkpoint, write_checkpoint
from service.settings import read_settings
from service.store.connections import connect
from service.store.scan import count_events, settled_position

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, help="PEM file of an Ed25519 private key, without a passphrase.")
@reporting
def checkpoint(file: Path, key: Path) -> None:
    """Write a signed digest of the whole log up to now, for a later `verify --checkpoint`.

    Keep it and the key somewhere else than the store. A key: openssl genpkey -algorithm ed25519 -out key.pem;
    its public half: openssl pkey -in key.pem -pubout -out public.pem.
    """
    try:
        private_key = read_private_key(key)
        if file.exists():
            raise CheckpointError(f"{file} exists; a checkpoint is never overwritten")
        with existing_store(read_settings(os.environ)) as ready:
            assert ready.database_url is not None
            with connect(ready.database_url, connect_timeout=10) as connection:
                position = settled_position(connection)
                with progress("events signed", count_events(connection)) as advance:
                    taken = take_checkpoint(connection, position, time.time_ns() // 1000, advance)
        write_checkpoint(file, taken, private_key)
    except errors.UndefinedTable:
        fail("the store has no log yet")
    except CheckpointError as error:
        fail(str(error))
    click.echo(f"{taken.events:,} events up to position {taken.position} signed in {file}")
