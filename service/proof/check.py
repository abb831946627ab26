"""The check of one task: its chain link by link, its replay, and what the view's row says against both.

It is fed with rows of the log in the order of their versions, and reads nothing itself. Publishing, `verify` and the
rebuild of the current-task view all walk a history with it.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from domain import chain
from domain import json_values as json
from domain.errors import HistoryCorrupt
from domain.events import DraftCreated, DraftFieldChanged, Recorded, TranscriptChanged
from domain.task import FIELDS, Task, evolve
from projections.current_task import Snapshot
from service.store.codec import UNREADABLE, LogRow, decode_event
from service.store.scan import Remembered

PROBLEMS = {
    "event-missing": "A version is missing from the log.",
    "event-unexpected": "The log holds a version that cannot be: below 1, or there already.",
    "digest-mismatch": "The event is not the one that was recorded, or not in its place.",
    "position-order": "The event stands in the log before an earlier one of its task.",
    "event-unreadable": "The event cannot be read.",
    "event-impossible": "The event cannot follow those before it.",
    "log-behind-view": "The view remembers events that the log does not have.",
    "head-mismatch": "The view remembers another event at its version.",
    "log-ahead-of-view": "The log has events that the view does not know.",
    "view-mismatch": "The view differs from the replayed events.",
    "view-missing": "The log has the task, the view does not.",
    "view-unreadable": "The view's row holds values that cannot be read.",
}
"""Every code of a finding, and what it says; docs/proof.md explains them."""

REPAIRABLE = frozenset({"view-missing", "log-ahead-of-view", "view-mismatch", "view-unreadable"})
"""Where the log is whole and has what the view remembers, so that the view can be rebuilt from it."""


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with a task, and the version at which it shows."""

    version: int
    code: str
    message: str


class Verdict(msgspec.Struct, frozen=True):
    """The outcome for one task; `head` is the digest of the last event in the log, in hex."""

    task_id: UUID
    events: int
    head: str | None
    problem: Finding | None

    @property
    def ok(self) -> bool:
        return self.problem is None


class TaskCheck:
    """One task under examination. The first thing that is wrong is the finding; what follows is only counted.

    `remembered` is the view's row. With `base`, a proven snapshot, the examination goes on after that.
    """

    def __init__(self, task_id: UUID, remembered: Remembered | None = None, base: Snapshot | None = None) -> None:
        self.task_id = task_id
        self._remembered = remembered
        self._view_agrees = False
        self.events = 0
        self.problem: Finding | None = None
        self._task = base.task if base else None
        self._version = base.task.version if base else 0
        self._position = -1
        self._digest = base.digest if base else chain.GENESIS
        self._stored_digest: bytes | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """Where the events lead that were found to be whole."""
        return Snapshot(self._task, self._digest) if self._task else None

    def feed(self, row: LogRow) -> None:
        """Examine the next row, in the order of versions."""
        self.events += 1
        self._stored_digest = row.digest
        if self.problem is None:
            try:
                self._examine(row)
            except UNREADABLE:  # a null, or a type that is too long for any digest
                self._found(self._version + 1, "event-unreadable")

    def _examine(self, row: LogRow) -> None:
        position, _, _, topic, state, stored_digest = row
        version = self._version + 1
        if row.version != version:
            if row.version < version:
                self._found(row.version, "event-unexpected")
            else:
                self._found(version, "event-missing")
            return
        digest = chain.digest(self._digest, self.task_id, version, topic, state)
        if digest != stored_digest:
            self._found(version, "digest-mismatch")
            return
        if position <= self._position:
            self._found(version, "position-order")
            return
        try:
            event = decode_event(self.task_id, version, topic, state)
        except UNREADABLE:
            self._found(version, "event-unreadable")
            return
        try:
            _require_possible(self._task, event)
            self._task = evolve(self._task, event)
        except UNREADABLE:
            self._found(version, "event-impossible")
            return
        self._version, self._position, self._digest = version, position, digest
        if self._remembered and self._remembered.version == version:
            self._view_agrees = self._remembered.digest == digest

    def verdict(self) -> Verdict:
        """The outcome, after the last row."""
        if self.problem is None:
            self._compare(self._remembered)
        head = self._stored_digest.hex() if self._stored_digest else None
        return Verdict(self.task_id, self.events, head, self.problem)

    def _compare(self, remembered: Remembered | None) -> None:
        if remembered is None:
            self._found(self._version, "view-missing")
        elif remembered.version > self._version:
            self._found(self._version + 1, "log-behind-view")
        elif not self._view_agrees:
            self._found(remembered.version, "head-mismatch")
        elif remembered.version < self._version:
            self._found(remembered.version + 1, "log-ahead-of-view")
        elif remembered.task is None:
            self._found(self._version, "view-unreadable")
        elif self._task and (fields := differing_fields(remembered.task, self._task)):
            self._found(self._version, "view-mismatch", f"The view differs from the replayed events in {fields}.")

    def _found(self, version: int, code: str, message: str | None = None) -> None:
        self.problem = Finding(version, code, message or PROBLEMS[code])


def apply_checked(base: Snapshot | None, task_id: UUID, rows: Iterable[LogRow]) -> Snapshot | None:
    """The snapshot after more rows of a task; None where there is no event at all.

    Raises `HistoryCorrupt` at the first row that does not follow.
    """
    check = TaskCheck(task_id, base=base)
    for row in rows:
        check.feed(row)
        if check.problem:
            raise HistoryCorrupt(check.problem.version, check.problem.code, check.problem.message)
    return check.snapshot


def _require_possible(task: Task | None, event: Recorded) -> None:
    """Raise ValueError for what no command records: `evolve` itself refuses nothing."""
    data = event.data
    if isinstance(data, DraftCreated) != (task is None):
        raise ValueError("a task is created once, by its first event")
    if isinstance(data, DraftFieldChanged) and data.field not in FIELDS:
        raise ValueError("no such field")
    if task and isinstance(data, DraftFieldChanged | TranscriptChanged) and data.edit:
        old = task.transcript if isinstance(data, TranscriptChanged) else getattr(task, data.field)
        if min(data.edit.at, data.edit.cut) < 0 or data.edit.at + data.edit.cut > len(old):
            raise ValueError("the edit reaches beyond the text")
    if task and event.occurred_at < task.updated_at:
        raise ValueError("time runs backwards")


def differing_fields(one: Task, other: Task) -> str:
    """The names of the fields in which two states differ, "" where they do not; the order of keys counts."""
    return ", ".join(name for name in Task.__struct_fields__ if not _same(getattr(one, name), getattr(other, name)))


def _same(one: object, other: object) -> bool:
    return json.equal(one, other) and (
        not isinstance(one, dict) or msgspec.json.encode(one) == msgspec.json.encode(other)
    )
