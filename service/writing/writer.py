"""The write path: one writer a process that commits requests in batches.

While one batch is being committed the next one gathers. A batch is decided on the snapshots that this process
remembers, or on freshly read ones, and written by one call of `append_events`, which leaves out every task that is not
at its expected version. Those are read and decided again, so that a conflict never reaches a client.

What is answered without writing (a refusal, a change that changes nothing) is never answered from memory alone.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg import errors as pg

from domain.errors import HistoryCorrupt
from projections.current_task import Snapshot
from service.store.errors import UNAVAILABLE, StoreUnavailable
from service.store.tasks import read_snapshots
from service.writing.append import append
from service.writing.batch import Batch, PendingWrite, StoredKey, StoredKeys, TaskWrites
from service.writing.connection import COMMIT_TIMEOUT, RECONNECT_PAUSE, WriterConnection
from service.writing.contention import ContentionLock
from service.writing.observer import Unobserved, WriteObserver
from service.writing.requests import Overloaded, Replayed, Result, WriteRequest
from service.writing.snapshots import SnapshotCache

log = logging.getLogger(__name__)

MAX_BATCH = 256
"""Requests in one transaction."""

MAX_WAITING = 1024
"""Requests that may wait, a fraction of a second's work; further ones are shed, so that those taken stay quick."""

MAX_ATTEMPTS = 50
"""Times a request is decided again because its task moved, before the store counts as overloaded."""

WATCH_INTERVAL = 0.25
"""Seconds between two checks of how long requests have been waiting."""

_KEYS = (
    "SELECT user_id, key, request_hash, task_id, version, status FROM idempotency_key"
    " JOIN unnest(%s::uuid[], %s::text[]) AS wanted (user_id, key) USING (user_id, key)"
)
_RECORDED = (
    "SELECT originator_id, originator_version, digest FROM draft_events"
    " JOIN unnest(%s::uuid[], %s::bigint[]) AS last (id, version)"
    " ON originator_id = last.id AND originator_version = last.version"
)


class Writer:
    """Carries out write requests, many in one commit. `start` and `stop` it in the loop that uses it."""

    def __init__(self, database_url: str, observer: WriteObserver | None = None) -> None:
        self._connection = WriterConnection(database_url)
        self._observer = observer or Unobserved()
        self._cache = SnapshotCache()
        self._contention = ContentionLock()
        self._batch = Batch(self._cache)
        self._next = Batch(self._cache)
        self._queue: deque[PendingWrite] = deque()
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many requests wait, without those that are being committed."""
        return len(self._next) + len(self._queue)

    async def start(self) -> None:
        """Begin to work; a store that cannot be reached yet is waited for like one that was lost."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work(), name="writer")
        self._watch()

    async def stop(self) -> None:
        """Finish what was submitted, then disconnect."""
        self._stopping = True
        self._arrived.set()
        if self._task:
            await self._task
        if self._watcher:
            self._watcher.cancel()
        await self._connection.close()

    def submit(self, request: WriteRequest) -> Awaitable[Result]:
        """Hand in a request; the result comes when it is durable.

        The awaitable raises a `Refusal`, `ProofOutdated`, `StoreUnavailable` or `Overloaded`.
        """
        assert self._loop is not None, "the writer is not started"
        future: asyncio.Future[Result] = self._loop.create_future()
        if self.waiting >= MAX_WAITING or self._stopping:
            future.set_exception(Overloaded("Too many changes are waiting."))
            return future
        pending = PendingWrite(request, future)
        if self._queue or len(self._next) >= MAX_BATCH:
            self._queue.append(pending)
        else:
            self._next.add(pending)
        self._arrived.set()
        return future

    async def _work(self) -> None:
        while True:
            if not self.waiting:
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                again = await self._write()
            except Exception as error:
                log.exception("a batch failed")
                self._cache.clear()
                for pending in self._batch.pending:
                    pending.settle(error)
            else:
                for pending in again:
                    self._next.add(pending)
            self._batch = Batch(self._cache)

    def _take_batch(self) -> Batch:
        """The requests that come next, decided where the snapshot of their task is remembered."""
        batch, self._next = self._next, Batch(self._cache)
        while self._queue and len(batch) < MAX_BATCH:
            batch.add(self._queue.popleft())
        batch.review()
        self._batch = batch
        return batch

    async def _write(self) -> list[PendingWrite]:
        """Carry out the next batch; returns the requests to be decided again."""
        holds_lock = self._contention.wanted
        batch = None
        try:
            connection = await self._connection.open()
            if holds_lock:
                await self._contention.acquire(self._connection)
            batch = self._take_batch()
            if batch.undecided:
                batch.decide(*await _read(connection, batch.undecided))
        except UNAVAILABLE as error:
            log.warning("no connection to the store: %s", error)
            self._cache.clear()
            await self._connection.close()
            batch = batch or self._take_batch()
            await asyncio.sleep(RECONNECT_PAUSE)
            return [pending for pending in batch.pending if not pending.future.done()]
        recording = []
        again = list(batch.deferred)
        for writes in batch.writes.values():
            if writes.records_something:
                recording.append(writes)
            elif writes.fresh:
                self._settle(writes)
            else:
                self._cache.forget(writes.task_id)
                again += writes.pending
        if recording:
            again += await self._append(recording)
        if holds_lock:
            await self._contention.release(self._connection)
        return again

    async def _append(self, batch: list[TaskWrites]) -> list[PendingWrite]:
        """Record the writes; returns the requests of those tasks that another process had changed."""
        started = time.perf_counter()
        for writes in batch:
            if writes.snapshot and writes.events:
                self._cache.remember(writes.snapshot)
        try:
            losers = await append(self._connection, batch)
            self._observer.committed(sum(len(writes.pending) for writes in batch), time.perf_counter() - started)
        except (psycopg.Error, OSError) as error:
            self._cache.clear()
            if not self._connection.is_open:
                return await self._look_up(batch, error)
            if isinstance(error, UNAVAILABLE):
                log.warning("the store refused a batch: %s", error)
                if not isinstance(error, psycopg.OperationalError):
                    await self._connection.close()  # the next one may lead to a server that can record
                return _fail(batch, StoreUnavailable("The store cannot record changes at the moment."))
            if len(batch) > 1:
                middle = len(batch) // 2
                again = await self._append(batch[:middle])
                await self._connection.open()
                return again + await self._append(batch[middle:])
            log.exception("the store refused the events of a task", extra={"task_id": str(batch[0].task_id)})
            return _fail(batch, _refusal(error, batch[0]))
        again = []
        for writes in batch:
            if writes.task_id in losers:
                self._observer.conflict()
                self._cache.mark_contended(writes.task_id)
                self._contention.mark_contended()
                again += _decidable_again(writes.pending)
            else:
                again += self._settle(writes)
        return again

    async def _look_up(self, batch: list[TaskWrites], error: Exception) -> list[PendingWrite]:
        """The connection was lost between the call and its answer: ask the log which writes were recorded."""
        self._observer.lookup()
        log.warning("connection lost while committing, looking up what was recorded: %s", error)
        last_events = [writes.events[-1] for writes in batch if writes.events]
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                connection = await self._connection.reopen()
                cursor = await connection.execute(
                    _RECORDED, ([event.task for event in last_events], [event.version for event in last_events])
                )
                found = {(task_id, version, bytes(digest)) for task_id, version, digest in await cursor.fetchall()}
        except (psycopg.Error, OSError, TimeoutError):
            return _fail(batch, StoreUnavailable("The store did not say whether the change was recorded."))
        again = []
        for writes in batch:
            last = writes.events[-1] if writes.events else None
            if last and (last.task, last.version, bytes.fromhex(last.digest)) in found:
                again += self._settle(writes)
            else:
                again += _decidable_again(writes.pending)
        return again

    def _settle(self, writes: TaskWrites) -> list[PendingWrite]:
        for result in writes.results:
            if isinstance(result, Replayed):
                self._observer.replayed()
        return writes.settle()

    def _watch(self) -> None:
        """Answer those that have waited longer than `COMMIT_TIMEOUT`: the store does not answer."""
        deadline = time.monotonic() - COMMIT_TIMEOUT
        for pending in (*self._batch.pending, *self._next.pending, *self._queue):
            if pending.since < deadline:
                pending.settle(StoreUnavailable("The store does not answer."))
        assert self._loop is not None
        self._watcher = self._loop.call_later(WATCH_INTERVAL, self._watch)


async def _read(
    connection: AsyncConnection[Any], pending: list[PendingWrite]
) -> tuple[dict[UUID, Snapshot], StoredKeys]:
    """The snapshots and idempotency rows that some requests are decided on, in one round trip."""
    task_ids = list({one.request.task_id for one in pending})
    keys = [one.request.key for one in pending if one.request.key]
    if not keys:
        return await read_snapshots(connection, task_ids), {}
    async with connection.pipeline():
        cursor = connection.cursor(binary=True)
        await cursor.execute(_KEYS, ([key.user_id for key in keys], [key.key for key in keys]), prepare=True)
        snapshots = await read_snapshots(connection, task_ids)
        stored_keys = {
            (user_id, key): StoredKey(bytes(request_hash), Replayed(task_id, version, status))
            for user_id, key, request_hash, task_id, version, status in await cursor.fetchall()
        }
    return snapshots, stored_keys


def _decidable_again(pending: list[PendingWrite]) -> list[PendingWrite]:
    """Those that may be decided again; the callers of the others learn that the store is overloaded."""
    again = []
    for one in pending:
        if one.attempts < MAX_ATTEMPTS:
            again.append(one)
        else:
            one.settle(Overloaded("The task changes too often at the moment."))
    return again


def _fail(batch: list[TaskWrites], error: Exception) -> list[PendingWrite]:
    for writes in batch:
        writes.fail(error)
    return []


def _refusal(error: Exception, writes: TaskWrites) -> Exception:
    if isinstance(error, pg.UniqueViolation) and writes.base:
        return HistoryCorrupt(
            writes.expected, "head-mismatch", "The log has events after the version that the view holds."
        )
    return error
