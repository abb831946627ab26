"""How far long work has come: a bar on a terminal, a plain line every few seconds otherwise. On standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

INTERVAL = 5.0
"""Seconds between two plain lines."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows progress until left; what it gives is called with the number of steps done since."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines(what, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def _plain_lines(what: str, total: int) -> Callable[[int], None]:
    done = 0
    shown = time.monotonic()

    def advance(steps: int) -> None:
        nonlocal done, shown
        done += steps
        if time.monotonic() - shown >= INTERVAL:
            shown = time.monotonic()
            click.echo(f"{what}: {done:,} of {total:,}", err=True)

    return advance
