"""How fast the log is verified, replayed, signed and made into a view again, as the commands do it.

    python -m benchmarks.audit [--events 1000000] [--length 500]

A synthetic log is written into a database of its own, which goes away afterwards; its view is made by the rebuild.
One connection, one run of each, the log in memory where it fits. `--length` is how many events a draft has, about:
the longer a draft, the longer the texts that a replay has to copy.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import click

from benchmarks.servers import temporary_directory
from benchmarks.synthetic_log import SyntheticLog, write_log
from service.postgres.server import embedded_server
from service.proof.checkpoint import damages, take_checkpoint
from service.proof.verify import verdicts
from service.store.connections import connect
from service.store.migrate import migrate
from service.store.scan import settled_position, tasks_of_log_and_view
from service.views.current_task import CurrentTask
from service.views.rebuild import rebuild

T = TypeVar("T")


def nothing(steps: int) -> None:
    """For whom does not want to know how far it is."""


def timed(what: str, events: int, work: Callable[[], T]) -> T:
    """The outcome of the work; its time and rate are printed."""
    begun = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - begun
    click.echo(f"{what:40} {seconds:8.1f} s {events / seconds:12,.0f} events/s")
    return outcome


@click.command()
@click.option("--events", default=1_000_000, type=click.IntRange(1))
@click.option("--length", default=500, type=click.IntRange(1), help="Events of a draft before it is published, about.")
def main(events: int, length: int) -> None:
    """Measure what auditors run."""
    with temporary_directory() as folder, embedded_server(folder) as url:
        migrate(url)
        log = SyntheticLog(1, events, max(1, events // length))
        timed("write a synthetic log", events, lambda: write_log(url, log))
        with connect(url, connect_timeout=10) as connection:
            connection.execute("ANALYZE draft_events")
            rebuilt = timed("rebuild current_task", events, lambda: rebuild(url, CurrentTask()))
            connection.execute("ANALYZE current_task")
            verified = timed(
                "verify --all: chains, heads, replays, views",
                events,
                lambda: list(verdicts(tasks_of_log_and_view(connection), nothing)),
            )
            position = settled_position(connection)
            checkpoint = timed("checkpoint", events, lambda: take_checkpoint(connection, position, 0, nothing))
            found = timed("verify --checkpoint", events, lambda: list(damages(connection, checkpoint, nothing)))
            assert not found
            assert all(verdict.ok for verdict in verified)
            assert sum(verdict.events for verdict in verified) == checkpoint.events == events
    longest = max(verdict.events for verdict in verified)
    click.echo(f"{rebuilt.tasks:,} tasks, the longest of {longest:,} events")


if __name__ == "__main__":
    main()
