"""What Prometheus is told (`/metrics`): counted by each process under its seat, added up over all of them.

The files that the processes count in belong to the seat and not to the process: a counter goes on when a process is
replaced, and there are never more files than seats.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from typing_extensions import override

from service.processes.worker import Seat
from service.store.connections import ReadingPool
from service.stream.feed import Feed
from service.views.lag import Lag, read_lags
from service.writing.writer import Writer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TICK = 1.0
"""Seconds between two looks at what is not counted where it happens."""

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_ORDERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one process. There is one in a process that has a seat: its files are known by that."""

    def __init__(self, feed: Feed, pool: ReadingPool, seat: Seat | None = None) -> None:
        self.writer: Writer | None = None
        self._feed = feed
        self._pool = pool
        self._directory = _count_in(seat) if seat else None
        self._registry = registry = CollectorRegistry()
        self._task: asyncio.Task[None] | None = None
        self._requests = Histogram(
            "palimpsest_request_seconds",
            "Seconds until an answer began, by route and status.",
            ("method", "route", "status"),
            buckets=_LATENCIES,
            registry=registry,
        )
        self._commits = Histogram(
            "palimpsest_commit_seconds",
            "Seconds that one call took to make a batch durable.",
            buckets=_LATENCIES,
            registry=registry,
        )
        self._batches = Histogram(
            "palimpsest_batch_orders", "Orders in one commit.", buckets=_ORDERS, registry=registry
        )
        self._conflicts = Counter(
            "palimpsest_conflicts",
            "Tasks that another process had changed, so that they were decided again.",
            registry=registry,
        )
        self._repeats = Counter(
            "palimpsest_repeats",
            "Retries that were answered as the first time, by their Idempotency-Key.",
            registry=registry,
        )
        self._lookups = Counter(
            "palimpsest_commit_lookups",
            "Connections lost between a commit and its answer, so that the log was looked at.",
            registry=registry,
        )
        self._waiting = Gauge(
            "palimpsest_orders_waiting", "Orders that wait to be committed.", multiprocess_mode="sum", registry=registry
        )
        self._streams = Gauge(
            "palimpsest_open_streams", "Readers of the live event stream.", multiprocess_mode="sum", registry=registry
        )
        self._request = cache(self._request_histogram)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answer began, so long after its request came."""
        self._request(method, route, status).observe(seconds)

    def replayed(self) -> None:
        """A retry was answered as the first time."""
        self._repeats.inc()

    def conflict(self) -> None:
        """Another process had changed a task."""
        self._conflicts.inc()

    def lookup(self) -> None:
        """A connection was lost between a commit and its answer."""
        self._lookups.inc()

    def committed(self, requests: int, seconds: float) -> None:
        """One call made so many requests durable."""
        self._batches.observe(requests)
        self._commits.observe(seconds)

    def start(self) -> None:
        """Look about from now on."""
        self._task = asyncio.create_task(self._tick(), name="metrics")

    async def stop(self) -> None:
        """Look about no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._look()

    async def text(self) -> bytes:
        """All metrics of all processes, as Prometheus reads them; of the store only what can be had."""
        self._look()
        registry = CollectorRegistry()
        if self._directory:
            MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]
        else:
            registry.register(_Those(self._registry.collect))
        try:
            lags = await read_lags(self._pool)
        except Exception:  # whatever keeps the store from answering, the rest is still worth telling
            lags = None
        registry.register(_Those(lambda: _of_the_store(lags)))
        return generate_latest(registry)

    def _request_histogram(self, method: str, route: str, status: int) -> Histogram:
        return self._requests.labels(method, route, str(status))

    async def _tick(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(TICK)

    def _look(self) -> None:
        self._waiting.set(self.writer.waiting if self.writer else 0)
        self._streams.set(self._feed.readers)


class _Those(Collector):
    """Metrics from a function."""

    def __init__(self, metrics: Callable[[], Iterable[Metric]]) -> None:
        self._metrics = metrics

    @override
    def collect(self) -> Iterable[Metric]:
        return self._metrics()


def _of_the_store(lags: list[Lag] | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("palimpsest_store_up", "Whether the store answers.", value=float(lags is not None))
    behind = GaugeMetricFamily("palimpsest_view_lag_events", "Events that a view lacks.", labels=["view"])
    seconds = GaugeMetricFamily(
        "palimpsest_view_lag_seconds", "Age of the first event that a view lacks.", labels=["view"]
    )
    failed = GaugeMetricFamily("palimpsest_view_failed", "Whether a view stopped at an event.", labels=["view"])
    for lag in lags or ():
        behind.add_metric([lag.view], lag.events)
        seconds.add_metric([lag.view], lag.seconds)
        failed.add_metric([lag.view], float(lag.failure is not None))
    yield from (behind, seconds, failed)


def _count_in(seat: Seat) -> str:
    """Let every counter made from now on be kept in the seat's files; returns the directory of all seats' files."""
    directory = seat.directory / "metrics"
    directory.mkdir(exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: seat.number)  # type: ignore[no-untyped-call]
    return str(directory)
