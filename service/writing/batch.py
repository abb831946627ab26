"""The orders of a batch, task by task: decided one after the other, recorded together or not at all. No I/O.

Orders for tasks whose head is remembered are decided as they come, while the batch before is being committed: what is
remembered then is what that batch leads to, and whoever built on a batch that failed is decided again.
"""

import asyncio
import logging
import time
from uuid import UUID

import msgspec

from domain import chain
from domain.commands import CreateDraft, PublishDraft, decide
from domain.errors import HistoryCorrupt, IdempotencyKeyReused, Refusal, TaskNotFound
from domain.events import Recorded
from projections.current_task import Row, Snapshot, row_of
from service.store.codec import EventMapper
from service.writing.requests import Committed, IdempotencyKey, ProofOutdated, Replayed, WriteRequest
from service.writing.snapshots import SnapshotCache

log = logging.getLogger(__name__)

Result = Committed | Replayed
KeyName = tuple[UUID, str]
"""A user and the key that the user chose."""


class EventRow(msgspec.Struct, frozen=True):
    """An event as `append_events` takes it; `digest` in hex."""

    task: UUID
    version: int
    topic: str
    state: str
    digest: str


class KeyRow(msgspec.Struct, frozen=True):
    """An idempotency row as `append_events` takes it; the hash in hex."""

    user_id: UUID
    key: str
    request_hash: str
    task_id: UUID
    version: int
    status: int


class StoredKey(msgspec.Struct, frozen=True):
    """An idempotency row as it was found."""

    request_hash: bytes
    repeated: Replayed


class PendingWrite:
    """An order and the one who waits for it. `attempts` counts how often it was decided."""

    __slots__ = ("attempts", "future", "order", "since")

    def __init__(self, order: WriteRequest, future: asyncio.Future[Result]) -> None:
        self.order = order
        self.future = future
        self.attempts = 0
        self.since = time.monotonic()

    @property
    def key_name(self) -> KeyName | None:
        """The name of the order's idempotency key, where it has one."""
        key = self.order.key
        return (key.user_id, key.key) if key else None

    def settle(self, result: Result | Exception) -> None:
        """Tell the one who waits, unless the waiting has ended."""
        if not self.future.done():
            if isinstance(result, Exception):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)


class TaskWrites:
    """The orders of a batch for one task, decided from `base` on; `fresh` if that was read for this batch.

    `head` is where the decisions lead, `events` and `keys` what is to be recorded for it.
    """

    __slots__ = ("base", "events", "fresh", "head", "keys", "results", "task_id", "waiting")

    def __init__(self, task_id: UUID, base: Snapshot | None, *, fresh: bool) -> None:
        self.task_id = task_id
        self.base = base
        self.fresh = fresh
        self.head = base
        self.events: list[EventRow] = []
        self.keys: list[KeyRow] = []
        self.results: list[Result | Exception] = []
        self.waiting: list[PendingWrite] = []

    @property
    def writes(self) -> bool:
        """Whether there is anything to record."""
        return bool(self.events or self.keys)

    @property
    def expected(self) -> int:
        """The version on which the decisions build, 0 where there is no task yet."""
        return self.base.task.version if self.base else 0

    def view_row(self) -> Row | None:
        """The view's row after the events, None where there are none."""
        return row_of(self.head, self.base) if self.head and self.events else None

    def decide(self, waiting: PendingWrite, mapper: EventMapper, stored_keys: dict[KeyName, StoredKey]) -> None:
        """Decide one more order. Whoever waits is told when the group is settled."""
        self.waiting.append(waiting)
        waiting.attempts += 1
        try:
            self.results.append(self._result(waiting, mapper, stored_keys))
        except (Refusal, ProofOutdated) as refusal:
            self.results.append(refusal)
        except Exception as error:
            log.exception("an order failed")
            self.results.append(error)

    def settle(self) -> list[PendingWrite]:
        """What was decided holds: tell those who wait.

        Returns those whose refusal does not hold yet: it may be a retry, and its key was not looked for.
        """
        again = []
        for waiting, result in zip(self.waiting, self.results, strict=True):
            if waiting.order.key and isinstance(result, Refusal) and not self.fresh:
                again.append(waiting)
            else:
                waiting.settle(result)
        return again

    def fail(self, error: Exception) -> None:
        """Nothing of it was recorded: tell those who wait."""
        for waiting in self.waiting:
            waiting.settle(error)

    def _result(self, waiting: PendingWrite, mapper: EventMapper, stored_keys: dict[KeyName, StoredKey]) -> Result:
        order, head = waiting.order, self.head
        command, given = order.command, order.given
        if not isinstance(command, CreateDraft) and (head is None or given.actor not in (head.task.user_id, "system")):
            raise TaskNotFound
        if order.key:
            stored = stored_keys.get((order.key.user_id, order.key.key))
            if stored:
                if stored.request_hash != order.key.request_hash:
                    raise IdempotencyKeyReused("The key was used for another request.")
                return stored.repeated
        if order.precondition:
            order.precondition()
        if isinstance(command, PublishDraft) and head:
            _require_proof(head, order)
        events, task = decide(head.task if head else None, order.task_id, command, given)
        if events:
            self.head = Snapshot(task, self._record(mapper, head.digest if head else chain.GENESIS, events))
        if order.key:
            self.keys.append(_key_row(order.key, order.task_id, task.version))
        return Committed(task)

    def _record(self, mapper: EventMapper, digest: bytes, events: list[Recorded]) -> bytes:
        """Add the events, chained behind `digest`; returns the new head of the chain."""
        for event in events:
            stored = mapper.to_stored_event(event)
            task_id, version = event.originator_id, event.originator_version
            digest = chain.digest(digest, task_id, version, stored.topic, stored.state)
            self.events.append(EventRow(task_id, version, stored.topic, stored.state.decode(), digest.hex()))
        return digest


class Batch:
    """The orders that one commit carries out: groups that are decided, and orders whose task has to be read first."""

    def __init__(self, heads: SnapshotCache, mapper: EventMapper) -> None:
        self._heads = heads
        self._mapper = mapper
        self._keys: set[KeyName] = set()
        self._unknown: set[UUID] = set()
        self._size = 0
        self.groups: dict[UUID, TaskWrites] = {}
        self.undecided: list[PendingWrite] = []
        self.later: list[PendingWrite] = []

    def __len__(self) -> int:
        return self._size

    @property
    def orders(self) -> list[PendingWrite]:
        """Everybody who waits for the batch, those of one task in the order in which they came."""
        return [waiting for group in self.groups.values() for waiting in group.waiting] + self.undecided + self.later

    def add(self, waiting: PendingWrite) -> None:
        """Decide one more order, or note that its task has to be read."""
        self._size += 1
        key_name = waiting.key_name
        if key_name:
            if key_name in self._keys:
                self.later.append(waiting)  # the first of that key has to be recorded before
                return
            self._keys.add(key_name)
        task_id = waiting.order.task_id
        group = self._group(waiting, task_id)
        if group:
            group.decide(waiting, self._mapper, {})
        else:
            self.undecided.append(waiting)

    def _group(self, waiting: PendingWrite, task_id: UUID) -> TaskWrites | None:
        if task_id in self._unknown:
            return None
        group = self.groups.get(task_id)
        # Publishing compares the view itself with the replayed history, not what is remembered of it; and what is
        # decided again under a key may be a retry, which only the store can tell.
        if isinstance(waiting.order.command, PublishDraft) or (waiting.attempts and waiting.key_name):
            if group:
                self._take_back(group)
        elif group:
            return group
        elif isinstance(waiting.order.command, CreateDraft) and not waiting.attempts:
            return self._new_group(task_id, None)
        elif head := self._heads.get(task_id):
            return self._new_group(task_id, head)
        self._unknown.add(task_id)
        return None

    def _new_group(self, task_id: UUID, base: Snapshot | None) -> TaskWrites:
        group = self.groups[task_id] = TaskWrites(task_id, base, fresh=False)
        return group

    def _take_back(self, group: TaskWrites) -> None:
        del self.groups[group.task_id]
        self._unknown.add(group.task_id)
        self.undecided += group.waiting

    def review(self) -> None:
        """Take back what was decided on a head that did not come to be, or for somebody who waits no more."""
        for group in list(self.groups.values()):
            outdated = group.base is not None and self._heads.get(group.task_id) is not group.base
            if outdated or any(waiting.future.done() for waiting in group.waiting):
                self._take_back(group)
        self.undecided = [waiting for waiting in self.undecided if not waiting.future.done()]

    def decide(self, heads: dict[UUID, Snapshot], stored_keys: dict[KeyName, StoredKey]) -> None:
        """Decide what is left, on heads and idempotency rows that were read for it."""
        for waiting in self.undecided:
            task_id = waiting.order.task_id
            group = self.groups.get(task_id)
            if group is None:
                group = self.groups[task_id] = TaskWrites(task_id, heads.get(task_id), fresh=True)
            group.decide(waiting, self._mapper, stored_keys)
        self.undecided = []


def _require_proof(head: Snapshot, order: WriteRequest) -> None:
    """Publishing goes on only from a replayed and checked history that leads to this very head."""
    if head.task.status_at(order.given.now) != "draft":
        return
    proven = order.proven
    if proven is None or proven.task.version != head.task.version:
        raise ProofOutdated
    if proven != head:
        raise HistoryCorrupt(head.task.version, "view-mismatch", "The view differs from the replayed history.")


def _key_row(key: IdempotencyKey, task_id: UUID, version: int) -> KeyRow:
    return KeyRow(key.user_id, key.key, key.request_hash.hex(), task_id, version, key.status)
