"""`palimpsest verify`: tasks against chain, replay and view; the log against a signed checkpoint."""

import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from psycopg import Connection, errors

from projections.times import rfc3339
from service.cli.progress import progress
from service.cli.running import existing_store, fail, reporting
from service.proof.check import Verdict
from service.proof.checkpoint import CheckpointError, damages, is_signed, read_checkpoint, read_public_key
from service.proof.verify import verdicts
from service.settings import read_settings
from service.store.connections import connect
from service.store.scan import count_events, count_events_after, one_task, tasks_of_log_and_view

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("task", required=False, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Every task that the log or the view has.")
@click.option("--checkpoint", type=FILE, help="A file of `palimpsest checkpoint`.")
@click.option("--public-key", type=FILE, help="PEM file of the key that the checkpoint must be signed with.")
@reporting
def verify(task: UUID | None, everything: bool, checkpoint: Path | None, public_key: Path | None) -> None:
    """Prove that the history is what was recorded: exit 0 it is, 1 it is not, 2 wrong use.

    TASK or --all checks the chain, the head that the view remembers, and the view against a replay.
    --checkpoint checks that nothing up to its position was rewritten, dropped, added or moved.
    """
    if task and everything:
        fail("name a task, or give --all, not both")
    if (checkpoint is None) != (public_key is None):
        fail("--checkpoint and --public-key go together")
    if not (task or everything or checkpoint):
        fail("nothing to verify: name a task, or give --all, or --checkpoint")
    with existing_store(read_settings(os.environ)) as ready:
        assert ready.database_url is not None
        with connect(ready.database_url, connect_timeout=10) as connection:
            try:
                whole = _verify(connection, task, everything, checkpoint, public_key)
            except errors.UndefinedTable:
                fail("the store has no log yet")
            except CheckpointError as error:
                fail(str(error))
    sys.exit(0 if whole else 1)


def _verify(
    connection: Connection[Any], task: UUID | None, everything: bool, checkpoint: Path | None, public_key: Path | None
) -> bool:
    whole = True
    if checkpoint and public_key:
        whole = _verify_checkpoint(connection, checkpoint, public_key)
    if task:
        whole &= _verify_task(connection, task)
    if everything:
        whole &= _verify_all(connection)
    return whole


def _verify_task(connection: Connection[Any], task_id: UUID) -> bool:
    found = list(verdicts(one_task(connection, task_id), lambda steps: None))
    if not found:
        fail(f"there is no task {task_id}")
    (verdict,) = found
    if verdict.problem:
        click.echo(_told(verdict))
    else:
        click.echo(f"OK: task {task_id}, {verdict.events:,} events, head {verdict.head}")
    return verdict.ok


def _verify_all(connection: Connection[Any]) -> bool:
    begun = time.monotonic()
    tasks = events = broken = 0
    with progress("events verified", count_events(connection)) as advance:
        for verdict in verdicts(tasks_of_log_and_view(connection), advance):
            tasks += 1
            events += verdict.events
            if verdict.problem:
                broken += 1
                click.echo(_told(verdict))
    looked_at = f"{tasks:,} tasks, {events:,} events in {time.monotonic() - begun:.1f} s"
    if broken:
        click.echo(f"FAILED: {broken:,} of {looked_at}")
    else:
        click.echo(f"OK: {looked_at}; every chain is whole, every view as replayed")
    return not broken


def _told(verdict: Verdict) -> str:
    assert verdict.problem is not None
    problem = verdict.problem
    return f"FAILED: task {verdict.task_id} version {problem.version}: {problem.code}: {problem.message}"


def _verify_checkpoint(connection: Connection[Any], path: Path, public_key: Path) -> bool:
    key = read_public_key(public_key)
    checkpoint, signature = read_checkpoint(path)
    if not is_signed(checkpoint, signature, key):
        click.echo(f"FAILED: {path}: signature-invalid: The checkpoint is not signed by this key, or was changed.")
        return False
    whole = True
    with progress("events compared with the checkpoint", checkpoint.events) as advance:
        for damage in damages(connection, checkpoint, advance):
            whole = False
            click.echo(
                f"FAILED: positions {damage.first} to {damage.last}: log-rewritten: "
                f"{damage.signed_events:,} events were signed, {damage.found_events:,} are there"
                + (", not the same ones" if damage.signed_events == damage.found_events else "")
            )
    if whole:
        later = count_events_after(connection, checkpoint.position)
        click.echo(
            f"OK: {checkpoint.events:,} events up to position {checkpoint.position} are those that were signed"
            f" at {rfc3339(checkpoint.taken_at)}" + (f"; {later:,} later ones are not covered" if later else "")
        )
    return whole
