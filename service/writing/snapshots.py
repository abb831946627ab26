"""The heads that a writer remembers, so that the next decision on a task needs no read.

What is remembered may be outdated where other processes write too: the writer relies on it only for what
`append_events` checks.
"""

import time
from collections import OrderedDict
from uuid import UUID

from projections.current_task import Snapshot

BUDGET = 32 * 1024 * 1024
"""Bytes that the remembered texts may take, roughly."""

SHARED_FOR = 5.0
"""Seconds for which a task that another process changed is read before each decision."""


class SnapshotCache:
    """The most recently used heads, within `budget` bytes."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._used = 0
        self._heads: OrderedDict[UUID, tuple[Snapshot, int]] = OrderedDict()
        self._shared: dict[UUID, float] = {}

    def get(self, task_id: UUID) -> Snapshot | None:
        """The head of a task, where one is remembered and nobody else is known to write it."""
        entry = self._heads.get(task_id)
        if entry is None:
            return None
        self._heads.move_to_end(task_id)
        return entry[0]

    def remember(self, head: Snapshot) -> None:
        """Keep the head of a task, and let the least recently used go where there are too many."""
        task_id = head.task.id
        if self._shared and self._is_shared(task_id):
            return
        self.forget(task_id)
        size = _size(head)
        self._heads[task_id] = head, size
        self._used += size
        while self._used > self._budget:
            _, (_, freed) = self._heads.popitem(last=False)
            self._used -= freed

    def forget(self, task_id: UUID) -> None:
        """Read the task before its next decision."""
        entry = self._heads.pop(task_id, None)
        if entry:
            self._used -= entry[1]

    def lost(self, task_id: UUID) -> None:
        """Another process changed the task: read it before each decision for a while."""
        self.forget(task_id)
        now = time.monotonic()
        if len(self._shared) > 10_000:
            self._shared = {known: until for known, until in self._shared.items() if until > now}
        self._shared[task_id] = now + SHARED_FOR

    def clear(self) -> None:
        """Read every task before its next decision."""
        self._heads.clear()
        self._used = 0

    def _is_shared(self, task_id: UUID) -> bool:
        until = self._shared.get(task_id)
        if until is None:
            return False
        if until > time.monotonic():
            return True
        del self._shared[task_id]
        return False


def _size(head: Snapshot) -> int:
    """Bytes that a head takes, roughly: four a character at worst, and its objects."""
    task = head.task
    return (
        2000
        + 4 * (len(task.description) + len(task.transcript) + sum(map(len, task.attachments)))
        + (2 * len(str(task.requirements)) if task.requirements else 0)
    )
