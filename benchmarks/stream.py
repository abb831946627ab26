"""What reads the log, measured: NDJSON, the projector, an export, and the way from a commit to a live reader.

    .venv/bin/python -m benchmarks.stream [--events 1000000]

Everything runs on this machine, the client too: a server and its PostgreSQL share the processors with what measures
them, so that the figures are lower bounds. The log is synthetic and copied into the store, except for the last figure,
which goes through the write path. The store lies in a temporary directory and is removed in the end.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import httpx
import jwt
import psutil

from benchmarks.synthetic_log import SyntheticLog, write_log
from service.postgres.server import embedded_server
from service.store.connections import connect
from service.store.migrate import migrate
from service.stream.export import export
from service.views.followed import VIEWS
from service.views.projector import Projector
from service.views.rebuild import rebuild

SECRET = "a secret of at least thirty-two bytes"
PORT = 18_423


@contextmanager
def serving(database_url: str, directory: Path) -> Iterator[str]:
    """A service on the store; gives its address."""
    url = f"http://127.0.0.1:{PORT}"
    environment = {
        **os.environ,
        "PALIMPSEST_DATABASE_URL": database_url,
        "PALIMPSEST_DATA_DIR": str(directory),
        "PALIMPSEST_AUTH_SECRET": SECRET,
        "PALIMPSEST_RATE_LIMIT": "off",
        "PALIMPSEST_PORT": str(PORT),
        "PALIMPSEST_LOG_LEVEL": "error",
    }
    program = str(Path(sys.executable).with_name("palimpsest"))
    with subprocess.Popen([program, "serve"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers(url):
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def headers(scope: str = "") -> dict[str, str]:
    """Authorization of a new user."""
    claims = {"sub": str(uuid4()), "exp": int(time.time()) + 3600, "scope": scope}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}


def measure_lines(url: str, events: int, scope: str) -> float:
    """Events a second of NDJSON, read page by page over one connection."""
    after = 0
    begun = time.perf_counter()
    with httpx.Client(base_url=url, headers={**headers(scope), "Accept": "application/x-ndjson"}, timeout=60) as client:
        while after < events:
            params = {"after": after, "limit": 10_000}
            with client.stream("GET", "/api/v1/events", params=params) as response:
                for _ in response.iter_raw():
                    pass
                after = int(response.headers["x-next-after"])
    return events / (time.perf_counter() - begun)


def measure_projector(database_url: str) -> tuple[int, float]:
    """Events that both views took in, and how many a second."""
    with connect(database_url) as connection:
        begun = time.perf_counter()
        applied = Projector(database_url).catch_up(connection) // len(VIEWS)
    return applied, applied / (time.perf_counter() - begun)


async def measure_live(url: str, readers: int, writers: int, seconds: float) -> tuple[float, list[float]]:
    """Saves a second, and milliseconds from sending a save to having its event at a reader, which bounds the way from
    its commit from above."""
    sent: dict[str, float] = {}
    readings: list[list[tuple[float, bytes]]] = [[] for _ in range(readers)]
    client = httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None))
    head = (await client.get("/api/v1/events", params={"limit": 1}, headers=headers("analytics"))).json()["head"]
    saved = 0
    ending = asyncio.Event()

    async def follow(arrived: list[tuple[float, bytes]]) -> None:
        params = {"after": head}
        async with client.stream("GET", "/api/v1/events/stream", params=params, headers=headers("analytics")) as stream:
            # Taken apart in the end, so that this process is not what the service waits for.
            async for piece in stream.aiter_raw():
                arrived.append((time.perf_counter(), piece))  # noqa: PERF401 (kept when cancelled)

    async def save(number: int) -> None:
        nonlocal saved
        who = headers()
        task = (await client.post("/api/v1/tasks/drafts", headers=who)).json()["id"]
        while not ending.is_set():
            key = str(uuid4())
            sent[key] = time.perf_counter()
            body = {"title": f"{number} {saved}"}
            await client.patch(f"/api/v1/tasks/{task}", json=body, headers={**who, "X-Request-Id": key})
            saved += 1

    following = [asyncio.create_task(follow(arrived)) for arrived in readings]
    await asyncio.sleep(0.5)
    saving = [asyncio.create_task(save(number)) for number in range(writers)]
    await asyncio.sleep(seconds)
    ending.set()
    await asyncio.gather(*saving)
    await asyncio.sleep(0.5)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await client.aclose()
    return saved / seconds, sorted(wait for arrived in readings for wait in _waits(arrived, sent))


def _waits(arrived: list[tuple[float, bytes]], sent: dict[str, float]) -> Iterator[float]:
    """Milliseconds from sending each save to the arrival of the end of its event."""
    rest = b""
    for at, piece in arrived:
        *frames, rest = (rest + piece).split(b"\n\n")
        for frame in frames:
            if (place := frame.find(b"data: ")) >= 0:
                key = json.loads(frame[place + 6 :])["request_id"]
                if key in sent:
                    yield (at - sent[key]) * 1000


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """The largest resident size of this process meanwhile, in MB."""
    peak = [0.0]
    ending = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not ending.wait(0.05):
            peak[0] = max(peak[0], me.memory_info().rss / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ending.set()
        watcher.join()


@click.command()
@click.option("--events", default=1_000_000, help="Length of the synthetic log.")
@click.option("--seconds", default=10.0, help="How long saves are made for the live figure.")
def main(events: int, seconds: float) -> None:
    """Measure, and print one line a figure."""
    with tempfile.TemporaryDirectory() as name, embedded_server(Path(name) / "data") as url:
        migrate(url)
        begun = time.perf_counter()
        write_log(url, SyntheticLog(1, events, drafts=256))
        say("log made", f"{events:,} events", f"{time.perf_counter() - begun:.1f} s")
        say("projector catch-up", "{:,} events".format(*(measured := measure_projector(url))), per_second(measured[1]))
        begun = time.perf_counter()
        rebuild(url, VIEWS[1])
        say("rebuild of statistics", f"{events:,} events", per_second(events / (time.perf_counter() - begun)))
        for kind in ("parquet", "ndjson"):
            with peak_memory() as peak:
                begun = time.perf_counter()
                export(url, Path(name) / kind, kind)
                took = time.perf_counter() - begun
            say(
                f"export {kind}",
                f"{events:,} events",
                f"{took:.1f} s, {per_second(events / took)}, peak {peak[0]:.0f} MB",
            )
        with serving(url, Path(name) / "serve") as address:
            for scope in ("analytics", "audit"):
                say(f"NDJSON, {scope}", f"{events:,} events", per_second(measure_lines(address, events, scope)))
            for readers, writers in ((1, 8), (10, 8)):
                rate, waits = asyncio.run(measure_live(address, readers, writers, seconds))
                middle, tail = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
                figures = f"p50 {middle:.1f} ms, p99 {tail:.1f} ms at {rate:.0f} saves/s"
                say(f"save to {readers} live readers", f"{len(waits):,} deliveries", figures)


def per_second(rate: float) -> str:
    """A rate for people."""
    return f"{rate:,.0f} events/s"


def say(*columns: Any) -> None:
    """One line of the report."""
    click.echo("  ".join(f"{column:<26}" for column in map(str, columns)))


if __name__ == "__main__":
    main()
