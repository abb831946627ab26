"""From the cells of a run to what people read: medians with ranges, ratios against the bars, tables.

A ratio is taken within each round, of measurements that stood next to each other in time, and the median of those is
reported with their range.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

Results = dict[str, Any]
Cells = list[dict[str, Any]]
Where = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A median and what it is the median of."""

    median: float
    low: float
    high: float

    def text(self, form: Callable[[float], str]) -> str:
        spread = "" if self.low == self.high else f" ({form(self.low)} to {form(self.high)})"
        return form(self.median) + spread


def figure(values: Iterable[float]) -> Figure | None:
    known = list(values)
    return Figure(statistics.median(known), min(known), max(known)) if known else None


def values(cells: Cells, what: str, **where: Any) -> dict[int, float]:
    """By round, of the cells that match."""
    return {
        cell["round"]: cell[what] for cell in cells if all(cell.get(name) == value for name, value in where.items())
    }


def ratio(cells: Cells, what: str, one: Where, other: Where) -> Figure | None:
    above, below = values(cells, what, **one), values(cells, what, **other)
    return figure(above[number] / below[number] for number in above if below.get(number))


def whole(number: float) -> str:
    return f"{number:,.0f}"


def milliseconds(number: float) -> str:
    return f"{number:.1f}"


def times(number: float) -> str:
    return f"{number:.2f}"


@dataclass(frozen=True)
class Bar:
    what: str
    bar: str
    measured: str
    met: bool | None  # None: reported, there is no bar

    @property
    def verdict(self) -> str:
        return {True: "met", False: "MISSED", None: ""}[self.met]


def bars(results: Results) -> list[Bar]:
    """Those of issue 3 for which this run has figures."""
    return [*rate_bars(results["cells"]), *scenario_bars(results["scenarios"])]


def rate_bars(cells: Cells) -> Iterable[Bar]:
    def at(contender: str, connections: int) -> Where:
        return {"contender": contender, "connections": connections}

    def compared(
        what: str, name: str, bar: str, one: Where, other: Where, met: Callable[[float], bool]
    ) -> Iterable[Bar]:
        if found := ratio(cells, what, one, other):
            yield Bar(name, bar, found.text(times), met(found.median))

    us = at("palimpsest", 32)
    yield from compared("rate", "PATCH/s at 32 connections / crud", "≥ 2.5", us, at("crud", 32), lambda r: r >= 2.5)
    yield from compared("rate", "PATCH/s at 32 connections / stock", "≥ 10", us, at("stock", 32), lambda r: r >= 10)
    yield from compared("p99_ms", "p99 at 32 connections / crud", "≤ 1", us, at("crud", 32), lambda r: r <= 1)
    yield from compared(
        "rate", "PATCH/s at 1 connection / crud", "≥ 0.8", at("palimpsest", 1), at("crud", 1), lambda r: r >= 0.8
    )
    yield from compared("rate", "PATCH/s at 32 connections / echo", "≥ 0.6", us, at("echo", 32), lambda r: r >= 0.6)
    yield from compared(
        "rate", "two processes / one, 32 connections", "≥ 1", at("palimpsest-2", 32), us, lambda r: r >= 1
    )
    for name, other in (("with Idempotency-Key / without", "palimpsest"), ("with Idempotency-Key / crud", "crud")):
        if found := ratio(cells, "rate", at("palimpsest-keyed", 32), at(other, 32)):
            yield Bar(f"PATCH/s at 32 connections {name}", "", found.text(times), None)
    if found := ratio(cells, "rate", us, at("stock-cached", 32)):
        yield Bar("PATCH/s at 32 connections / stock with its aggregate cache", "", found.text(times), None)


def scenario_bars(scenarios: dict[str, Any]) -> Iterable[Bar]:
    if "storage" in scenarios:
        yield from storage_bars(scenarios["storage"])
    if "age" in scenarios:
        yield from age_bars(scenarios["age"])
    if "publishing" in scenarios:
        yield from publishing_bars(scenarios["publishing"])
    if "starting" in scenarios:
        took = figure(scenarios["starting"]["seconds"])
        assert took
        yield Bar("start of serve to ready", "≤ 2 s", took.text(times) + " s", took.median <= 2)


def age_bars(age: dict[str, Any]) -> Iterable[Bar]:
    name = f"on drafts at version {whole(age['versions']['old'])} / version {age['versions']['young']}"
    rate = ratio(age["cells"], "rate", {"drafts": "old"}, {"drafts": "young"})
    tail = ratio(age["cells"], "p99_ms", {"drafts": "old"}, {"drafts": "young"})
    assert rate
    assert tail
    yield Bar(f"PATCH/s {name}", "≥ 0.9", rate.text(times), rate.median >= 0.9)
    yield Bar(f"p99 {name}", "≤ 1.1", tail.text(times), tail.median <= 1.1)


def publishing_bars(publishing: list[dict[str, Any]]) -> Iterable[Bar]:
    for published in publishing:
        took = figure(second * 1_000 for second in published["seconds"])
        assert took
        has_bar = published["events"] == 5_000
        yield Bar(
            f"publishing a draft of {whole(published['events'])} events",
            "≤ 60 ms" if has_bar else "",
            took.text(milliseconds) + " ms",
            took.median <= 60 if has_bar else None,
        )
    few, many = publishing
    growth = statistics.median(many["seconds"]) / statistics.median(few["seconds"])
    events = many["events"] / few["events"]
    yield Bar(f"publishing {events:.0f} times the events", "linear", f"{times(growth)} times", growth <= events * 1.2)


def storage_bars(storage: list[dict[str, Any]]) -> Iterable[Bar]:
    for measured in storage:
        log = measured["log_bytes_per_edit"]
        yield Bar(f"log bytes per edit, {characters(measured)}", "≤ 320", whole(log), log <= 320)
    short, long = (measured["log_bytes_per_edit"] for measured in storage)
    yield Bar("log bytes, long text / short", "within 5 %", f"{long / short:.3f}", abs(long / short - 1) <= 0.05)
    for measured in storage:
        row = whole(measured["idempotency_bytes_per_edit"])
        yield Bar(f"bytes of the idempotency row, {characters(measured)}", "", row, None)
    for measured in storage:
        view = whole(measured["plain"]["sizes"].get("current_task", 0))
        yield Bar(f"bytes that the view grows by until it is vacuumed, {characters(measured)}", "", view, None)
    for measured in storage:
        plain, keyed = whole(measured["wal_bytes_per_edit"]), whole(measured["wal_bytes_per_keyed_edit"])
        peer = whole(measured["crud_wal_bytes_per_edit"])
        yield Bar(f"WAL bytes per edit, {characters(measured)}", "", f"{plain}, keyed {keyed}, crud {peer}", None)


def characters(measured: dict[str, Any]) -> str:
    return f"{whole(measured['text_length'])} characters"


def show(results: Results, console: Console) -> None:
    console.print(rate_table(results["cells"]))
    verdicts = bars(results)
    if verdicts:
        table = Table(title="Against the bars of issue 3" + (" (short: not to be quoted)" if results["short"] else ""))
        for heading in ("what", "bar", "measured", ""):
            table.add_column(heading)
        for bar in verdicts:
            style = "red" if bar.met is False else ""
            table.add_row(bar.what, bar.bar, bar.measured, bar.verdict, style=style)
        console.print(table)


def rate_table(cells: Cells) -> Table:
    table = Table(title="Autosaves, times in ms: median of the rounds (lowest to highest)")
    table.add_column("contender", no_wrap=True)
    for heading in ("at once", "PATCH/s", "p50", "p90", "p99", "max", "wrk"):
        table.add_column(heading, justify="right", no_wrap=True)
    for connections in sorted({cell["connections"] for cell in cells}):
        for contender in dict.fromkeys(cell["contender"] for cell in cells):
            here = {"contender": contender, "connections": connections}
            rate = figure(values(cells, "rate", **here).values())
            if rate is None:
                continue
            p99 = figure(values(cells, "p99_ms", **here).values())
            assert p99
            p50, p90, longest, tool = (
                statistics.median(values(cells, what, **here).values())
                for what in ("p50_ms", "p90_ms", "max_ms", "tool_cores")
            )
            between = [milliseconds(p50), milliseconds(p90), p99.text(milliseconds), milliseconds(longest)]
            table.add_row(contender, str(connections), rate.text(whole), *between, times(tool))
        table.add_section()
    return table
