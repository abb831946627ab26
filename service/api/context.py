"""What the routes work with: settings, clock, store, writer and feed, made by the composition root."""

import logging
from uuid import UUID

import msgspec
from psycopg_pool import TooManyRequests

from domain import json_values as json
from domain.errors import TaskNotFound, VersionMismatch
from domain.task import FIELDS, Task
from projections.current_task import Snapshot
from projections.times import Clock
from service.api.responses import Response, task_headers, task_response
from service.http.auth import Verifier
from service.http.problems import Problem, problem_of
from service.http.request import TASKS, Request
from service.metrics import Metrics
from service.settings import Settings
from service.store.connections import ReadingPool
from service.store.errors import UNAVAILABLE, StoreUnavailable
from service.store.history import task_at_time, task_at_version
from service.store.log import EventLog
from service.store.tasks import Store
from service.stream.feed import Feed
from service.writing.requests import Committed, Overloaded, Replayed
from service.writing.writer import Writer

log = logging.getLogger(__name__)


class Context(msgspec.Struct, frozen=True, eq=False):
    """One process of the service. `openapi` is the encoded OpenAPI document."""

    settings: Settings
    clock: Clock
    verifier: Verifier
    metrics: Metrics
    pool: ReadingPool
    store: Store
    event_log: EventLog
    feed: Feed
    writer: Writer
    openapi: bytes

    async def readable(self, request: Request, task_id: UUID) -> Snapshot:
        """A task that the user may read. Raises `TaskNotFound`."""
        snapshot = await self.store.snapshot(task_id)
        if snapshot is None:
            raise TaskNotFound
        if snapshot.task.user_id != request.user.id:
            if "audit" not in request.user.scopes:
                raise TaskNotFound
            self.log_audit_read(request, task_id=task_id)
        return snapshot

    async def readable_as_of(self, request: Request, task_id: UUID) -> tuple[Task, int]:
        """A task that the user may read, as of `version` or `at` of the query, and the time that it is looked at.

        Raises `TaskNotFound`, and the problem `not-found` for a version or a time that it does not have.
        """
        query = request.query()
        version, moment = query.version("version"), query.moment("at")
        if version is not None and moment is not None:
            raise Problem("malformed-parameter", "Give version or at, not both.")
        current = (await self.readable(request, task_id)).task
        if moment is not None:
            task = await task_at_time(self.store, task_id, moment)
            if task is None:
                raise Problem("not-found", "The task did not exist at that time.")
            return task, moment
        if version is None:
            return current, request.now
        if version == current.version:
            return current, current.updated_at
        task = await task_at_version(self.store, task_id, version) if version < current.version else None
        if task is None:
            raise Problem("not-found", f"The task has no version {version}.")
        return task, task.updated_at

    def log_audit_read(self, request: Request, **what: UUID) -> None:
        """Log who read another user's data."""
        names = {name: str(value) for name, value in what.items()}
        log.info("audit read", extra={"reader": str(request.user.id), "path": request.path, **names})

    async def owned(self, request: Request, task_id: UUID) -> Snapshot:
        """A task that the user may change. Raises `TaskNotFound`."""
        snapshot = await self.store.snapshot(task_id)
        if snapshot is None or snapshot.task.user_id != request.user.id:
            raise TaskNotFound
        return snapshot

    async def written(self, request: Request, result: Committed | Replayed, status: int = 200) -> Response:
        """The response to a change: the task at the version that it produced; of a retry, as it was answered then."""
        if isinstance(result, Replayed):
            task = await self._task_of(result)
            status, now = result.status, task.updated_at
        else:
            task, now = result.task, request.now
        if status == 204:
            return Response(204, task_headers(task))
        location = [(b"location", f"{TASKS}/{task.id}".encode())] if status == 201 else None
        return task_response(task, now, status, location)

    async def _task_of(self, replayed: Replayed) -> Task:
        """The task at the version that a request with the same key produced."""
        snapshot = await self.store.snapshot(replayed.task_id)
        if snapshot and snapshot.task.version == replayed.version:
            return snapshot.task
        task = await task_at_version(self.store, replayed.task_id, replayed.version)
        if task is None:
            raise Problem("history-corrupt")
        return task

    async def problem_of(self, error: Exception, request_id: str) -> Problem:
        """The problem for an exception; for a version mismatch with the fields that changed since."""
        if isinstance(error, VersionMismatch):
            return await self._mismatch(error)
        if isinstance(error, TooManyRequests):
            return problem_of(Overloaded("Too many requests are waiting for the store."))
        if isinstance(error, UNAVAILABLE):
            log.warning("the store is unavailable: %s", error, extra={"request_id": request_id})
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
    """The names whose value differs between two versions of a task, in the order of docs/api.md."""
    names = [name for name in FIELDS if not json.equal(getattr(before, name), getattr(after, name))]
    return names + [
        name for name in ("transcript", "attachments", "status") if getattr(before, name) != getattr(after, name)
    ]
