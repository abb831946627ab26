"""The writes of one commit, task by task: decided one after the other, recorded together or not at all. No I/O.

Requests for tasks whose snapshot is remembered are decided as they come, while the batch before is being committed:
what is remembered then is what that batch leads to, and what was built on a batch that failed is decided again.
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
from service.store.codec import encode_state
from service.writing.requests import Committed, IdempotencyKey, ProofOutdated, Replayed, Result, WriteRequest
from service.writing.snapshots import SnapshotCache

log = logging.getLogger(__name__)

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
    replayed: Replayed


StoredKeys = dict[KeyName, StoredKey]


class PendingWrite:
    """A request whose result is awaited. `attempts` counts how often it was decided, `since` is its arrival."""

    __slots__ = ("attempts", "future", "request", "since")

    def __init__(self, request: WriteRequest, future: asyncio.Future[Result]) -> None:
        self.request = request
        self.future = future
        self.attempts = 0
        self.since = time.monotonic()

    @property
    def key_name(self) -> KeyName | None:
        """The name of the request's idempotency key, where it has one."""
        key = self.request.key
        return (key.user_id, key.key) if key else None

    def settle(self, result: Result | Exception) -> None:
        """Give the result to the caller, unless it has given up."""
        if not self.future.done():
            if isinstance(result, Exception):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)


class TaskWrites:
    """The writes of a batch to one task, decided from `base` on; `fresh` if that was read for this batch.

    `snapshot` is where the decisions lead, `events` and `keys` what is to be recorded for it.
    """

    __slots__ = ("base", "events", "fresh", "keys", "pending", "results", "snapshot", "task_id")

    def __init__(self, task_id: UUID, base: Snapshot | None, *, fresh: bool) -> None:
        self.task_id = task_id
        self.base = base
        self.fresh = fresh
        self.snapshot = base
        self.events: list[EventRow] = []
        self.keys: list[KeyRow] = []
        self.results: list[Result | Exception] = []
        self.pending: list[PendingWrite] = []

    @property
    def records_something(self) -> bool:
        """Whether there is an event or a key to record."""
        return bool(self.events or self.keys)

    @property
    def expected(self) -> int:
        """The version on which the decisions build, 0 where there is no task yet."""
        return self.base.task.version if self.base else 0

    def view_row(self) -> Row | None:
        """The view's row after the events, None where there are none."""
        return row_of(self.snapshot, self.base) if self.snapshot and self.events else None

    def decide(self, pending: PendingWrite, stored_keys: StoredKeys) -> None:
        """Decide one more request. Its caller is answered when the writes are settled."""
        self.pending.append(pending)
        pending.attempts += 1
        try:
            self.results.append(self._result(pending.request, stored_keys))
        except (Refusal, ProofOutdated) as refusal:
            self.results.append(refusal)
        except Exception as error:
            log.exception("deciding a request failed")
            self.results.append(error)

    def settle(self) -> list[PendingWrite]:
        """Answer the callers: what was decided holds.

        Returns those whose refusal does not hold yet: they may be retries, and their keys were not looked for.
        """
        again = []
        for pending, result in zip(self.pending, self.results, strict=True):
            if pending.request.key and isinstance(result, Refusal) and not self.fresh:
                again.append(pending)
            else:
                pending.settle(result)
        return again

    def fail(self, error: Exception) -> None:
        """Answer the callers: nothing was recorded."""
        for pending in self.pending:
            pending.settle(error)

    def _result(self, request: WriteRequest, stored_keys: StoredKeys) -> Result:
        snapshot, command, metadata, key = self.snapshot, request.command, request.metadata, request.key
        task = snapshot.task if snapshot else None
        if not isinstance(command, CreateDraft) and (task is None or metadata.actor not in (task.user_id, "system")):
            raise TaskNotFound
        if key:
            stored = stored_keys.get((key.user_id, key.key))
            if stored:
                if stored.request_hash != key.request_hash:
                    raise IdempotencyKeyReused("The key was used for another request.")
                return stored.replayed
        if request.precondition:
            request.precondition()
        if isinstance(command, PublishDraft) and snapshot:
            _require_proof(snapshot, request)
        events, task = decide(task, request.task_id, command, metadata)
        if events:
            self.snapshot = Snapshot(task, self._record(snapshot.digest if snapshot else chain.GENESIS, events))
        if key:
            self.keys.append(_key_row(key, request.task_id, task.version))
        return Committed(task)

    def _record(self, digest: bytes, events: list[Recorded]) -> bytes:
        """Add the events to the chain that ends with `digest`; returns its new end."""
        for event in events:
            task_id, version, topic = event.originator_id, event.originator_version, type(event.data).__name__
            state = encode_state(event)
            digest = chain.digest(digest, task_id, version, topic, state)
            self.events.append(EventRow(task_id, version, topic, state.decode(), digest.hex()))
        return digest


class Batch:
    """What one commit carries out: writes that are decided, and requests whose task has to be read first."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache
        self._keys: set[KeyName] = set()
        self._to_be_read: set[UUID] = set()
        self._size = 0
        self.writes: dict[UUID, TaskWrites] = {}
        self.undecided: list[PendingWrite] = []
        self.deferred: list[PendingWrite] = []

    def __len__(self) -> int:
        return self._size

    @property
    def pending(self) -> list[PendingWrite]:
        """All requests of the batch, those of one task in the order in which they came."""
        decided = [pending for writes in self.writes.values() for pending in writes.pending]
        return decided + self.undecided + self.deferred

    def add(self, pending: PendingWrite) -> None:
        """Decide one more request, or note that its task has to be read."""
        self._size += 1
        key_name = pending.key_name
        if key_name:
            if key_name in self._keys:
                self.deferred.append(pending)  # until the first one with that key is recorded
                return
            self._keys.add(key_name)
        writes = self._decidable(pending)
        if writes:
            writes.decide(pending, {})
        else:
            self.undecided.append(pending)

    def _decidable(self, pending: PendingWrite) -> TaskWrites | None:
        """The writes that the request can be decided on without reading its task."""
        request, task_id = pending.request, pending.request.task_id
        if task_id in self._to_be_read:
            return None
        writes = self.writes.get(task_id)
        # Publishing compares the view itself with the replayed history, not what is remembered of it; and what is
        # decided again under a key may be a retry, which only the store knows.
        if isinstance(request.command, PublishDraft) or (pending.attempts and request.key):
            if writes:
                self._take_back(writes)
        elif writes:
            return writes
        elif isinstance(request.command, CreateDraft) and not pending.attempts:
            return self._new_writes(task_id, None)
        elif snapshot := self._cache.get(task_id):
            return self._new_writes(task_id, snapshot)
        self._to_be_read.add(task_id)
        return None

    def _new_writes(self, task_id: UUID, base: Snapshot | None) -> TaskWrites:
        writes = self.writes[task_id] = TaskWrites(task_id, base, fresh=False)
        return writes

    def _take_back(self, writes: TaskWrites) -> None:
        del self.writes[writes.task_id]
        self._to_be_read.add(writes.task_id)
        self.undecided += writes.pending

    def review(self) -> None:
        """Take back what was decided on a snapshot that did not come to be, or for a caller that has given up."""
        for writes in list(self.writes.values()):
            outdated = writes.base is not None and self._cache.get(writes.task_id) is not writes.base
            if outdated or any(pending.future.done() for pending in writes.pending):
                self._take_back(writes)
        self.undecided = [pending for pending in self.undecided if not pending.future.done()]

    def decide(self, snapshots: dict[UUID, Snapshot], stored_keys: StoredKeys) -> None:
        """Decide what is left, on snapshots and idempotency rows that were read for it."""
        for pending in self.undecided:
            task_id = pending.request.task_id
            writes = self.writes.get(task_id)
            if writes is None:
                writes = self.writes[task_id] = TaskWrites(task_id, snapshots.get(task_id), fresh=True)
            writes.decide(pending, stored_keys)
        self.undecided = []


def _require_proof(snapshot: Snapshot, request: WriteRequest) -> None:
    """Publishing goes on only from a replayed and checked history that leads to this very snapshot."""
    if snapshot.task.status_at(request.metadata.now) != "draft":
        return
    proven = request.proven
    if proven is None or proven.task.version != snapshot.task.version:
        raise ProofOutdated
    if proven != snapshot:
        raise HistoryCorrupt(snapshot.task.version, "view-mismatch", "The view differs from the replayed history.")


def _key_row(key: IdempotencyKey, task_id: UUID, version: int) -> KeyRow:
    return KeyRow(key.user_id, key.key, key.request_hash.hex(), task_id, version, key.status)
