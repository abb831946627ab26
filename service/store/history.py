"""Reading the past of a task: its state as of versions or a time. The chain is not checked here (service/proof)."""

from uuid import UUID

from domain.task import Task, evolve
from service.store.codec import recorded
from service.store.tasks import Store


async def task_at_version(store: Store, task_id: UUID, version: int) -> Task | None:
    """The task as it stood at a version, None where it has no such version. Raises `HistoryCorrupt`."""
    return (await tasks_at_versions(store, task_id, version))[0] if version >= 1 else None


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
