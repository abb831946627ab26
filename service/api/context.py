"""What the routes work with: settings, clock, store and writer, opened and closed together."""

import logging
import time
from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace
from psycopg_pool import TooManyRequests

from domain import json_values as json
from domain.commands import Command
from domain.errors import TaskNotFound, VersionMismatch
from domain.task import FIELDS, Task
from projections.current_task import Snapshot
from service.http.auth import Verifier, verifier_of
from service.http.problems import Problem, problem_of
from service.http.request import Call
from service.metrics import Metrics
from service.processes.worker import Seat
from service.settings import Settings
from service.store.connections import ReadingPool
from service.store.errors import UNAVAILABLE, StoreUnavailable
from service.store.history import task_at_version
from service.store.log import EventLog
from service.store.tasks import Store
from service.stream.feed import Feed
from service.writing.requests import Committed, IdempotencyKey, Overloaded, Replayed, WriteRequest
from service.writing.writer import Writer

log = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Microseconds since 1970, UTC."""


def system_clock() -> int:
    """The time of the machine's clock."""
    return time.time_ns() // 1000


class Context:
    """One process of the service."""

    def __init__(self, settings: Settings, clock: Clock = system_clock, seat: Seat | None = None) -> None:
        assert settings.database_url is not None
        self.settings = settings
        self.clock = clock
        self.verifier: Verifier = verifier_of(settings)
        self.pool = ReadingPool(settings.database_url)
        self.store = Store(self.pool)
        self.event_log = EventLog(self.pool)
        self.feed = Feed(settings.database_url, self.event_log)
        self.metrics = Metrics(self.feed, self.pool, seat)
        self.writer = self.metrics.writer = Writer(settings.database_url, self.metrics)

    async def start(self) -> None:
        """Open the connections; where there is no store, whoever needs one is told so until there is."""
        await self.pool.open()
        await self.writer.start()
        self.metrics.start()

    async def stop(self) -> None:
        """Finish what was handed in and close the connections."""
        self.feed.close()
        await self.writer.stop()
        await self.metrics.stop()
        await self.pool.close()

    async def readable(self, call: Call, task_id: UUID) -> Snapshot:
        """A task that the user may read. Raises `TaskNotFound`."""
        snapshot = await self.store.snapshot(task_id)
        user = call.asker
        if snapshot is None:
            raise TaskNotFound
        if snapshot.task.user_id != user.id:
            if "audit" not in user.scopes:
                raise TaskNotFound
            self.log_audit_read(call, task_id=task_id)
        return snapshot

    def log_audit_read(self, call: Call, **what: UUID) -> None:
        """Note in the log who read something of somebody else's."""
        names = {name: str(value) for name, value in what.items()}
        log.info("audit read", extra={"reader": str(call.asker.id), "path": call.path, **names})

    async def owned(self, call: Call, task_id: UUID) -> Snapshot:
        """A task that the user may change. Raises `TaskNotFound`."""
        snapshot = await self.store.snapshot(task_id)
        if snapshot is None or snapshot.task.user_id != call.asker.id:
            raise TaskNotFound
        return snapshot

    async def submit(
        self,
        call: Call,
        task_id: UUID,
        command: Command,
        key: IdempotencyKey | None,
        *,
        proven: Snapshot | None = None,
        precondition: Callable[[], None] | None = None,
    ) -> Committed | Replayed:
        """Hand the command to the writer, in the asker's name. A `precondition` stands in the place of If-Match."""
        metadata = call.metadata()
        if precondition:
            metadata = replace(metadata, expected=None)
        return await self.writer.submit(WriteRequest(task_id, command, metadata, key, proven, precondition))

    async def as_of(self, repeated: Replayed) -> Task:
        """The task at the version that a request under the same key produced."""
        snapshot = await self.store.snapshot(repeated.task_id)
        if snapshot and snapshot.task.version == repeated.version:
            return snapshot.task
        task = await task_at_version(self.store, repeated.task_id, repeated.version)
        if task is None:
            raise Problem("history-corrupt")
        return task

    async def problem_of(self, error: Exception, request_id: str) -> Problem:
        """The problem that answers an exception; of a version mismatch with what changed since."""
        if isinstance(error, VersionMismatch):
            return await self._mismatch(error)
        if isinstance(error, TooManyRequests):
            return problem_of(Overloaded("Too many requests are waiting for the store."))
        if isinstance(error, UNAVAILABLE):
            log.warning("the store did not answer: %s", error, extra={"request_id": request_id})
            return problem_of(StoreUnavailable("The store does not answer."))
        problem = problem_of(error)
        if problem.slug in ("internal", "history-corrupt"):
            log.error("request failed", exc_info=error, extra={"request_id": request_id})
        return problem

    async def _mismatch(self, error: VersionMismatch) -> Problem:
        changed: list[str] = []
        if error.task is not None:
            given = max((version for version in error.expected if version <= error.current_version), default=None)
            if given is not None:
                before = await task_at_version(self.store, error.task.id, max(given, 1))
                changed = changed_fields(before, error.task) if before else []
        return Problem("version-mismatch", str(error), current_version=error.current_version, changed_fields=changed)


def changed_fields(before: Task, after: Task) -> list[str]:
    """The names whose value differs between two versions of a task, in the order of the contract."""
    names = [name for name in FIELDS if not json.equal(getattr(before, name), getattr(after, name))]
    return names + [
        name for name in ("transcript", "attachments", "status") if getattr(before, name) != getattr(after, name)
    ]
