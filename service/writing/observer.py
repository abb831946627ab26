"""What is told of the write path as it works, for metrics."""

from typing import Protocol


class WriteObserver(Protocol):
    """Is called by the writer, in its loop; must not raise."""

    def committed(self, requests: int, seconds: float) -> None:
        """So many write requests were made durable in one commit, which took so long."""

    def conflict(self) -> None:
        """A task was changed by another process, and its requests are decided again."""

    def lookup(self) -> None:
        """The connection was lost between a commit and its answer, and the log is read."""

    def replayed(self) -> None:
        """A retry was answered as the first time, by its idempotency key."""
