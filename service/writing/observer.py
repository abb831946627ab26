"""What the writer reports of its work, for metrics."""

from typing import Protocol


class WriteObserver(Protocol):
    """Receives what happens on the write path; it must neither wait nor raise."""

    def committed(self, requests: int, seconds: float) -> None:
        """One call of `append_events` made the changes of so many requests durable, and took so long."""

    def conflict(self) -> None:
        """Another process had changed a task, so that its requests are decided again."""

    def lookup(self) -> None:
        """A connection was lost between a commit and its answer, so that the log is asked what was recorded."""

    def replayed(self) -> None:
        """A retry was answered as the first time, by its Idempotency-Key."""


class Unobserved:
    """An observer that keeps nothing."""

    def committed(self, requests: int, seconds: float) -> None:
        """Nothing."""

    def conflict(self) -> None:
        """Nothing."""

    def lookup(self) -> None:
        """Nothing."""

    def replayed(self) -> None:
        """Nothing."""
