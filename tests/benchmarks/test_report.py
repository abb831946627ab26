"""From measurements to ratios and verdicts."""

from typing import Any

from benchmarks.plot import svg
from benchmarks.report import bars


def cell(contender: str, rate: float, p99: float, number: int, connections: int = 32) -> dict[str, Any]:
    where = {"contender": contender, "connections": connections, "round": number}
    return where | {"rate": rate, "p50_ms": 1.0, "p90_ms": 1.0, "p99_ms": p99, "max_ms": p99, "tool_cores": 0.1}


def results(*cells: dict[str, Any], **scenarios: Any) -> dict[str, Any]:
    machine = {"cpu": "a <fast> one", "cores": 2, "postgresql": {"server_version": "18"}}
    return {"cells": list(cells), "scenarios": scenarios, "short": False, "machine": machine}


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    run = results(
        cell("crud", 100, 20, 0),
        cell("palimpsest", 400, 10, 0),
        cell("crud", 50, 40, 1),
        cell("palimpsest", 100, 10, 1),
        cell("crud", 100, 20, 2),
        cell("palimpsest", 300, 30, 2),
    )

    rate, tail = bars(run)

    assert (rate.what, rate.measured, rate.met) == ("PATCH/s at 32 connections / crud", "3.00 (2.00 to 4.00)", True)
    assert (tail.what, tail.measured, tail.met) == ("p99 at 32 connections / crud", "0.50 (0.25 to 1.50)", True)


def test_a_bar_that_is_missed_says_so() -> None:
    rate, tail = bars(results(cell("crud", 100, 10, 0), cell("palimpsest", 240, 11, 0)))

    assert [rate.verdict, tail.verdict] == ["MISSED", "MISSED"]


def test_what_was_not_measured_has_no_verdict() -> None:
    assert bars(results(cell("echo", 100, 10, 0))) == []


def test_publishing_is_linear_when_time_grows_as_events_do() -> None:
    few = {"events": 5_000, "seconds": [0.05, 0.04, 0.06]}

    for seconds, linear in ((1.0, True), (2.0, False)):
        *_, growth = bars(results(publishing=[few, {"events": 100_000, "seconds": [seconds]}]))
        assert growth.met is linear


def test_the_plot_is_well_formed() -> None:
    from xml.etree import ElementTree

    drawn = svg(results(cell("echo", 100, 10, 0), cell("echo", 120, 12, 1), cell("crud", 10, 30, 0, connections=8)))

    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "a &lt;fast&gt; one" in drawn
