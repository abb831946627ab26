"""Refusals: why a command was not carried out. Each maps to one problem (docs/api.md, Errors)."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from domain.task import Task


MAX_VIOLATIONS = 100
"""Violations that a refusal lists."""


class Violation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a request or a draft.

    `pointer` is a JSON pointer (RFC 6901) into the body; lengths count code points.
    """

    pointer: str
    code: str
    message: str
    limit: int | float | None = None
    actual: int | float | None = None


class Refusal(Exception):
    """A command that was not carried out and recorded nothing."""


class TaskNotFound(Refusal):
    """No such task, or one of another user: the two are not distinguished."""


class AlreadyExists(Refusal):
    """A task with this id exists."""


class NotADraft(Refusal):
    """Only a draft can be changed."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The task is not a draft any more: it is {status}.")


class NotRestorable(Refusal):
    """Only a discarded or expired draft can be restored."""

    def __init__(self, status: str) -> None:
        super().__init__(f"Only a discarded or expired draft can be restored: this task is {status}.")


class VersionMismatch(Refusal):
    """The task is at none of the versions that If-Match named."""

    def __init__(self, expected: tuple[int, ...], task: "Task | None") -> None:
        self.expected = expected
        self.task = task
        self.current_version = task.version if task else 0
        super().__init__(f"The task is at version {self.current_version}.")


class Invalid(Refusal):
    """The request breaks rules. The first `MAX_VIOLATIONS` are listed; `total` is their number."""

    def __init__(self, violations: list[Violation], total: int | None = None) -> None:
        self.violations = violations[:MAX_VIOLATIONS]
        self.total = len(violations) if total is None else total
        more = f" There are {self.total}; the first {MAX_VIOLATIONS} are listed." if self.total > MAX_VIOLATIONS else ""
        super().__init__("The request breaks the rules listed in errors." + more)


class NotPublishable(Refusal):
    """The draft may not be published yet; everything that is missing is listed."""

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations
        super().__init__("The draft is not ready to be published.")


class IdempotencyKeyReused(Refusal):
    """The Idempotency-Key was used for another request."""


class HistoryCorrupt(Refusal):
    """The stored history does not add up: the chain is broken, or the view differs from its replay."""

    def __init__(self, version: int, code: str, message: str) -> None:
        self.version = version
        self.code = code
        super().__init__(message)
