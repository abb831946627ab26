"""`palimpsest replay`: a draft played in the terminal as it was typed, or printed as it stood."""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

import click
import msgspec
from psycopg import errors
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from domain.events import DraftFieldChanged, Recorded, TranscriptChanged
from domain.task import MICROSECONDS, Task, evolve
from projections.current_task import view_of
from projections.history import data_of, envelope
from projections.times import parse_rfc3339, rfc3339
from service.cli.running import existing_store, fail, reporting
from service.settings import read_settings
from service.store.codec import UNREADABLE, LogRow, decode_event
from service.store.connections import connect
from service.store.scan import one_task

LONGEST_PAUSE = 2.0
"""Seconds that a pause of the writer is played at most, at speed 1."""

FRAMES = 30
"""Pictures a second."""

AROUND = 5
"""Rows of a picture that are not the text: its frame, the other fields, the event, the cursor's."""

SIDES = 4
"""Columns that the frame takes."""

# A draft may hold what would move the cursor or change the terminal's title.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(range(127, 160), "�")


class Moment(NamedTuple):
    """An event, where it is stored, and the task after it."""

    position: int
    digest: bytes
    event: Recorded
    task: Task


@click.command()
@click.argument("task", type=click.UUID)
@click.option("--version", type=int, help="Print the task as it stood at this version.")
@click.option("--at", help="Print the task as it stood at this time (RFC 3339, such as 2026-11-23T12:00:00Z).")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Times as fast as it was typed; 1 unless given.")
@click.option(
    "--json", "as_json", is_flag=True, help="The task as JSON; without version and time, each event on a line."
)
@reporting
def replay(task: UUID, version: int | None, at: str | None, speed: float | None, as_json: bool) -> None:
    """Play the draft as it was typed, or print it as it stood at a version or a time.

    Where the output is no terminal, each event is a line. Pauses are played as no longer than two seconds.
    """
    if version is not None and at is not None:
        fail("give --version or --at, not both")
    if speed is not None and (version is not None or at is not None or as_json):
        fail("--speed is for playing; it goes with none of --version, --at and --json")
    if speed is not None and math.isnan(speed):
        fail("--speed must be a number")
    moment = _parsed(at) if at is not None else None
    moments = _moments(task)
    if version is not None:
        found = next((one for one in moments if one.task.version == version), None)
        _print_task(
            found or fail(f"the task has no version {version}: its last is {moments[-1].task.version}"), as_json, None
        )
    elif moment is not None:
        before = [one for one in moments if one.event.occurred_at <= moment]
        if not before:
            fail(f"the task did not exist then: it was created at {rfc3339(moments[0].event.occurred_at)}")
        _print_task(before[-1], as_json, moment)
    elif as_json or not sys.stdout.isatty():
        _print_events(moments, as_json)
    else:
        _play(moments, speed or 1.0)


def _parsed(at: str) -> int:
    try:
        return parse_rfc3339(at)
    except (ValueError, OverflowError):
        fail("--at must be an RFC 3339 date-time with an offset, such as 2026-11-23T12:00:00Z")


def _moments(task_id: UUID) -> list[Moment]:
    with existing_store(read_settings(os.environ)) as ready:
        assert ready.database_url is not None
        with connect(ready.database_url, connect_timeout=10) as connection:
            try:
                rows = [row for _, _, rows in one_task(connection, task_id) for row in rows]
            except errors.UndefinedTable:
                fail("the store has no log yet")
    if not rows:
        fail(f"there is no task {task_id}")
    return list(_evolved(task_id, rows))


def _evolved(task_id: UUID, rows: list[LogRow]) -> Iterator[Moment]:
    task: Task | None = None
    for row in rows:
        try:
            event = decode_event(task_id, row.version, row.topic, row.state)
            task = evolve(task, event)
        except UNREADABLE:
            fail(f"the event at version {row.version} cannot be replayed; see palimpsest verify {task_id}")
        yield Moment(row.position, row.digest, event, task)


def _print_task(moment: Moment, as_json: bool, now: int | None) -> None:
    view = view_of(moment.task, moment.event.occurred_at if now is None else now)
    if as_json:
        click.echo(msgspec.json.encode(view))
        return
    for name in view.__struct_fields__:
        if name != "description":
            value = getattr(view, name)
            shown = str(value) if isinstance(value, str | UUID) else msgspec.json.encode(value).decode()
            click.echo(f"{name + ':':16} {visible(shown)}".rstrip())
    click.echo(f"{'version:':16} {moment.task.version}")
    click.echo(f"\n{visible(view.description)}")


def _print_events(moments: Iterable[Moment], as_json: bool) -> None:
    for moment in moments:
        event = moment.event
        if as_json:
            click.echo(msgspec.json.encode(envelope(moment.position, event, moment.digest)))
        else:
            click.echo(visible(_headline(event) + "  " + _told(event), lines=False))


def _headline(event: Recorded) -> str:
    return (
        f"{event.originator_version:>6}  {rfc3339(event.occurred_at)}  {event.actor}  "
        f"{type(event.data).__name__} ({event.cause})"
    )


def _told(event: Recorded) -> str:
    return msgspec.json.encode(data_of(event.data)).decode()


def _play(moments: list[Moment], speed: float) -> None:
    console = Console()
    try:
        with Live(console=console, refresh_per_second=FRAMES) as live:
            shown_at = time.monotonic()
            for moment, pause in zip(moments, _pauses(moments), strict=True):
                # The clock is kept, not summed up in sleeps, so that a fast film skips pictures and not time.
                shown_at += pause / speed
                if (wait := shown_at - time.monotonic()) > 0:
                    time.sleep(wait)
                live.update(_Picture(moment, moments[-1].task.version))
    except KeyboardInterrupt:
        sys.exit(130)


def _pauses(moments: list[Moment]) -> Iterator[float]:
    """Seconds before each event."""
    before = moments[0].event.occurred_at
    for moment in moments:
        yield min((moment.event.occurred_at - before) / MICROSECONDS, LONGEST_PAUSE)
        before = moment.event.occurred_at


class _Picture(NamedTuple):
    """A moment as the terminal shows it; laid out only when it is drawn, so that those in between cost nothing."""

    moment: Moment
    last: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        task = self.moment.task
        title = f"{visible(task.title, lines=False) or 'untitled'}  {task.version}/{self.last}"
        rest = "   ".join(
            f"{name}: {value}"
            for name, value in (
                ("status", task.status),
                ("category", task.category),
                ("task_type", task.task_type),
                ("budget_usd", task.budget_usd or ""),
                ("attachments", len(task.attachments) or ""),
            )
            if value != ""
        )
        text = _in_sight(*_typed(self.moment), console, options.max_width - SIDES, max(1, console.height - AROUND))
        yield Panel(text, title=Text(title), title_align="left")
        event = self.moment.event
        what = f"{type(event.data).__name__} ({event.cause})  {rfc3339(event.occurred_at)}  {event.actor}"
        for line, style in ((rest, ""), (what, "dim")):
            yield Text(visible(line, lines=False), style, no_wrap=True, overflow="ellipsis")


def _typed(moment: Moment) -> tuple[Text, int]:
    """The description, or the transcript while that is changed, with what was just typed marked; where that ends."""
    data = moment.event.data
    text, edit = moment.task.description, None
    if isinstance(data, TranscriptChanged):
        text, edit = moment.task.transcript, data.edit
    elif isinstance(data, DraftFieldChanged) and data.field == "description":
        edit = data.edit
    shown = Text(visible(text))
    if edit is None:
        return shown, len(text)
    end = edit.at + len(edit.insert)
    shown.stylize("reverse", edit.at, end)
    return shown, end


def _in_sight(text: Text, focus: int, console: Console, width: int, height: int) -> Text:
    """As many lines of a text as there is room for, those around the code point `focus`."""
    lines = text.wrap(console, width)
    row = len(text[:focus].wrap(console, width))
    first = max(0, min(row - height // 2, len(lines) - height))
    return Text("\n").join(lines[first : first + height])


def visible(text: str, *, lines: bool = True) -> str:
    """The text with control characters made visible, one for one; line ends only where they are wanted."""
    shown = text.translate(_VISIBLE)
    return shown if lines else shown.replace("\n", "\u240a").replace("\t", "\u2409")
