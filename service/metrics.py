"""What Prometheus reads (`/metrics`): counted by each process under its slot, added up over all of them.

The files that the processes count in belong to the slot and not to the process: a counter goes on when a process is
replaced, and there are never more files than slots.
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

from service.processes.worker import WorkerSlot
from service.store.connections import ReadingPool
from service.views.lag import Lag, read_lags
from service.writing.observer import WriteObserver

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

GAUGE_INTERVAL = 1.0
"""Seconds between two readings of the gauges: other processes read them from this one's file, and cannot ask."""

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(WriteObserver):
    """The counters of one process. There is one in a process that has a slot: its files are known by that."""

    def __init__(self, pool: ReadingPool, slot: WorkerSlot | None = None) -> None:
        self._pool = pool
        self._directory = _count_in(slot) if slot else None
        self._registry = registry = CollectorRegistry()
        self._task: asyncio.Task[None] | None = None
        self._requests = Histogram(
            "palimpsest_request_seconds",
            "Seconds until a response began, by route and status.",
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
            "palimpsest_batch_orders", "Write requests in one commit.", buckets=_BATCH_SIZES, registry=registry
        )
        self._conflicts = Counter(
            "palimpsest_conflicts",
            "Tasks that another process had changed, so that they were decided again.",
            registry=registry,
        )
        self._replays = Counter(
            "palimpsest_repeats",
            "Retries that were answered as the first time, by their Idempotency-Key.",
            registry=registry,
        )
        self._lookups = Counter(
            "palimpsest_commit_lookups",
            "Connections lost between a commit and its answer, so that the log was read.",
            registry=registry,
        )
        self._waiting = Gauge(
            "palimpsest_orders_waiting",
            "Write requests that wait to be committed.",
            multiprocess_mode="sum",
            registry=registry,
        )
        self._streams = Gauge(
            "palimpsest_open_streams", "Readers of the live event stream.", multiprocess_mode="sum", registry=registry
        )
        self._request = cache(self._request_histogram)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A response began, so long after its request came."""
        self._request(method, route, status).observe(seconds)

    @override
    def committed(self, requests: int, seconds: float) -> None:
        self._batches.observe(requests)
        self._commits.observe(seconds)

    @override
    def conflict(self) -> None:
        self._conflicts.inc()

    @override
    def lookup(self) -> None:
        self._lookups.inc()

    @override
    def replayed(self) -> None:
        self._replays.inc()

    def start(self, waiting: Callable[[], int], readers: Callable[[], int]) -> None:
        """Read the gauges once a second from now on: the write requests that wait, the readers of the stream."""
        self._task = asyncio.create_task(self._read_gauges(waiting, readers), name="metrics")

    async def stop(self) -> None:
        """Read the gauges no more; they are 0 from then on."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._waiting.set(0)
            self._streams.set(0)

    async def text(self) -> bytes:
        """The metrics of all processes in Prometheus's text format; without the store's where it does not answer."""
        registry = CollectorRegistry()
        if self._directory:
            MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]
        else:
            registry.register(_FromFunction(self._registry.collect))
        try:
            lags = await read_lags(self._pool)
        except Exception:  # the metrics of the processes are of use without the store, too
            lags = None
        registry.register(_FromFunction(lambda: _of_the_store(lags)))
        return generate_latest(registry)

    def _request_histogram(self, method: str, route: str, status: int) -> Histogram:
        return self._requests.labels(method, route, str(status))

    async def _read_gauges(self, waiting: Callable[[], int], readers: Callable[[], int]) -> None:
        while True:
            self._waiting.set(waiting())
            self._streams.set(readers())
            await asyncio.sleep(GAUGE_INTERVAL)


class _FromFunction(Collector):
    """Metrics from a function."""

    def __init__(self, metrics: Callable[[], Iterable[Metric]]) -> None:
        self._metrics = metrics

    @override
    def collect(self) -> Iterable[Metric]:
        return self._metrics()


def _of_the_store(lags: list[Lag] | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("palimpsest_store_up", "Whether the store answers.", value=float(lags is not None))
    events = GaugeMetricFamily("palimpsest_view_lag_events", "Events that a view lacks.", labels=["view"])
    seconds = GaugeMetricFamily(
        "palimpsest_view_lag_seconds", "Age of the first event that a view lacks.", labels=["view"]
    )
    failed = GaugeMetricFamily("palimpsest_view_failed", "Whether a view stopped at an event.", labels=["view"])
    for lag in lags or ():
        events.add_metric([lag.view], lag.events)
        seconds.add_metric([lag.view], lag.seconds)
        failed.add_metric([lag.view], float(lag.failure is not None))
    yield from (events, seconds, failed)


def _count_in(slot: WorkerSlot) -> str:
    """Keep every counter made from now on in the slot's files; returns the directory of all slots' files."""
    directory = slot.directory / "metrics"
    directory.mkdir(exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: slot.number)  # type: ignore[no-untyped-call]
    return str(directory)
