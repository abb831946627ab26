"""The snapshots that a writer remembers, so that the next decision on a task needs no read.

What is remembered may be outdated where other processes write too: the writer relies on it only for what
`append_events` checks.
"""

import time
from collections import OrderedDict
from uuid import UUID

from projections.current_task import Snapshot

BUDGET = 32 * 1024 * 1024
"""Bytes that the remembered texts may take, roughly."""

CONTENDED_FOR = 5.0
"""Seconds for which a task that another process changed is read before each decision."""

MAX_CONTENDED = 10_000
"""Tasks marked as contended before those whose time is over are removed."""


class SnapshotCache:
    """The most recently used snapshots, within `budget` bytes."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._used = 0
        self._snapshots: OrderedDict[UUID, tuple[Snapshot, int]] = OrderedDict()
        self._contended: dict[UUID, float] = {}

    def get(self, task_id: UUID) -> Snapshot | None:
        """The remembered snapshot of a task."""
        entry = self._snapshots.get(task_id)
        if entry is None:
            return None
        self._snapshots.move_to_end(task_id)
        return entry[0]

    def remember(self, snapshot: Snapshot) -> None:
        """Keep the snapshot, unless its task is contended; the least recently used ones make room."""
        task_id = snapshot.task.id
        if self._contended and self._is_contended(task_id):
            return
        self.forget(task_id)
        size = _size(snapshot)
        self._snapshots[task_id] = snapshot, size
        self._used += size
        while self._used > self._budget:
            _, (_, freed) = self._snapshots.popitem(last=False)
            self._used -= freed

    def forget(self, task_id: UUID) -> None:
        """Read the task before its next decision."""
        entry = self._snapshots.pop(task_id, None)
        if entry:
            self._used -= entry[1]

    def mark_contended(self, task_id: UUID) -> None:
        """Another process changed the task: read it before each decision for `CONTENDED_FOR` seconds."""
        self.forget(task_id)
        now = time.monotonic()
        if len(self._contended) > MAX_CONTENDED:
            self._contended = {known: until for known, until in self._contended.items() if until > now}
        self._contended[task_id] = now + CONTENDED_FOR

    def clear(self) -> None:
        """Read every task before its next decision."""
        self._snapshots.clear()
        self._used = 0

    def _is_contended(self, task_id: UUID) -> bool:
        until = self._contended.get(task_id)
        if until is None:
            return False
        if until > time.monotonic():
            return True
        del self._contended[task_id]
        return False


def _size(snapshot: Snapshot) -> int:
    """Bytes that a snapshot takes, roughly: at most four a character, and its objects."""
    task = snapshot.task
    return (
        2000
        + 4 * (len(task.description) + len(task.transcript) + sum(map(len, task.attachments)))
        + (2 * len(str(task.requirements)) if task.requirements else 0)
    )
