"""The write path: one writer a process that commits orders in groups.

While one batch is being committed the next one gathers. A batch is decided on the heads that this process
remembers, or on freshly read ones, and written by one call of `append_events`, which leaves out every task that
is not where it was expected to be. Those are read and decided again, so that a conflict never reaches a client.

What is answered without writing (a refusal, a change that changes nothing) is never answered from memory alone.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg import errors as pg

from domain.errors import HistoryCorrupt
from projections.current_task import COLUMNS, Snapshot, snapshot_of
from service.store.codec import EventMapper
from service.store.errors import StoreUnavailable
from service.writing.append import append, prepare
from service.writing.batch import Batch, KeyName, PendingWrite, Result, StoredKey, TaskWrites
from service.writing.connection import backend_of, open_writing_connection
from service.writing.contention import ContentionLock
from service.writing.observer import WriteObserver
from service.writing.requests import Overloaded, Replayed, WriteRequest
from service.writing.snapshots import SnapshotCache

log = logging.getLogger(__name__)

MAX_BATCH = 256
"""Orders in one transaction."""

MAX_WAITING = 1024
"""Orders that may wait, a fraction of a second's work; further ones are shed, so that those taken stay quick."""

MAX_ATTEMPTS = 50
"""Times an order is decided anew because its task moved, before the store counts as overloaded."""

PATIENCE = 1.5
"""Seconds that an order waits for a store that does not answer."""

WATCH_INTERVAL = 0.25
"""Seconds between two looks at how long orders have been waiting."""

RECONNECT_PAUSE = 0.1
"""Seconds between two attempts to reach the store."""

_HEADS = f"SELECT {COLUMNS} FROM current_task WHERE id = ANY(%s)"
_KEYS = (
    "SELECT user_id, key, request_hash, task_id, version, status FROM idempotency_key"
    " JOIN unnest(%s::uuid[], %s::text[]) AS wanted (user_id, key) USING (user_id, key)"
)


class Writer:
    """Carries out orders, many in one commit. `start` and `stop` it in the loop that uses it."""

    def __init__(
        self, database_url: str, heads: SnapshotCache | None = None, *, observer: WriteObserver | None = None
    ) -> None:
        self._database_url = database_url
        self._heads = heads if heads is not None else SnapshotCache()
        self._turns = ContentionLock()
        self._mapper = EventMapper()
        self._next = Batch(self._heads, self._mapper)
        self._queue: deque[PendingWrite] = deque()
        self._arrived = asyncio.Event()
        self._connection: AsyncConnection[Any] | None = None
        self._backend: tuple[int, datetime] | None = None
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._batch = Batch(self._heads, self._mapper)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._observer = observer or _NoObserver()

    @property
    def waiting(self) -> int:
        """How many orders wait, those that are being committed not among them."""
        return len(self._next) + len(self._queue)

    async def start(self) -> None:
        """Begin to work; a store that is not there yet is waited for as one that went away is."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work(), name="writer")
        self._watch()

    async def stop(self) -> None:
        """Finish what was handed in, then disconnect."""
        self._stopping = True
        self._arrived.set()
        if self._task:
            await self._task
        if self._watcher:
            self._watcher.cancel()
        if self._connection:
            await self._connection.close()

    def submit(self, order: WriteRequest) -> Awaitable[Result]:
        """Hand in an order; the result comes when it is durable.

        The awaitable raises a `Refusal`, `ProofOutdated`, `StoreUnavailable` or `Overloaded`.
        """
        assert self._loop is not None, "the writer is not started"
        future: asyncio.Future[Result] = self._loop.create_future()
        if self.waiting >= MAX_WAITING or self._stopping:
            future.set_exception(Overloaded("Too many changes are waiting."))
            return future
        if order.key:
            future.add_done_callback(self._notice_replay)
        waiting = PendingWrite(order, future)
        if self._queue or len(self._next) >= MAX_BATCH:
            self._queue.append(waiting)
        else:
            self._next.add(waiting)
        self._arrived.set()
        return future

    def _notice_replay(self, future: asyncio.Future[Result]) -> None:
        if not future.cancelled() and not future.exception() and isinstance(future.result(), Replayed):
            self._observer.replayed()

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
                self._heads.clear()
                for waiting in self._batch.orders:
                    waiting.settle(error)
            else:
                for waiting in again:
                    self._next.add(waiting)
            self._batch = Batch(self._heads, self._mapper)

    def _taken(self) -> Batch:
        """The orders that come next, decided where their task's head is remembered."""
        batch, self._next = self._next, Batch(self._heads, self._mapper)
        while self._queue and len(batch) < MAX_BATCH:
            batch.add(self._queue.popleft())
        batch.review()
        return batch

    async def _write(self) -> list[PendingWrite]:
        """Carry out the next batch; returns the orders to be decided again."""
        takes_turns = self._turns.wanted
        batch = None
        try:
            connection = await self._connected()
            if takes_turns:
                await self._turns.take(connection)
            batch = self._batch = self._taken()
            if batch.undecided:
                batch.decide(*await self._read(connection, batch.undecided))
        except (psycopg.OperationalError, OSError, TimeoutError) as error:
            log.warning("no connection to the store: %s", error)
            self._heads.clear()
            batch = batch or self._taken()
            await asyncio.sleep(RECONNECT_PAUSE)
            return [waiting for waiting in batch.orders if not waiting.future.done()]
        writing = []
        again = list(batch.later)
        for group in batch.groups.values():
            if group.writes:
                writing.append(group)
            elif group.fresh:
                group.settle()
            else:
                self._heads.forget(group.task_id)
                again += group.waiting
        if writing:
            again += await self._append(connection, writing)
        if takes_turns:
            await self._turns.give(connection)
        return again

    async def _append(self, connection: AsyncConnection[Any], groups: list[TaskWrites]) -> list[PendingWrite]:
        """Write the groups; returns the orders of those that lost their place."""
        begun = time.perf_counter()
        for group in groups:
            if group.head and group.events:
                self._heads.remember(group.head)
        try:
            losers = await append(connection, groups)
            self._observer.committed(sum(len(group.waiting) for group in groups), time.perf_counter() - begun)
        except (psycopg.Error, OSError) as error:
            self._heads.clear()
            if connection.closed:
                return await self._look(groups, error)
            if isinstance(error, psycopg.OperationalError):
                log.warning("the store refused a batch: %s", error)
                return self._fail(groups, StoreUnavailable("The store cannot record changes at the moment."))
            if len(groups) > 1:
                middle = len(groups) // 2
                again = await self._append(connection, groups[:middle])
                return again + await self._append(await self._connected(), groups[middle:])
            log.exception("a task's events were refused by the store", extra={"task_id": str(groups[0].task_id)})
            return self._fail(groups, _refused(error, groups[0]))
        again = []
        for group in groups:
            if group.task_id in losers:
                self._observer.conflict()
                self._heads.lost(group.task_id)
                self._turns.lost()
                again += self._not_too_often(group.waiting)
            else:
                again += group.settle()
        return again

    async def _look(self, groups: list[TaskWrites], error: Exception) -> list[PendingWrite]:
        """The connection was lost between the call and its answer: see in the log which groups were recorded."""
        self._observer.lookup()
        log.warning("connection lost while committing, looking what was recorded: %s", error)
        found: set[tuple[UUID, int, bytes]] = set()
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self._reconnected()
                cursor = await connection.execute(
                    "SELECT originator_id, originator_version, digest FROM draft_events"
                    " JOIN unnest(%s::uuid[], %s::bigint[]) AS last (id, version)"
                    " ON originator_id = last.id AND originator_version = last.version",
                    (
                        [group.task_id for group in groups if group.events],
                        [group.events[-1].version for group in groups if group.events],
                    ),
                )
                found = {(task_id, version, bytes(digest)) for task_id, version, digest in await cursor.fetchall()}
        except (psycopg.Error, OSError, TimeoutError):
            return self._fail(groups, StoreUnavailable("The store did not tell whether the change was recorded."))
        again = []
        for group in groups:
            last = group.events[-1] if group.events else None
            if last and (last.task, last.version, bytes.fromhex(last.digest)) in found:
                again += group.settle()
            else:
                again += self._not_too_often(group.waiting)
        return again

    async def _reconnected(self) -> AsyncConnection[Any]:
        """A new connection, once the old one's backend has ended and what it did is settled."""
        backend = self._backend
        while True:
            try:
                connection = await self._connected()
                await connection.execute(
                    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                    " WHERE pid = %s AND backend_start = %s",
                    backend,
                )
                return connection
            except (psycopg.OperationalError, OSError):
                await asyncio.sleep(RECONNECT_PAUSE)

    async def _read(
        self, connection: AsyncConnection[Any], orders: list[PendingWrite]
    ) -> tuple[dict[UUID, Snapshot], dict[KeyName, StoredKey]]:
        """The heads and idempotency rows of some orders, in one round trip."""
        task_ids = {waiting.order.task_id for waiting in orders}
        keys = [waiting.order.key for waiting in orders if waiting.order.key]
        stored_keys: dict[KeyName, StoredKey] = {}
        async with connection.pipeline():
            heads_cursor = connection.cursor(binary=True)
            await heads_cursor.execute(_HEADS, (list(task_ids),), prepare=True)
            if keys:
                keys_cursor = connection.cursor(binary=True)
                await keys_cursor.execute(_KEYS, ([k.user_id for k in keys], [k.key for k in keys]), prepare=True)
            heads = [snapshot_of(row) for row in await heads_cursor.fetchall()]
            if keys:
                for user_id, key, request_hash, task_id, version, status in await keys_cursor.fetchall():
                    stored_keys[user_id, key] = StoredKey(bytes(request_hash), Replayed(task_id, version, status))
        return {head.task.id: head for head in heads}, stored_keys

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            async with asyncio.timeout(PATIENCE):
                self._connection = await open_writing_connection(self._database_url)
                self._backend = await backend_of(self._connection)
                await prepare(self._connection)
        return self._connection

    def _not_too_often(self, waiting: list[PendingWrite]) -> list[PendingWrite]:
        """Those that may be decided again; the others are told that the store is overloaded."""
        again = []
        for one in waiting:
            if one.attempts < MAX_ATTEMPTS:
                again.append(one)
            else:
                one.settle(Overloaded("The task changes too often at the moment."))
        return again

    @staticmethod
    def _fail(groups: list[TaskWrites], error: Exception) -> list[PendingWrite]:
        for group in groups:
            group.fail(error)
        return []

    def _watch(self) -> None:
        """Tell those who have waited for longer than `PATIENCE` that the store does not answer."""
        deadline = time.monotonic() - PATIENCE
        for waiting in (*self._batch.orders, *self._next.orders, *self._queue):
            if waiting.since < deadline:
                waiting.settle(StoreUnavailable("The store does not answer."))
        assert self._loop is not None
        self._watcher = self._loop.call_later(WATCH_INTERVAL, self._watch)


class _NoObserver(WriteObserver):
    """Ignores everything."""

    def committed(self, requests: int, seconds: float) -> None: ...
    def conflict(self) -> None: ...
    def lookup(self) -> None: ...
    def replayed(self) -> None: ...


def _refused(error: Exception, group: TaskWrites) -> Exception:
    if isinstance(error, pg.UniqueViolation) and group.base:
        return HistoryCorrupt(
            group.expected, "head-mismatch", "The log goes on behind the version that the view holds."
        )
    return error
