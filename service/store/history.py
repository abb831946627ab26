"""Reading the past: a task as of a version or a time, and a history replayed and checked link by link."""

from typing import NamedTuple
from uuid import UUID

from domain import chain
from domain.errors import HistoryCorrupt
from domain.events import Recorded
from domain.task import Task, evolve
from projections.current_task import Snapshot
from projections.history import check_link
from service.store.codec import EventMapper, StoredRow
from service.store.tasks import Store

_mapper = EventMapper()


async def proven_snapshot(store: Store, task_id: UUID, since: Snapshot | None = None) -> Snapshot | None:
    """The head that the log leads to from `since` on, or from the beginning; every link is checked.

    None where there is no event at all. Raises `HistoryCorrupt` at the first event that does not fit.
    """
    head = since
    async for page in store.events(task_id, since.task.version if since else 0):
        for row in page:
            head = follow(head, row)
    return head


def follow(head: Snapshot | None, row: StoredRow) -> Snapshot:
    """The head after one more stored event. Raises `HistoryCorrupt` where it does not fit."""
    stored = row.stored
    version = head.task.version + 1 if head else 1
    if stored.originator_version != version:
        raise HistoryCorrupt(version, "event-missing", f"Version {version} is missing from the log.")
    event = recorded(row)
    previous = head.digest if head else chain.GENESIS
    digest = check_link(previous, event, stored.topic, stored.state, row.digest)
    return Snapshot(evolve(head.task if head else None, event), digest)


class Logged(NamedTuple):
    """An event of the log with its position and its digest."""

    position: int
    event: Recorded
    digest: bytes


def logged(row: StoredRow) -> Logged:
    """The event of a stored row with its place in the log. Raises `HistoryCorrupt` like `recorded`."""
    return Logged(row.position, recorded(row), row.digest)


def recorded(row: StoredRow) -> Recorded:
    """The event of a stored row. Raises `HistoryCorrupt` for bytes that no mapper wrote."""
    try:
        return _mapper.to_domain_event(row.stored)
    except (ValueError, LookupError, TypeError):
        version = row.stored.originator_version
        raise HistoryCorrupt(version, "unreadable", "The stored event cannot be read.") from None


async def task_at_version(store: Store, task_id: UUID, version: int) -> Task | None:
    """The task as it stood at a version, None where it has no such version."""
    if version < 1:
        return None
    task: Task | None = None
    async for page in store.events(task_id, limit=version):
        for row in page:
            task = evolve(task, recorded(row))
    return task if task and task.version == version else None


async def task_at_time(store: Store, task_id: UUID, moment: int) -> Task | None:
    """The task as it stood at a time (microseconds since 1970), None before its creation."""
    task: Task | None = None
    async for page in store.events(task_id):
        for row in page:
            event = recorded(row)
            if event.occurred_at > moment:
                return task
            task = evolve(task, event)
    return task


async def tasks_at_versions(store: Store, task_id: UUID, *versions: int) -> list[Task | None]:
    """The task as it stood at each of the versions, read once; None where it has no such version."""
    found: dict[int, Task] = {}
    task: Task | None = None
    async for page in store.events(task_id, limit=max(versions)):
        for row in page:
            task = evolve(task, recorded(row))
            if task.version in versions:
                found[task.version] = task
    return [found.get(version) for version in versions]
