"""The benchmark: `python -m benchmarks.run`, which is what `make bench` runs. See README.md.

Starts one PostgreSQL and every contender on it, loads them in turns, measures the scenarios, and writes a table to the
terminal and `results.json` and `results.svg` to a directory. Fails on any answer that is not a 2xx, never on speed.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console

from benchmarks import crud, machine, palimpsest, plot, report, scenarios, stock
from benchmarks.load import HOW_TO_GET_WRK, Target, measure
from benchmarks.servers import database, peer, temporary_directory
from benchmarks.typist import DRAFTS, Work, draft_ids, read_trace
from service.postgres.server import embedded_server

USER = UUID("5f0e7a52-8a4f-4c52-9d0b-6e2a1c3b4d5e")
CONTENDERS = ["echo", "crud", "stock", "palimpsest", "palimpsest-keyed"]
AT_32_ONLY = ["stock-cached", "palimpsest-2"]
SCENARIOS = ["storage", "age", "publishing", "starting"]


@dataclass
class Plan:
    """How much of everything."""

    rounds: int = 3
    seconds: int = 5
    connections: tuple[int, ...] = (1, 8, 32, 128)
    requests: int = 64_000
    stock_events: int = 200
    storage_edits: int = 10_000
    age_versions: int = 10_000
    age_drafts: int = 32
    publishing: tuple[tuple[int, int], ...] = ((5_000, 5), (100_000, 1))  # events, drafts
    starts: int = 3
    warm_up: bool = True


SHORT = Plan(
    rounds=1,
    seconds=1,
    connections=(32,),
    requests=6_000,
    stock_events=40,
    storage_edits=2_000,
    age_versions=200,
    age_drafts=8,
    publishing=((200, 2), (1_000, 1)),
    starts=1,
    warm_up=False,
)


class Run:
    """One run: what is running, and what was measured."""

    def __init__(self, plan: Plan, database_url: str, directory: Path, console: Console, trace: Path | None) -> None:
        self.plan = plan
        self.database_url = database_url
        self.directory = directory
        self.console = console
        self.trace = read_trace(trace) if trace else None
        self.cells: list[dict[str, Any]] = []
        self.failures: list[str] = []

    def work(self) -> Work:
        """The same for each contender: same drafts, same bodies, same order."""
        return Work(draft_ids(DRAFTS), trace=self.trace)

    def target(self, name: str, address: str, token: str = "none", keyed: bool = False) -> Target:
        requests = self.work().requests(self.plan.requests)
        return Target(name, address, requests, self.directory, token=token, keyed=keyed)

    @contextmanager
    def contender(self, name: str) -> Iterator[Target]:
        """Start a contender on a database of its own, with its drafts in it."""
        with ExitStack() as stack:
            url = stack.enter_context(database(self.database_url, f"bench_{name.replace('-', '_')}"))
            if name.startswith("palimpsest"):
                workers = 2 if name == "palimpsest-2" else 1
                product = stack.enter_context(palimpsest.serve(self.directory, url, USER, workers=workers, name=name))
                product.create(self.work().start)
                yield self.target(name, product.address, product.token, keyed=name == "palimpsest-keyed")
                return
            module, variables = name, {}
            if name == "crud":
                crud.seed(url, self.work().start, USER)
            if name.startswith("stock"):
                stock.seed(url, self.work().start, USER, self.plan.stock_events)
            if name == "stock-cached":
                module, variables = "stock", {"BENCH_CACHED_AGGREGATES": "1000"}
            yield self.target(name, stack.enter_context(peer(module, self.directory, url, variables)))

    def turns(self, targets: list[Target]) -> None:
        """A B C D A B C D …, at each number of connections."""
        if self.plan.warm_up:
            for target in targets:
                measure(target, 8, 1)  # statements get prepared, pools filled; not counted
        for number in range(self.plan.rounds):
            for connections in self.plan.connections:
                for target in targets:
                    if connections == 32 or target.name not in AT_32_ONLY:
                        self.cell(target, connections, number)

    def cell(self, target: Target, connections: int, number: int) -> None:
        measured = measure(target, connections, self.plan.seconds)
        where = {"contender": target.name, "connections": connections, "round": number}
        self.cells.append({**where, **asdict(measured)})
        self.check(f"{target.name} at {connections} connections", measured.errors, measured.refusal)
        self.console.print(
            f"round {number + 1}/{self.plan.rounds}  {connections:>3} connections  {target.name:<17}"
            f"{measured.rate:>9,.0f} PATCH/s   p99 {measured.p99_ms:>7.1f} ms",
            highlight=False,
        )

    def check(self, what: str, errors: dict[str, int], refusal: str) -> None:
        if errors:
            self.failures.append(f"{what}: {errors} {refusal[:500]}")

    def scenarios(self, names: list[str]) -> dict[str, Any]:
        """The figures of those that are named. One that fails is reported and does not stop the others."""
        measures: dict[str, Callable[[], Any]] = {
            "storage": self.storage,
            "age": self.age,
            "publishing": self.publishing,
            "starting": lambda: scenarios.starting(self.directory, USER, edits=4_000, times=self.plan.starts),
        }
        found: dict[str, Any] = {}
        for name in names:
            try:
                self.say(name)
                found[name] = measures[name]()
            except RuntimeError as error:
                self.failures.append(f"{name}: {error}")
        return found

    @contextmanager
    def product(self, name: str) -> Iterator[tuple[palimpsest.Product, str]]:
        with (
            database(self.database_url, f"bench_{name}") as url,
            palimpsest.serve(self.directory, url, USER, name=name) as product,
        ):
            yield product, url

    def storage(self) -> list[dict[str, Any]]:
        return [self.storage_of(length) | {"crud_wal_bytes_per_edit": self.crud_wal(length)} for length in (10, 5_000)]

    def storage_of(self, length: int) -> dict[str, Any]:
        with self.product(f"storage_{length}") as (product, url):
            return scenarios.storage(product, url, length, self.plan.storage_edits)

    def crud_wal(self, length: int) -> float:
        work = scenarios.one_character_edits(length)
        with database(self.database_url, "bench_crud_wal") as url:
            crud.seed(url, work.start, USER)
            with peer("crud", self.directory, url) as address:
                return scenarios.crud_wal(address, url, work, self.plan.storage_edits)

    def age(self) -> dict[str, Any]:
        plan = self.plan
        with self.product("age") as (product, _):
            found = scenarios.age(
                product,
                self.directory,
                plan.age_versions,
                drafts=plan.age_drafts,
                rounds=plan.rounds,
                seconds=plan.seconds,
            )
        for cell in found["cells"]:
            self.check(f"{cell['drafts']} drafts", cell["errors"], cell["refusal"])
        return found

    def publishing(self) -> list[dict[str, Any]]:
        with self.product("publishing") as (product, url):
            return [scenarios.publishing(product, url, events, drafts) for events, drafts in self.plan.publishing]

    def say(self, what: str) -> None:
        self.console.print(f"… {what}", highlight=False)


def write_results(results: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if results["cells"]:
        (out / "results.svg").write_text(plot.svg(results))


def chosen(text: str, known: list[str]) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return names


@click.command()
@click.option("--short", is_flag=True, help="Everything once and briefly, for CI: fails on errors, never on speed.")
@click.option("--rounds", type=click.IntRange(1, 100), help="How often each measurement is taken.  [3]")
@click.option("--seconds", type=click.IntRange(1, 600), help="How long each takes.  [5]")
@click.option("--connections", help="Numbers of connections, with commas.  [1,8,32,128]")
@click.option("--trace", type=click.Path(path_type=Path), help="Type this recorded session (.json.gz).")
@click.option("--contenders", default=",".join(CONTENDERS + AT_32_ONLY), show_default=True)
@click.option("--scenarios", "scenario_names", default=",".join(SCENARIOS), show_default=True)
@click.option("--database-url", help="A PostgreSQL to make databases in.  [one started for the run]")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(
    short: bool,
    rounds: int | None,
    seconds: int | None,
    connections: str | None,
    trace: Path | None,
    contenders: str,
    scenario_names: str,
    database_url: str | None,
    out: Path,
) -> None:
    """Measure Palimpsest and its peers side by side."""
    console = Console()
    console.width = max(console.width, 120)
    plan = SHORT if short else Plan()
    plan.rounds = rounds or plan.rounds
    plan.seconds = seconds or plan.seconds
    if connections:
        plan.connections = tuple(int(number) for number in connections.split(","))
    names = chosen(contenders, CONTENDERS + AT_32_ONLY + ["bare"])
    wanted = chosen(scenario_names, SCENARIOS)
    if not shutil.which("wrk"):
        console.print(f"[red]{HOW_TO_GET_WRK}[/]. Our own client stands in: itself the limit, not to be quoted.")
    started = time.monotonic()
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        server_url = database_url or stack.enter_context(embedded_server(directory / "server"))
        run = Run(plan, server_url, directory, console, trace)
        results = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "short": short,
            "trace": trace.name if trace else None,
            "plan": asdict(plan),
            "machine": machine.describe(server_url),
        }
        if names:
            with ExitStack() as servers:
                run.turns([servers.enter_context(run.contender(name)) for name in names])
        results |= {"cells": run.cells, "scenarios": run.scenarios(wanted) if wanted else {}}
    results |= {"minutes": (time.monotonic() - started) / 60, "failures": run.failures}
    write_results(results, out)
    report.show(results, console)
    console.print(f"{out}/results.json, {out}/results.svg; {results['minutes']:.1f} minutes")
    for failure in run.failures:
        console.print(f"[red]FAILED[/] {failure}", highlight=False)
    sys.exit(1 if run.failures else 0)


if __name__ == "__main__":
    main()
