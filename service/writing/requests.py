"""What travels between the routes and the writer: a request for one task, and its result."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from domain.commands import Command, Metadata
from domain.task import Task
from projections.current_task import Snapshot


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A user's key for a request, with the SHA-256 of the request and the status that a success answers."""

    user_id: UUID
    key: str
    request_hash: bytes
    status: int


class WriteRequest(msgspec.Struct, frozen=True, eq=False):
    """One command for one task.

    `proven` is what publishing replayed and checked. `precondition` may refuse what the task alone cannot decide; it is
    asked after the idempotency key.
    """

    task_id: UUID
    command: Command
    metadata: Metadata
    key: IdempotencyKey | None = None
    proven: Snapshot | None = None
    precondition: Callable[[], None] | None = None


class Committed(msgspec.Struct, frozen=True):
    """The command is carried out, durably: the task at the version that it produced."""

    task: Task


class Replayed(msgspec.Struct, frozen=True):
    """The command was carried out before, under the same key: what it produced then."""

    task_id: UUID
    version: int
    status: int


Result = Committed | Replayed


class ProofOutdated(Exception):
    """The task moved on since its history was replayed."""


class Overloaded(Exception):
    """More requests are waiting than the writer may keep; this one was not taken."""
