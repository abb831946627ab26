"""Resident memory of the product's worker while it answers 500,000 PATCHes: `python -m benchmarks.memory`.

Takes minutes, and Linux. One line for each sample, then how much the worker grew in the second half.
Fails on errors only.
"""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console

from benchmarks import palimpsest
from benchmarks.load import Target, measure
from benchmarks.run import USER
from benchmarks.servers import database, temporary_directory
from benchmarks.typist import Work, draft_ids
from service.postgres.server import embedded_server

MEGABYTE = 1_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> dict[int, int]:
    """Bytes by pid, of the command and its workers. PostgreSQL is not among them: it is no child of theirs here."""
    process = Path(f"/proc/{pid}")
    found = {pid: int(process.joinpath("statm").read_text().split()[1]) * PAGE}
    for child in process.joinpath(f"task/{pid}/children").read_text().split():
        found |= resident(int(child))
    return found


class Sample(NamedTuple):
    patches: int
    resident: dict[int, int]

    @property
    def largest(self) -> float:
        """Megabytes of the largest of the processes, which is the worker."""
        return max(self.resident.values()) / MEGABYTE


@click.command()
@click.option("--patches", type=click.IntRange(1_000), default=500_000, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 60), default=5, show_default=True, help="Between two samples.")
@click.option("--connections", type=click.IntRange(1, 256), default=32, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(patches: int, seconds: int, connections: int, out: Path) -> None:
    """Half of the PATCHes carry an Idempotency-Key."""
    console = Console()
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        server_url = stack.enter_context(embedded_server(directory / "server"))
        url = stack.enter_context(database(server_url, "bench_memory"))
        product = stack.enter_context(palimpsest.serve(directory, url, USER))
        work = Work(draft_ids())
        product.create(work.start)
        target = Target("memory", product.address, work.requests(64_000), directory, token=product.token)
        samples = [Sample(0, resident(product.pid))]
        while target.sent < patches:
            target.keyed = not target.keyed
            measured = measure(target, connections, seconds)
            samples.append(Sample(target.sent, resident(product.pid)))
            told = f"{target.sent:>9,} PATCHes  {samples[-1].largest:>6.1f} MB  {measured.rate:>6,.0f} PATCH/s"
            console.print(told, highlight=False)
            if measured.errors:
                console.print(f"[red]FAILED[/] {measured.errors} {measured.refusal[:500]}")
                sys.exit(1)
    peaks = [sample.largest for sample in samples]
    half = peaks[len(peaks) // 2]
    console.print(f"at most {max(peaks):.1f} MB (bar: 150 MB); second half {peaks[-1] - half:+.1f} MB (bar: flat)")
    out.mkdir(parents=True, exist_ok=True)
    (out / "memory.json").write_text(json.dumps([sample._asdict() for sample in samples], indent=2) + "\n")


if __name__ == "__main__":
    main()
